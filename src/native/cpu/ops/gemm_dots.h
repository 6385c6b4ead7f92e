/**
 * Products of few rows with B stored transposed, as dot products: rows of A and of B^T are both contiguous in k.
 */
#pragma once

#include "cpu/ops/gemm_pack.h"

namespace reasvqa::REASVQA_ISA_NS {
namespace {

constexpr int64_t kFetchRows = 8;  // so many rows of B^T ahead, or more where so many floats are more
constexpr int64_t kFetchDepth = 3072;
constexpr int kDotSums = REASVQA_TILE_ROWS >= 8 ? 2 * kRows : 8;  // that fit the registers beside their factors
constexpr int kDotRows = kDotSums / 2;
constexpr int64_t kDotDepth = 4 * kLanes;  // below this, dot products spend their time on adding lanes

/**
 * R rows of A against S rows of B^T, both contiguous in k. Fetch: rows of B^T further on are brought to L2, since a few
 * short rows side by side are no stream that the hardware sees (40 MB of weights: 14 GB/s without, 27 with).
 */
template <class T, int R, int S, bool Fetch>
void dots(const Problem& p, const T* weights, int64_t row, int64_t col) {
  const int64_t ahead = maximum(kFetchRows, kFetchDepth / p.k) * p.ldb;
  vf sum[R * S] = {};
  const float* a = p.a + row * p.lda;
  const T* b = weights + col * p.ldb;
  int64_t d = 0;
  for (; d + kLanes <= p.k; d += kLanes) {
    vf y[S];
#pragma GCC unroll 4
    for (int s = 0; s < S; ++s) {
      y[s] = load(b + s * p.ldb + d);
      if (Fetch) __builtin_prefetch(b + ahead + s * p.ldb + d, 0, 2);
    }
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
      const vf x = inRegister(load(a + r * p.lda + d));
#pragma GCC unroll 4
      for (int s = 0; s < S; ++s) sum[r * S + s] = fma(x, y[s], sum[r * S + s]);
    }
  }
  if (d < p.k) {
    const int rest = static_cast<int>(p.k - d);
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
      const vf x = loadPartial(a + r * p.lda + d, rest);
#pragma GCC unroll 4
      for (int s = 0; s < S; ++s) sum[r * S + s] = fma(x, loadPartial(b + s * p.ldb + d, rest), sum[r * S + s]);
    }
  }
  float sums[R * S];
  horizontalSums(sum, sums);
  for (int r = 0; r < R; ++r) {
    for (int s = 0; s < S; ++s) {
      const float value = p.alpha * sums[r * S + s];
      *p.cAt(row + r, col + s) = p.add.data ? p.add.at(row + r, col + s) + value : value;
    }
  }
}

template <class T>
using Dots = void (*)(const Problem&, const T* weights, int64_t row, int64_t col);

template <class T, int S, bool Fetch, int R = kDotRows>
Dots<T> dotsOf(int64_t rows) {
  if constexpr (R * S > kDotSums) {
    return dotsOf<T, S, Fetch, R - 1>(rows);
  } else if constexpr (R > 1) {
    return rows < R ? dotsOf<T, S, Fetch, R - 1>(rows) : dots<T, R, S, Fetch>;
  } else {
    return dots<T, 1, S, Fetch>;
  }
}

/** All rows, of which there is one at least; the first pass over the columns fetches for the others. */
template <class T, int S>
void dotColumns(const Problem& p, const T* weights, int64_t col) {
  dotsOf<T, S, true>(p.m)(p, weights, 0, col);
  for (int64_t row = kDotRows; row < p.m; row += kDotRows) dotsOf<T, S, false>(p.m - row)(p, weights, row, col);
}

template <class T, int S>
void dotProducts(const Problem& p, const T* weights) {
  int64_t col = 0;
  for (; col + S <= p.n; col += S) dotColumns<T, S>(p, weights, col);
  for (; col < p.n; ++col) dotColumns<T, 1>(p, weights, col);
}

/** @param weights those of p.b */
template <class T>
void fewRowsDots(const Problem& p, const T* weights) {
  if (4 * p.m <= kDotSums) {
    dotProducts<T, 4>(p, weights);
  } else {
    dotProducts<T, 2>(p, weights);
  }
}

}  // namespace
}  // namespace reasvqa::REASVQA_ISA_NS
