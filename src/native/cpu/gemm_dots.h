/**
 * Products of few rows with B stored transposed, as dot products: rows of A and of B^T are both contiguous in k.
 */
#pragma once

#include "cpu/gemm_pack.h"

namespace reasvqa::REASVQA_ISA_NS {
namespace {

constexpr int64_t kFetchRows = 8;  // so many rows of B^T ahead, or more where so many floats are more
constexpr int64_t kFetchDepth = 3072;
constexpr int64_t kDotDepth = 4 * kLanes;  // below this, dot products spend their time on adding lanes

/**
 * R rows of A against S rows of B^T, both contiguous in k. Fetch: rows of B^T further on are brought to L2, since four
 * short rows side by side are no stream that the hardware sees (40 MB of weights: 14 GB/s without, 27 with).
 */
template <int R, int S, bool Fetch>
void dots(const Problem& p, int64_t row, int64_t col) {
  const int64_t ahead = maximum(kFetchRows, kFetchDepth / p.k) * p.ldb;
  vf sum[R][S] = {};
  const float* a = p.a + row * p.lda;
  const float* b = p.b + col * p.ldb;
  int64_t d = 0;
  for (; d + kLanes <= p.k; d += kLanes) {
    vf y[S];
#pragma GCC unroll 4
    for (int s = 0; s < S; ++s) {
      y[s] = load(b + s * p.ldb + d);
      if (Fetch) __builtin_prefetch(b + ahead + s * p.ldb + d, 0, 2);
    }
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const vf x = load(a + r * p.lda + d);
#pragma GCC unroll 4
      for (int s = 0; s < S; ++s) sum[r][s] = fma(x, y[s], sum[r][s]);
    }
  }
  if (d < p.k) {
    const int rest = static_cast<int>(p.k - d);
    for (int r = 0; r < R; ++r) {
      const vf x = loadPartial(a + r * p.lda + d, rest);
      for (int s = 0; s < S; ++s) sum[r][s] = fma(x, loadPartial(b + s * p.ldb + d, rest), sum[r][s]);
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int s = 0; s < S; ++s) {
      float* c = p.cAt(row + r, col + s);
      const float value = p.alpha * horizontalSum(sum[r][s]);
      *c = p.accumulate ? *c + value : value;
    }
  }
}

/** Up to four rows from `row` on. */
template <int S, bool Fetch>
void dotRows(const Problem& p, int64_t row, int64_t col) {
  switch (p.m - row) {
    case 1: return dots<1, S, Fetch>(p, row, col);
    case 2: return dots<2, S, Fetch>(p, row, col);
    case 3: return dots<3, S, Fetch>(p, row, col);
    default: return dots<4, S, Fetch>(p, row, col);
  }
}

/** All rows, of which there is one at least; the first pass over the columns fetches for the others. */
template <int S>
void dotColumns(const Problem& p, int64_t col) {
  dotRows<S, true>(p, 0, col);
  for (int64_t row = 4; row < p.m; row += 4) dotRows<S, false>(p, row, col);
}

void fewRowsDots(const Problem& p) {
  int64_t col = 0;
  for (; col + 4 <= p.n; col += 4) dotColumns<4>(p, col);
  for (; col < p.n; ++col) dotColumns<1>(p, col);
}

}  // namespace
}  // namespace reasvqa::REASVQA_ISA_NS
