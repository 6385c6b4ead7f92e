/**
 * Vectors of the instruction set being compiled: kLanes floats (16 AVX-512, 8 AVX2, 4 plain), as GCC/clang vector
 * types with the usual operators. Only for *_kernels.cc.
 *
 * Loads and stores are unaligned; loadPartial/storePartial serve the last n < kLanes elements, so a tail gets exactly
 * the arithmetic of the body and results do not depend on where a range was cut.
 */
#pragma once

#ifndef REASVQA_ISA_NS
#error "simd.h is for *_kernels.cc, which are compiled once per instruction set"
#endif

#include <stddef.h>
#include <stdint.h>

#include "cpu/runtime/bf16.h"

#if REASVQA_ISA_LEVEL > 0
#include <immintrin.h>
#endif

namespace reasvqa::REASVQA_ISA_NS {
namespace {

#if REASVQA_ISA_LEVEL == 2
constexpr int kLanes = 16;
#elif REASVQA_ISA_LEVEL == 1
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

// In place of std::min and std::max, which kernels may not use (cpu/runtime/dispatch.h).
[[maybe_unused]] inline int64_t minimum(int64_t a, int64_t b) { return a < b ? a : b; }
[[maybe_unused]] inline int64_t maximum(int64_t a, int64_t b) { return a > b ? a : b; }
[[maybe_unused]] inline int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

typedef float vf __attribute__((vector_size(kLanes * 4)));
typedef int32_t vi __attribute__((vector_size(kLanes * 4)));
typedef uint16_t vh __attribute__((vector_size(kLanes * 2)));  // the bits of as many bf16 numbers

[[maybe_unused]] inline vf load(const float* p) {
  vf v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
[[maybe_unused]] inline void store(float* p, vf v) { __builtin_memcpy(p, &v, sizeof v); }

/** v, which the compiler may not read from memory again for each of its uses: loads, not sums, would then be the limit. */
[[maybe_unused]] inline vf inRegister(vf v) {
#if REASVQA_ISA_LEVEL > 0
  asm("" : "+v"(v));
#endif
  return v;
}

[[maybe_unused]] inline vf splat(float x) { return x - vf{}; }
#if REASVQA_ISA_LEVEL == 1
/** All ones in the first n lanes. */
[[maybe_unused]] inline __m256i firstLanes(int n) {
  alignas(32) static const int32_t kOnesThenZeros[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kOnesThenZeros + 8 - n));
}
#endif

/** The first n lanes from memory, the others `fill`; memory beyond n is not touched. */
[[maybe_unused]] inline vf loadPartial(const float* p, int n, float fill = 0.0f) {
#if REASVQA_ISA_LEVEL == 2
  return (vf)_mm512_mask_loadu_ps((__m512)splat(fill), static_cast<__mmask16>((1u << n) - 1), p);
#elif REASVQA_ISA_LEVEL == 1
  const __m256i mask = firstLanes(n);
  return (vf)_mm256_blendv_ps((__m256)splat(fill), _mm256_maskload_ps(p, mask), _mm256_castsi256_ps(mask));
#else
  vf v = splat(fill);
  for (int i = 0; i < n; ++i) v[i] = p[i];
  return v;
#endif
}
[[maybe_unused]] inline void storePartial(float* p, vf v, int n) {
#if REASVQA_ISA_LEVEL == 2
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1), (__m512)v);
#elif REASVQA_ISA_LEVEL == 1
  _mm256_maskstore_ps(p, firstLanes(n), (__m256)v);
#else
  for (int i = 0; i < n; ++i) p[i] = v[i];
#endif
}

[[maybe_unused]] inline vf widened(vh bits) { return (vf)(__builtin_convertvector(bits, vi) << 16); }
[[maybe_unused]] inline vf load(const Bf16* p) {
  vh bits;
  __builtin_memcpy(&bits, p, sizeof bits);
  return widened(bits);
}
[[maybe_unused]] inline vf loadPartial(const Bf16* p, int n) {
  vh bits = {};
  for (int i = 0; i < n; ++i) bits[i] = p[i].bits;
  return widened(bits);
}
[[maybe_unused]] inline float toFloat(float x) { return x; }
[[maybe_unused]] inline float toFloat(Bf16 x) {
  const uint32_t bits = static_cast<uint32_t>(x.bits) << 16;
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

[[maybe_unused]] inline vi splatInt(int32_t x) { return x + vi{}; }
[[maybe_unused]] inline vi bitsOf(vf v) { return (vi)v; }
[[maybe_unused]] inline vf fromBits(vi v) { return (vf)v; }
[[maybe_unused]] inline vf toFloat(vi v) { return __builtin_convertvector(v, vf); }
[[maybe_unused]] inline vf select(vi mask, vf a, vf b) { return mask ? a : b; }
/** NaN in either operand gives NaN, as Math.max does. */
[[maybe_unused]] inline vf maxNan(vf a, vf b) { return select((a > b) | (a != a), a, b); }
[[maybe_unused]] inline vf minNan(vf a, vf b) { return select((a < b) | (a != a), a, b); }
/** The larger, or smaller, of two, b where one is NaN: one instruction, where NaN passes b or is seen elsewhere. */
[[maybe_unused]] inline vf maxOrSecond(vf a, vf b) {
#if REASVQA_ISA_LEVEL == 2
  return (vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif REASVQA_ISA_LEVEL == 1
  return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#else
  return select(a > b, a, b);
#endif
}
[[maybe_unused]] inline vf minOrSecond(vf a, vf b) {
#if REASVQA_ISA_LEVEL == 2
  return (vf)_mm512_min_ps((__m512)a, (__m512)b);
#elif REASVQA_ISA_LEVEL == 1
  return (vf)_mm256_min_ps((__m256)a, (__m256)b);
#else
  return select(a < b, a, b);
#endif
}
[[maybe_unused]] inline vf absolute(vf v) { return fromBits(bitsOf(v) & splatInt(0x7fffffff)); }

[[maybe_unused]] inline vf squareRoot(vf v) {
#if REASVQA_ISA_LEVEL == 2
  return (vf)_mm512_sqrt_ps((__m512)v);
#elif REASVQA_ISA_LEVEL == 1
  return (vf)_mm256_sqrt_ps((__m256)v);
#else
  for (int i = 0; i < kLanes; ++i) v[i] = __builtin_sqrtf(v[i]);
  return v;
#endif
}

/** a * b + c; one rounding where the instruction set has FMA. */
[[maybe_unused]] inline vf fma(vf a, vf b, vf c) {
#if REASVQA_ISA_LEVEL == 2
  return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif REASVQA_ISA_LEVEL == 1
  return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
  return a * b + c;
#endif
}

#if REASVQA_ISA_LEVEL > 0
[[maybe_unused]] inline float sum128(__m128 v) {
  v = _mm_add_ps(v, _mm_movehl_ps(v, v));
  return _mm_cvtss_f32(_mm_add_ss(v, _mm_shuffle_ps(v, v, 1)));
}
[[maybe_unused]] inline float sum256(__m256 v) {
  return sum128(_mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1)));
}
#endif

/** Sum of the lanes, always in the same order: halves are added until one lane is left. */
[[maybe_unused]] inline float horizontalSum(vf v) {
#if REASVQA_ISA_LEVEL == 2
  const __m512 x = (__m512)v;
  return sum256(_mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1)));
#elif REASVQA_ISA_LEVEL == 1
  return sum256((__m256)v);
#else
  return (v[0] + v[2]) + (v[1] + v[3]);
#endif
}
#if REASVQA_ISA_LEVEL == 2
/** horizontalSum of four vectors, with the same bits; together they share their shuffles (15 instructions, not 32). */
[[maybe_unused]] inline __m128 fourSums(const vf* v) {
  const auto fold = [](__m512 a, __m512 b) {
    return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
  };
  const __m512 ab = fold((__m512)v[0], (__m512)v[1]);
  const __m512 cd = fold((__m512)v[2], (__m512)v[3]);
  // A quarter of the lanes for each vector.
  __m512 x = _mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xdd));
  x = _mm512_add_ps(x, _mm512_permute_ps(x, 0x4e));
  x = _mm512_add_ps(x, _mm512_permute_ps(x, 0xb1));
  const __m512i firsts = _mm512_castsi128_si512(_mm_setr_epi32(0, 4, 8, 12));
  return _mm512_castps512_ps128(_mm512_permutexvar_ps(firsts, x));
}
#endif

/** horizontalSum of each vector. */
template <int N>
[[maybe_unused]] inline void horizontalSums(const vf (&v)[N], float (&sums)[N]) {
  int i = 0;
#if REASVQA_ISA_LEVEL == 2
#pragma GCC unroll 6
  for (; i + 4 <= N; i += 4) _mm_storeu_ps(sums + i, fourSums(v + i));
#endif
#pragma GCC unroll 12
  for (; i < N; ++i) sums[i] = horizontalSum(v[i]);
}
[[maybe_unused]] inline float horizontalMax(vf v) {
  float lanes[kLanes];
  store(lanes, v);
  float best = lanes[0];
  for (int i = 1; i < kLanes; ++i) best = (lanes[i] > best || lanes[i] != lanes[i]) ? lanes[i] : best;
  return best;
}

/** The largest lane, or any of NaN and the others. */
[[maybe_unused]] inline float horizontalMaxOrAny(vf v) {
#if REASVQA_ISA_LEVEL == 2
  return _mm512_reduce_max_ps((__m512)v);
#elif REASVQA_ISA_LEVEL == 1
  const __m256 x = (__m256)v;
  __m128 y = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  y = _mm_max_ps(y, _mm_movehl_ps(y, y));
  return _mm_cvtss_f32(_mm_max_ss(y, _mm_shuffle_ps(y, y, 1)));
#else
  return horizontalMax(v);
#endif
}

/** body(i, lanes) for i = 0, kLanes, ... over [begin, end); the last call may have fewer lanes. */
template <class F>
[[maybe_unused]] inline void forVectors(int64_t begin, int64_t end, const F& body) {
  int64_t i = begin;
  for (; i + kLanes <= end; i += kLanes) body(i, kLanes);
  if (i < end) body(i, static_cast<int>(end - i));
}
/** Loads kLanes or fewer. */
[[maybe_unused]] inline vf loadN(const float* p, int n) { return n == kLanes ? load(p) : loadPartial(p, n); }
[[maybe_unused]] inline void storeN(float* p, vf v, int n) {
  if (n == kLanes) {
    store(p, v);
  } else {
    storePartial(p, v, n);
  }
}

}  // namespace
}  // namespace reasvqa::REASVQA_ISA_NS
