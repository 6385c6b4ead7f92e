/**
 * Weights stored as bf16, the upper half of an f32: half the memory, and half the bytes to read. Only matrix products
 * take them (gemm.h), as their operand B.
 */
#pragma once

#include <stdint.h>

namespace reasvqa {

/** One element. Kernels widen it (simd.h); storage.cc rounds to it. */
struct Bf16 {
  uint16_t bits;
};

/** The elements of a weight, as f32 or as bf16; the other pointer is null. */
struct Weight {
  const float* f32 = nullptr;
  const Bf16* bf16 = nullptr;
};

}  // namespace reasvqa
