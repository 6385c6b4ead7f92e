/**
 * LayerNorm and RMSNorm over the last axis, forward and backward; x is (rows, d). The backward kernels compute the
 * row statistics again: one more pass over a row that is in cache, and nothing to keep between the passes.
 *
 * Variance is the mean of squared deviations from the mean (two passes), so a large mean costs no accuracy.
 */
#pragma once

#include "cpu/runtime/dispatch.h"

namespace reasvqa {

struct Norm {
  int64_t rows = 0;
  int64_t d = 0;
  float eps = 0.0f;
};

/** Rows whose parameter gradients are summed by one task; does not depend on the thread count. */
constexpr int64_t kNormChunk = 64;

/** dx = the gradient (+ addend, which may be nullptr). */
using NormGradInput = void (*)(const Norm& norm, const float* dy, const float* x, const float* weight, const float* addend,
                               float* dx);

struct NormKernels {
  void (*layerNorm)(const Norm& norm, const float* x, const float* weight, const float* bias, float* y);
  NormGradInput layerNormInput;
  /** `partial`: 2 d floats for every kNormChunk rows. */
  void (*layerNormParameters)(const Norm& norm, const float* dy, const float* x, float* partial, float* dweight,
                              float* dbias);
  void (*rmsNorm)(const Norm& norm, const float* x, const float* weight, float* y);
  NormGradInput rmsNormInput;
  /** `partial`: d floats for every kNormChunk rows. */
  void (*rmsNormWeight)(const Norm& norm, const float* dy, const float* x, float* partial, float* dweight);
};

REASVQA_KERNELS(NormKernels, norm)

}  // namespace reasvqa
