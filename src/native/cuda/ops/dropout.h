/** Dropout of a call as kernels read it. */
#pragma once

#include "binding.h"
#include "cuda/ops/dropout_args.h"

namespace reasvqa::cuda {

inline Dropout kernelDropout(const DropoutKey& key) {
  const float scale = dropoutScale(key);
  return {key.rate > 0 ? scale : 0.0f, key.threshold, key.seed, key.step, key.call};
}

}  // namespace reasvqa::cuda
