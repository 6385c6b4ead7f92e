/**
 * Reductions over the middle of (outer, reduced, inner), softmax over rows, running sums and the k largest.
 */
#pragma once

#include "call.h"
#include "cpu/runtime/dispatch.h"

namespace reasvqa {

REASVQA_ENUM(ReduceOp, sum, max, min, prod, any, all, argMax, argMin)

/** x is (outer, reduced, inner), y is (outer, inner). */
struct Reduction {
  int64_t outer, reduced, inner;
};

struct ReduceKernels {
  /** sum (times `scale`, which makes it a mean), max, min, prod. `partial` holds reducePartials() floats. */
  void (*f32)(ReduceOp op, const Reduction& shape, const float* x, float* y, float scale, float* partial);
  void (*i32)(ReduceOp op, const Reduction& shape, const int32_t* x, int32_t* y);
  /** any, all. */
  void (*boolean)(ReduceOp op, const Reduction& shape, const uint8_t* x, uint8_t* y);
  /** argMax, argMin: the first of equal values. */
  void (*argF32)(ReduceOp op, const Reduction& shape, const float* x, int32_t* y);
  void (*argI32)(ReduceOp op, const Reduction& shape, const int32_t* x, int32_t* y);
  void (*softmax)(const float* x, float* y, int64_t rows, int64_t length);
  /** Running sum along rows of `length`. */
  void (*cumsumF32)(const float* x, float* y, int64_t rows, int64_t length, bool exclusive, bool reverse);
  void (*cumsumI32)(const int32_t* x, int32_t* y, int64_t rows, int64_t length, bool exclusive, bool reverse);
  /** The k largest of each row, largest first, the earlier of equal ones first. */
  void (*topK)(const float* x, float* values, int32_t* indices, int64_t rows, int64_t length, int64_t k);
};

REASVQA_KERNELS(ReduceKernels, reduce)

/** Elements summed at a time: sums of chunks are then added, which bounds the rounding error of long sums. */
[[maybe_unused]] constexpr int64_t kSumChunk = 4096;
/** Rows summed at a time when columns are summed (inner > 1). */
constexpr int64_t kRowChunk = 256;

/** Floats of scratch that f32 needs. */
static inline int64_t reducePartials(const Reduction& shape) {
  if (shape.inner == 1) return shape.outer * ((shape.reduced + kSumChunk - 1) / kSumChunk);
  return shape.outer * ((shape.reduced + kRowChunk - 1) / kRowChunk) * shape.inner;
}

}  // namespace reasvqa
