/**
 * Two inputs, one output, with broadcasting: out = f(a, b).
 */
#pragma once

#include "call.h"
#include "cpu/runtime/dispatch.h"
#include "cpu/runtime/strided.h"

namespace reasvqa {

/** From `equal` on, the result is bool. */
REASVQA_ENUM(BinaryOp, add, sub, mul, div, maximum, minimum, squaredDifference, pow,
             mod,       // the sign of b, as in tfjs
             floorDiv,  // int32 only
             equal, notEqual, greater, greaterEqual, less, lessEqual,
             logicalAnd, logicalOr)  // bool only

/** Operands of the layout: 0 = a, 1 = b; out is dense in row-major order. False for an unknown combination. */
struct BinaryKernels {
  bool (*f32)(BinaryOp op, const Layout<2>& layout, const float* a, const float* b, float* out);
  bool (*i32)(BinaryOp op, const Layout<2>& layout, const int32_t* a, const int32_t* b, int32_t* out);
  bool (*compareF32)(BinaryOp op, const Layout<2>& layout, const float* a, const float* b, uint8_t* out);
  bool (*compareI32)(BinaryOp op, const Layout<2>& layout, const int32_t* a, const int32_t* b, uint8_t* out);
  bool (*compareU8)(BinaryOp op, const Layout<2>& layout, const uint8_t* a, const uint8_t* b, uint8_t* out);
};

REASVQA_KERNELS(BinaryKernels, binary)

}  // namespace reasvqa
