/**
 * LayerNorm and RMSNorm over the last axis, forward and backward; x is (rows, d). The backward kernels compute the
 * row statistics again: one more pass over a row that is in cache, and nothing to keep between the passes.
 *
 * Variance is the mean of squared deviations from the mean (two passes), so a large mean costs no accuracy.
 */
#pragma once

#include "call.h"
#include "cpu/runtime/dispatch.h"

namespace reasvqa {

/** x and y (..., d); weight and bias (d). */
struct LayerNormCall {
  Operand x, weight, bias, y;
  float eps = 0;
  REASVQA_CALL("layerNorm", x, weight, bias, y, eps)
};
/** inverses (rows): 1 / sqrt(mean(x^2) + eps), on a device that computes the gradient from a result in bf16. */
struct RmsNormCall {
  Operand x, weight, y;
  OptionalOperand inverses;
  float eps = 0;
  REASVQA_CALL("rmsNorm", x, weight, y, inverses, eps)
};
/** dx = the gradient (+ addend), of either norm. */
struct NormGradInputCall {
  Operand dy, x, weight, dx;
  OptionalOperand addend;
  float eps = 0;
  REASVQA_FIELDS(dy, x, weight, dx, addend, eps)
};
struct LayerNormGradInputCall : NormGradInputCall {
  static constexpr const char* kName = "layerNormGradInput";
};
struct RmsNormGradInputCall : NormGradInputCall {
  static constexpr const char* kName = "rmsNormGradInput";
};
struct LayerNormGradParametersCall {
  Operand dy, x, dweight, dbias;
  float eps = 0;
  REASVQA_CALL("layerNormGradParameters", dy, x, dweight, dbias, eps)
};
struct RmsNormGradWeightCall {
  Operand dy, x, dweight;
  float eps = 0;
  REASVQA_CALL("rmsNormGradWeight", dy, x, dweight, eps)
};
/**
 * RMSNorm's gradient to its input from its result in bf16, which the product that reads y may keep anyway, and the inverses;
 * no weight may be 0 then.
 */
struct RmsNormGradFromResultCall {
  Operand dy, y, weight, inverses, dx;
  OptionalOperand addend;
  REASVQA_CALL("rmsNormGradFromResult", dy, y, weight, inverses, dx, addend)
};

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
