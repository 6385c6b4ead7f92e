/** Dropout as kernels read it. */
#pragma once

namespace reasvqa::cuda {

/** One use of dropout; scale = 1 / (1 - rate), 0: no dropout. */
struct Dropout {
  float scale;
  uint32_t threshold;
  uint32_t seed;
  uint32_t step;
  uint32_t call;
};

}  // namespace reasvqa::cuda
