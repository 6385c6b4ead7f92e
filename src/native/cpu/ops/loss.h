/**
 * Row passes of the chunked cross-entropy (loss.cc): logits of some rows become exponentials, losses and
 * inverse sums; then gradients to hidden are finished.
 */
#pragma once

#include "call.h"
#include "cpu/ops/loss_args.h"
#include "cpu/runtime/dispatch.h"

namespace reasvqa {

/** hidden (N, d), weight (V, d), labels and loss (N); gradient to hidden (N, d), for dy = 1. */
struct LinearCrossEntropyCall {
  Operand hidden, weight, labels, loss;
  OptionalOperand gradient;
  int64_t chunkRows = 0;
  REASVQA_CALL("linearCrossEntropy", hidden, weight, labels, loss, gradient, chunkRows)
};
struct LinearCrossEntropyGradWeightCall {
  Operand dy, hidden, weight, labels, dweight;
  int64_t chunkRows = 0;
  REASVQA_CALL("linearCrossEntropyGradWeight", dy, hidden, weight, labels, dweight, chunkRows)
};

struct LossSizes {
  int64_t N, V, d, chunkRows;
};
template <class Call>
LossSizes lossSizes(const Call& call) {
  return {call.hidden.axis(0, 2), call.weight.axis(0, 2), call.weight.axis(1, 2), call.chunkRows};
}

struct LossKernels {
  /**
   * Row i of logits (rows, V) becomes exp(logit - max); loss[i] = log(sum) + max - logit of labels[i];
   * inverse[i] = 1 / sum. `loss` may be nullptr.
   */
  void (*softmaxRows)(float* logits, int64_t rows, int64_t V, const int32_t* labels, float* loss, float* inverse);
  /** y = a x - b over d numbers: the gradient softmax W - W[label] from the sum of exponentials times W. */
  void (*scaleMinus)(const float* x, float a, const float* b, float* y, int64_t d);
  /** y += a x */
  void (*addScaled)(const float* x, float a, float* y, int64_t d);
};

REASVQA_KERNELS(LossKernels, loss)

}  // namespace reasvqa
