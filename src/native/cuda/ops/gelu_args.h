/** The activations as the launcher of GELU and SiLU gives them to its kernels. */
#pragma once

namespace reasvqa::cuda {

/** The forms of GeluForm, then SiLU. */
enum Activation : int32_t { kErf, kTanh, kSilu };

}  // namespace reasvqa::cuda
