/**
 * Matrix product C = alpha * op(A) op(B) [+ C, or + a bias], f32, row-major, op(X) = X or its transpose. B may be stored
 * as bf16: it is widened as it is packed or read, and the product is the f32 one of those values.
 *
 * Shapes: op(A) is (m, k), op(B) is (k, n), C is (m, n); lda, ldb, ldc are the distances between stored rows, so A is
 * stored (m, k) with lda >= k, or (k, m) with lda >= m when transA. Blocked and packed (after Goto and van de Geijn
 * 2008), with paths for few rows and few columns that do not pack (gemm_kernels.cc).
 *
 * Called outside a parallel region it uses all threads; inside one it runs on the calling thread. For one
 * instruction set the result is the same bits either way and for every thread count: each element of C is summed in
 * the same order. NaN and infinities propagate as in the plain sum; C is not read unless `accumulate`.
 */
#pragma once

#include "cpu/runtime/bf16.h"
#include "cpu/runtime/dispatch.h"

namespace reasvqa {

struct Gemm {
  bool transA = false;
  bool transB = false;
  int64_t m = 0;
  int64_t n = 0;
  int64_t k = 0;
  const float* a = nullptr;
  int64_t lda = 0;
  Weight b;
  int64_t ldb = 0;
  float* c = nullptr;
  int64_t ldc = 0;
  float alpha = 1.0f;
  bool accumulate = false;
  const float* bias = nullptr;  // (n), added to every row; not together with accumulate
};

struct GemmKernels {
  /** One product. */
  void (*run)(const Gemm& gemm);
  /** `batch` products of the same shape; item i uses a + i * strideA and so on (a stride of 0 shares an operand). */
  void (*batched)(const Gemm& gemm, int64_t batch, int64_t strideA, int64_t strideB, int64_t strideC);
};

REASVQA_KERNELS(GemmKernels, gemm)

/** Dispatching form for code compiled once; *_kernels.cc may call it too (one indirect call). */
void gemm(const Gemm& gemm);
void gemmBatched(const Gemm& gemm, int64_t batch, int64_t strideA, int64_t strideB, int64_t strideC);

}  // namespace reasvqa
