/**
 * Moving elements without changing them: every permutation, slice, padding, tiling, concatenation and broadcast is one
 * strided copy. Also fill, range, cast and select.
 */
#pragma once

#include "cpu/runtime/dispatch.h"
#include "cpu/runtime/strided.h"

namespace reasvqa {

struct CopyKernels {
  /** Layout operands: 0 = from, 1 = to. `elementBytes` is 1 or 4. Source and target must not overlap. */
  void (*strided)(const Layout<2>& layout, int elementBytes, const void* from, void* to);
  void (*fill32)(uint32_t* out, int64_t n, uint32_t bits);
  void (*fill8)(uint8_t* out, int64_t n, uint8_t value);
  /** out[i] = start + i * step, each computed from i in double. */
  void (*rangeF32)(float* out, int64_t n, double start, double step);
  void (*rangeI32)(int32_t* out, int64_t n, double start, double step);
  void (*f32ToI32)(const float* x, int32_t* y, int64_t n);  // towards zero; NaN and out of range as JavaScript's ToInt32
  void (*i32ToF32)(const int32_t* x, float* y, int64_t n);
  void (*u8ToF32)(const uint8_t* x, float* y, int64_t n);
  void (*u8ToI32)(const uint8_t* x, int32_t* y, int64_t n);
  void (*f32ToBool)(const float* x, uint8_t* y, int64_t n);  // x != 0, NaN is true
  void (*i32ToBool)(const int32_t* x, uint8_t* y, int64_t n);
  /** out = condition ? a : b for n * inner elements; one condition serves `inner` elements. */
  void (*select32)(const uint8_t* condition, const uint32_t* a, const uint32_t* b, uint32_t* out, int64_t n, int64_t inner);
  void (*select8)(const uint8_t* condition, const uint8_t* a, const uint8_t* b, uint8_t* out, int64_t n, int64_t inner);
};

REASVQA_KERNELS(CopyKernels, copy)

}  // namespace reasvqa
