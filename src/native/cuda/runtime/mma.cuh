/**
 * A product of f16 tiles on the tensor cores by the 32 lanes of a warp, C (16, 8) += A (16, 16) B (16, 8), summed in f32:
 * mma.sync.m16n8k16, of sm_80 and later. With g = lane / 4 and t = 2 (lane % 4), a lane holds
 *
 *   of A  left[0]: row g, depths t and t + 1; left[1]: row g + 8; left[2], left[3]: the same rows at depths t + 8, t + 9
 *   of B  right: depths t and t + 1 of column g; rightHigh: depths t + 8, t + 9
 *   of C  sum[0], sum[1]: row g, columns t and t + 1; sum[2], sum[3]: row g + 8
 *
 * with two f16 in a word, the first in its low half (PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point
 * type"). Where no compiler for GPUs reads this, the tests' shim has functions of the same meaning.
 */
#pragma once

#ifdef __CUDACC__
/** Two floats rounded to f16, to nearest, ties to even; infinite from 65520 on. */
__device__ inline uint32_t packF16(float low, float high) {
  uint32_t packed;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
}

__device__ inline float f16ToFloat(unsigned short bits) {
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
  return value;
}

/** All lanes of the warp must call it. */
__device__ inline void multiplyAdd(float (&sum)[4], const uint32_t (&left)[4], uint32_t right, uint32_t rightHigh) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(left[0]), "r"(left[1]), "r"(left[2]), "r"(left[3]), "r"(right), "r"(rightHigh));
}
#else
__device__ inline uint32_t packF16(float low, float high) { return shim::toF16(low) | shim::toF16(high) << 16; }
__device__ inline float f16ToFloat(unsigned short bits) { return shim::fromF16(bits); }
__device__ inline void multiplyAdd(float (&sum)[4], const uint32_t (&left)[4], uint32_t right, uint32_t rightHigh) {
  shim::multiplyAdd(sum, left, right, rightHigh);
}
#endif
