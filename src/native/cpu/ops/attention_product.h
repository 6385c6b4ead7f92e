/** Small matrix products inside attention kernels. */
#pragma once

#include "cpu/ops/gemm.h"

namespace reasvqa::REASVQA_ISA_NS {
namespace {

/** A matrix, read as it is or transposed. */
struct Matrix {
  const float* p;
  int64_t ld;
  bool transposed;
};

/** out (m, n) = alpha op(x) op(y) (+ out). */
[[maybe_unused]] inline void product(int64_t m, int64_t n, int64_t k, const Matrix& x, const Matrix& y, float* out,
                                     int64_t ldOut, float alpha, bool accumulate) {
  Gemm g;
  g.transA = x.transposed;
  g.transB = y.transposed;
  g.m = m;
  g.n = n;
  g.k = k;
  g.a = x.p;
  g.lda = x.ld;
  g.b = {y.p};
  g.ldb = y.ld;
  g.c = out;
  g.ldc = ldOut;
  g.alpha = alpha;
  g.accumulate = accumulate;
  gemm.run(g);
}

}  // namespace
}  // namespace reasvqa::REASVQA_ISA_NS
