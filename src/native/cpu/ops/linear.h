/**
 * The calls of a linear layer with low-rank update, on every device: y = x W^T + bias + scale (dropout(x) A^T) B^T + addend.
 * W (out, in) as f32 or bf16, A (r, in), B (out, r); A and B go together.
 */
#pragma once

#include "binding.h"

namespace reasvqa {

struct LinearCall {
  Operand x, weight;
  OptionalOperand bias, loraA, loraB, addend;
  Operand y;
  float scale = 0;
  DropoutKey dropout;
  REASVQA_CALL("linear", x, weight, bias, loraA, loraB, addend, y, scale, dropout)
};
/** addend may be dx. */
struct LinearGradInputCall {
  Operand dy, weight;
  OptionalOperand loraA, loraB, addend;
  Operand dx;
  float scale = 0;
  DropoutKey dropout;
  REASVQA_CALL("linearGradInput", dy, weight, loraA, loraB, addend, dx, scale, dropout)
};
/** dA = (scale dy B)^T dropout(x); dB = scale dy^T (dropout(x) A^T). */
struct LinearGradLoraCall {
  Operand dy, x, loraA, loraB, dA, dB;
  float scale = 0;
  DropoutKey dropout;
  REASVQA_CALL("linearGradLora", dy, x, loraA, loraB, dA, dB, scale, dropout)
};

struct LinearSizes {
  int64_t rows, in, out, r;
  float scale;
};

/** rows: those of x or dy. */
template <class Call>
LinearSizes linearSizes(const Call& call, int64_t rows) {
  check(static_cast<bool>(call.loraA) == static_cast<bool>(call.loraB), "linear: A and B go together");
  const int64_t r = call.loraA ? call.loraA.axis(0, 2) : 0;
  check(!call.loraA || r > 0, "linear: A and B of rank 0");
  return {rows, call.weight.axis(1, 2), call.weight.axis(0, 2), r, call.scale};
}
inline LinearSizes linearSizes(const LinearGradLoraCall& call) {
  const int64_t r = call.loraA.axis(0, 2);
  check(r > 0, "linear: A and B of rank 0");
  return {call.x.rows(), call.loraA.axis(1, 2), call.loraB.axis(0, 2), r, call.scale};
}

}  // namespace reasvqa
