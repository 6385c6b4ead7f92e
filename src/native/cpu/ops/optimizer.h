/**
 * AdamW and the global norm over many tensors in one call: a step updates a few hundred small tensors, and per-tensor
 * calls of a dozen operations each would cost more than the arithmetic.
 *
 * The tensors are cut into pieces of at most kPiece elements, which are shared out between the threads.
 */
#pragma once

#include "cpu/runtime/dispatch.h"

namespace reasvqa {

constexpr int64_t kPiece = 16384;

/** One piece of one tensor. */
struct AdamWPiece {
  float* p;
  float* m;
  float* v;
  const float* g;
  int64_t n;
  float decay;  // 1 - lr wd
  float rate;   // lr / (1 - beta1^t)
};

struct AdamW {
  float beta1;
  float beta2;
  float oneMinusBeta1;
  float oneMinusBeta2;
  float eps;
  float rootCorrection;  // 1 / sqrt(1 - beta2^t)
  float gradScale;
};

struct NormPiece {
  const float* g;
  int64_t n;
};

struct OptimizerKernels {
  void (*adamw)(const AdamW& step, const AdamWPiece* pieces, int64_t count);
  /** sums[i] = sum of squares of piece i. */
  void (*squares)(const NormPiece* pieces, int64_t count, double* sums);
};

REASVQA_KERNELS(OptimizerKernels, optimizer)

}  // namespace reasvqa
