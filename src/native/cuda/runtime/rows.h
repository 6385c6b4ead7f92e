/** The host's side of rows.cuh. */
#pragma once

#include <cstdint>

#include "cuda/runtime/launch.h"

namespace reasvqa::cuda {

/** The smallest power of 2 that is at least n, but at most `limit` (a power of 2). */
inline int32_t powerOfTwo(int64_t n, int32_t limit = 256) {
  int32_t power = 1;
  while (power < n && power < limit) power *= 2;
  return power;
}

/** Blocks of 256 threads for rows of `width` threads each. */
inline Grid gridForRows(int64_t rows, int32_t width) { return gridFor(rows * width, 256); }

}  // namespace reasvqa::cuda
