/**
 * A matrix product as its kernels see it, and the packing of its operands: A into panels of kRows rows, B into panels of
 * kCols columns, so that both stream through the register tile without gaps.
 */
#pragma once

#include "cpu/runtime/simd.h"

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

namespace reasvqa::REASVQA_ISA_NS {
namespace {

// As many sums as the vector registers hold beside their factors; a macro, since tables of tiles are written with #if.
#if REASVQA_ISA_LEVEL == 2
#define REASVQA_TILE_ROWS 12  // of 32 registers
#elif defined(__aarch64__)
#define REASVQA_TILE_ROWS 8  // of 32: GCC keeps A's elements in registers, 12 rows would not leave them room
#elif REASVQA_ISA_LEVEL == 1
#define REASVQA_TILE_ROWS 6  // of 16
#else
#define REASVQA_TILE_ROWS 4  // of 16, of which a product without FMA takes one more
#endif
constexpr int kRows = REASVQA_TILE_ROWS;
constexpr int kVectors = 2;
constexpr int kCols = kVectors * kLanes;

/** What is added to a product: element (row, col) is at row * rowStride + col * colStride. No data: nothing. */
struct Addend {
  const float* data;
  int64_t rowStride, colStride;

  Addend from(int64_t row, int64_t col) const {
    return {data ? data + row * rowStride + col * colStride : nullptr, rowStride, colStride};
  }
  float at(int64_t row, int64_t col) const { return data ? data[row * rowStride + col * colStride] : 0.0f; }
};

/** The weight from its element `offset` on. */
Weight from(const Weight& weight, int64_t offset) {
  if (weight.bf16) return {nullptr, weight.bf16 + offset};
  return {weight.f32 + offset, nullptr};
}

/** A product with free strides for C, so that the transposed problem can be written in place. */
struct Problem {
  bool transA, transB;
  int64_t m, n, k;
  const float* a;
  int64_t lda;
  Weight b;
  int64_t ldb;
  float* c;
  int64_t rowStride, colStride;
  float alpha;
  Addend add;

  const float* aAt(int64_t row, int64_t depth) const { return a + (transA ? depth * lda + row : row * lda + depth); }
  Weight bAt(int64_t depth, int64_t col) const { return from(b, transB ? col * ldb + depth : depth * ldb + col); }
  float* cAt(int64_t row, int64_t col) const { return c + row * rowStride + col * colStride; }
  /** What the sums from `depth` on are added to: after the first of them, C itself. */
  Addend addAt(int64_t depth) const { return depth > 0 ? Addend{c, rowStride, colStride} : add; }
};

#if REASVQA_ISA_LEVEL == 2
/** Quarter q of v to dst + q * 4 * stride. */
void storeQuarters(__m512 v, float* dst, int64_t stride) {
  _mm_storeu_ps(dst, _mm512_castps512_ps128(v));
  _mm_storeu_ps(dst + 4 * stride, _mm512_extractf32x4_ps(v, 1));
  _mm_storeu_ps(dst + 8 * stride, _mm512_extractf32x4_ps(v, 2));
  _mm_storeu_ps(dst + 12 * stride, _mm512_extractf32x4_ps(v, 3));
}
constexpr int64_t kTurned = 16;

/** dst[d * stride + i] = src[i * ld + d] for 4 rows i and kTurned entries d: four 4 x 4 transposes side by side. */
template <class T>
void transpose4(const T* src, int64_t ld, float* dst, int64_t stride) {
  const __m512 r0 = (__m512)load(src);
  const __m512 r1 = (__m512)load(src + ld);
  const __m512 r2 = (__m512)load(src + 2 * ld);
  const __m512 r3 = (__m512)load(src + 3 * ld);
  const __m512d low01 = _mm512_castps_pd(_mm512_unpacklo_ps(r0, r1));
  const __m512d low23 = _mm512_castps_pd(_mm512_unpacklo_ps(r2, r3));
  const __m512d high01 = _mm512_castps_pd(_mm512_unpackhi_ps(r0, r1));
  const __m512d high23 = _mm512_castps_pd(_mm512_unpackhi_ps(r2, r3));
  storeQuarters(_mm512_castpd_ps(_mm512_unpacklo_pd(low01, low23)), dst, stride);
  storeQuarters(_mm512_castpd_ps(_mm512_unpackhi_pd(low01, low23)), dst + stride, stride);
  storeQuarters(_mm512_castpd_ps(_mm512_unpacklo_pd(high01, high23)), dst + 2 * stride, stride);
  storeQuarters(_mm512_castpd_ps(_mm512_unpackhi_pd(high01, high23)), dst + 3 * stride, stride);
}
#elif defined(__x86_64__)
constexpr int64_t kTurned = 4;

__m128 load4(const float* p) { return _mm_loadu_ps(p); }
__m128 load4(const Bf16* p) {
  const __m128i bits = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  return _mm_castsi128_ps(_mm_unpacklo_epi16(_mm_setzero_si128(), bits));
}

template <class T>
void transpose4(const T* src, int64_t ld, float* dst, int64_t stride) {
  __m128 r0 = load4(src);
  __m128 r1 = load4(src + ld);
  __m128 r2 = load4(src + 2 * ld);
  __m128 r3 = load4(src + 3 * ld);
  _MM_TRANSPOSE4_PS(r0, r1, r2, r3);
  _mm_storeu_ps(dst, r0);
  _mm_storeu_ps(dst + stride, r1);
  _mm_storeu_ps(dst + 2 * stride, r2);
  _mm_storeu_ps(dst + 3 * stride, r3);
}
#else
constexpr int64_t kTurned = 4;

template <class T>
void transpose4(const T* src, int64_t ld, float* dst, int64_t stride) {
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 4; ++j) dst[j * stride + i] = toFloat(src[i * ld + j]);
  }
}
#endif

constexpr int64_t kTurnedAhead = 8;   // rows fetched ahead
constexpr int64_t kTurnedDepth = 64;  // a panel is written 8 KiB at a time, which stay in L1 until its rows are full

/** dst[d * stride + i] = src[i * ld + d] for `count` rows i and `depth` entries d. */
template <class T>
void packAcross(const T* src, int64_t ld, int64_t count, int64_t depth, float* dst, int64_t stride) {
  for (int64_t from = 0; from < depth; from += kTurnedDepth) {
    const int64_t to = minimum(depth, from + kTurnedDepth);
    int64_t i = 0;
    for (; i + 4 <= count; i += 4) {
      int64_t d = from;
      for (; d + kTurned <= to; d += kTurned) {
        for (int row = 0; row < 4; ++row) __builtin_prefetch(src + (i + kTurnedAhead + row) * ld + d);
        transpose4(src + i * ld + d, ld, dst + d * stride + i, stride);
      }
      for (; d < to; ++d) {
        for (int64_t row = i; row < i + 4; ++row) dst[d * stride + row] = toFloat(src[row * ld + d]);
      }
    }
    for (; i < count; ++i) {
      for (int64_t d = from; d < to; ++d) dst[d * stride + i] = toFloat(src[i * ld + d]);
    }
  }
}

/** dst[d * stride + i] = src[d * ld + i] for `count` entries i of `depth` rows d. */
template <class T>
void packAlong(const T* src, int64_t ld, int64_t count, int64_t depth, float* dst, int64_t stride) {
  if (count == kCols) {
    for (int64_t d = 0; d < depth; ++d) {
      for (int v = 0; v < kVectors; ++v) store(dst + d * stride + v * kLanes, load(src + d * ld + v * kLanes));
    }
    return;
  }
  if (count == kRows) {
    for (int64_t d = 0; d < depth; ++d) {
      for (int i = 0; i < kRows; ++i) dst[d * stride + i] = toFloat(src[d * ld + i]);
    }
    return;
  }
  for (int64_t d = 0; d < depth; ++d) {
    for (int64_t i = 0; i < count; ++i) dst[d * stride + i] = toFloat(src[d * ld + i]);
  }
}

/** Rows [row, row + rows) x [depth, depth + kc) as panels of kRows; the last panel is as wide as it has rows. */
void packA(const Problem& p, int64_t row, int64_t rows, int64_t depth, int64_t kc, float* dst) {
  for (int64_t i = 0; i < rows; i += kRows) {
    const int64_t count = minimum(kRows, rows - i);
    const float* src = p.aAt(row + i, depth);
    if (p.transA) {
      packAlong(src, p.lda, count, kc, dst, count);
    } else {
      packAcross(src, p.lda, count, kc, dst, count);
    }
    dst += count * kc;
  }
}

template <class T>
void packColumns(const T* src, bool transposed, int64_t ld, int64_t count, int64_t depth, float* dst) {
  if (transposed) {
    packAcross(src, ld, count, depth, dst, kCols);
  } else {
    packAlong(src, ld, count, depth, dst, kCols);
  }
}

/** One panel of kCols columns from `col`; missing columns are zero and their sums are dropped. */
void packPanelB(const Problem& p, int64_t col, int64_t depth, int64_t kc, float* dst) {
  const int64_t count = minimum(kCols, p.n - col);
  const Weight src = p.bAt(depth, col);
  if (src.bf16) {
    packColumns(src.bf16, p.transB, p.ldb, count, kc, dst);
  } else {
    packColumns(src.f32, p.transB, p.ldb, count, kc, dst);
  }
  if (count == kCols) return;
  for (int64_t d = 0; d < kc; ++d) {
    for (int64_t i = count; i < kCols; ++i) dst[d * kCols + i] = 0.0f;
  }
}

}  // namespace
}  // namespace reasvqa::REASVQA_ISA_NS
