/** Rotary positions: the halves of every head turned by the angle of their row. */
#pragma once

#include "call.h"
#include "cpu/ops/rope_args.h"
#include "cpu/runtime/dispatch.h"

namespace reasvqa {

/** x and y (B, L, heads D), cos and sin (L, D / 2). back: by the opposite angles, as the gradient is. */
struct RopeCall {
  Operand x, cos, sin, y;
  int64_t heads = 0;
  bool back = false;
  REASVQA_CALL("rope", x, cos, sin, y, heads, back)
};

/** Reads a call, of either device's buffers, and checks its shapes. */
Rope ropeOf(const RopeCall& call);

struct RopeKernels {
  void (*run)(const Rope& rope, const float* x, float* y);
};

REASVQA_KERNELS(RopeKernels, rope)

}  // namespace reasvqa
