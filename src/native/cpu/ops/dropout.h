/**
 * Inverted dropout with bits that depend on an element's position alone (see philox.h). The tensor is seen as
 * (rows, columns), row-major.
 */
#pragma once

#include "call.h"
#include "cpu/runtime/dispatch.h"

namespace reasvqa {

/** One use of dropout, with the round keys of Philox written out. threshold 0 keeps everything. */
struct Dropout {
  bool on = false;
  uint32_t threshold = 0;
  uint32_t call = 0;
  uint32_t step = 0;
  float scale = 1.0f;  // 1 / (1 - rate)
  uint64_t key0[10] = {};  // 64 bits wide, as the vectors read them
  uint64_t key1[10] = {};
};

/** The same of a call. */
Dropout dropoutOf(const DropoutKey& key);

/**
 * y = addend + x * (0 or 1 / (1 - rate)); without an addend 0. y may be x or addend. Why fused: a residual connection reads
 * and writes its tensors once.
 */
struct DropoutCall {
  Operand x;
  OptionalOperand addend;
  Operand y;
  DropoutKey dropout;
  REASVQA_CALL("dropout", x, addend, y, dropout)
};

struct DropoutKernels {
  /**
   * y = addend + x * multiplier over rows [firstRow, firstRow + rows), where all three start; addend may be null (0). y may
   * be x or addend.
   */
  void (*rows)(const float* x, const float* addend, float* y, int64_t firstRow, int64_t rows, int64_t columns,
               const Dropout& dropout);
};

REASVQA_KERNELS(DropoutKernels, dropout)

}  // namespace reasvqa
