/** Rotary positions: the halves of every head turned by the angle of their row. */
#pragma once

#include "call.h"
#include "cpu/runtime/dispatch.h"

namespace reasvqa {

/** x and y (B, L, heads D), cos and sin (L, D / 2). back: by the opposite angles, as the gradient is. */
struct RopeCall {
  Operand x, cos, sin, y;
  int64_t heads = 0;
  bool back = false;
  REASVQA_CALL("rope", x, cos, sin, y, heads, back)
};

struct Rope {
  int64_t rows = 0;    // B L
  int64_t length = 0;  // L
  int64_t heads = 0;
  int64_t half = 0;  // D / 2
  float sign = 1.0f;
  const float* cos = nullptr;
  const float* sin = nullptr;
};

struct RopeKernels {
  void (*run)(const Rope& rope, const float* x, float* y);
};

REASVQA_KERNELS(RopeKernels, rope)

}  // namespace reasvqa
