/**
 * Buffers of bf16: making them from f32 and reading them as f32.
 */
#pragma once

#include <stddef.h>

#include "call.h"
#include "cpu/runtime/bf16.h"
#include "cpu/runtime/dispatch.h"

namespace reasvqa {

class Args;

struct StorageKernels {
  /** To nearest, ties to even; NaN stays NaN. */
  void (*narrow)(const float* x, Bf16* y, int64_t n);
  void (*widen)(const Bf16* x, float* y, int64_t n);
};

REASVQA_KERNELS(StorageKernels, storage)

/** A weight's buffer of either storage; throws when it is not live or too small. */
Weight weightArg(const Args& args, size_t index, int64_t elements);
Weight weightOf(const Operand& operand, int64_t elements);

}  // namespace reasvqa
