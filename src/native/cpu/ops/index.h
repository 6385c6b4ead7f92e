/**
 * Rows by index: gather, its gradient (segment sum), one-hot rows and drawing from rows of probabilities.
 */
#pragma once

#include "cpu/runtime/dispatch.h"

#include "cpu/ops/index_args.h"

namespace reasvqa {

struct IndexKernels {
  /** Position of the first index outside [0, dim), or -1. */
  int64_t (*firstOutside)(const int32_t* indices, int64_t n, int64_t dim);
  void (*gather)(const Gather& shape, int elementBytes, const void* x, const int32_t* indices, void* out);
  /** out (segments, inner) = sums of the rows of x (rows, inner) by id; ids outside [0, segments) are dropped. */
  void (*segmentSumF32)(const float* x, const int32_t* ids, float* out, int64_t rows, int64_t inner, int64_t segments);
  void (*segmentSumI32)(const int32_t* x, const int32_t* ids, int32_t* out, int64_t rows, int64_t inner, int64_t segments);
  /** out (n, depth): `on` at each index, `off` elsewhere; as 32-bit patterns. */
  void (*oneHot)(const int32_t* indices, uint32_t* out, int64_t n, int64_t depth, uint32_t on, uint32_t off);
  /** out (rows, samples): outcome whose cumulative probability first exceeds the uniform draw. */
  void (*draw)(const float* probabilities, const float* uniform, int32_t* out, int64_t rows, int64_t outcomes, int64_t samples);
};

REASVQA_KERNELS(IndexKernels, index)

}  // namespace reasvqa
