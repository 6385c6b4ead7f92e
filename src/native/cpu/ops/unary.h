/**
 * One input, one output of the same size: y = f(x).
 */
#pragma once

#include "call.h"
#include "cpu/runtime/dispatch.h"

namespace reasvqa {

REASVQA_ENUM(UnaryOp, abs, neg, exp, log, sqrt, rsqrt, square, reciprocal, relu, sigmoid, tanh, erf, floor, ceil, sign,
             step,  // x > 0 ? 1 : (x is NaN ? NaN : p)
             clip,  // min(max(x, p), q)
             isFinite, isNan, isInf, logicalNot)

struct UnaryKernels {
  /** f32 to f32, all operations before isFinite. */
  void (*f32)(UnaryOp op, const float* x, float* y, int64_t n, float p, float q);
  /** f32 to bool: isFinite, isNan, isInf. */
  void (*test)(UnaryOp op, const float* x, uint8_t* y, int64_t n);
  /** i32 to i32: abs, neg, square, relu, sign, clip. Returns false for another operation. */
  bool (*i32)(UnaryOp op, const int32_t* x, int32_t* y, int64_t n, int32_t p, int32_t q);
  /** bool to bool: logicalNot. */
  void (*logicalNot)(const uint8_t* x, uint8_t* y, int64_t n);
};

REASVQA_KERNELS(UnaryKernels, unary)

}  // namespace reasvqa
