/**
 * AdamW and the global norm over many tensors in one call: a step updates a few hundred small tensors, and per-tensor
 * calls of a dozen operations each would cost more than the arithmetic.
 *
 * The tensors are cut into pieces of at most kPiece elements, which are shared out between the threads (on a GPU: a block
 * each, their table uploaded with the call).
 */
#pragma once

#include "call.h"
#include "cpu/ops/optimizer_args.h"
#include "cpu/runtime/dispatch.h"

namespace reasvqa {

/**
 * One update of every parameter in place, as torch.optim.AdamW does it (src/ops/adamw.ts). The tensors come as arguments
 * beside the call: Int32Array of 4 buffers each (p, m, v, gradient), Float64Array of their sizes, Float64Array of two
 * numbers each (learning rate, weight decay).
 */
struct AdamWCall {
  double beta1 = 0, beta2 = 0, eps = 0, step = 0, gradScale = 0;
  REASVQA_CALL("adamW", beta1, beta2, eps, step, gradScale)
};
/** norm (): sqrt of the sum of all squares of all tensors, which come as Int32Array of buffers and Float64Array of sizes. */
struct GlobalNormCall {
  Operand norm;
  REASVQA_CALL("globalNorm", norm)
};

struct OptimizerKernels {
  void (*adamw)(const AdamW& step, const AdamWPiece* pieces, int64_t count);
  /** sums[i] = sum of squares of piece i. */
  void (*squares)(const NormPiece* pieces, int64_t count, double* sums);
};

REASVQA_KERNELS(OptimizerKernels, optimizer)

}  // namespace reasvqa
