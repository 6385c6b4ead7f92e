/**
 * matmul(a, b, c, batch, m, n, k, transA, transB, strideA, strideB, strideC, alpha, accumulate): batched products of
 * dense matrices; strides are element distances between batch items, 0 to share an operand; b may be bf16. See gemm.h.
 */
#include "cpu/ops/gemm.h"

#include "binding.h"
#include "cpu/runtime/storage.h"

namespace reasvqa {

void gemm(const Gemm& gemm) { gemmKernels().run(gemm); }

void gemmBatched(const Gemm& gemm, int64_t batch, int64_t strideA, int64_t strideB, int64_t strideC) {
  gemmKernels().batched(gemm, batch, strideA, strideB, strideC);
}

namespace {

/** Elements that `batch` matrices of `matrix` elements, `stride` apart, reach over. */
int64_t extent(int64_t batch, int64_t stride, int64_t matrix) { return batch == 0 ? 0 : (batch - 1) * stride + matrix; }

void matmul(Args& args) {
  const int64_t batch = args.size(3);
  Gemm g;
  g.m = args.size(4);
  g.n = args.size(5);
  g.k = args.size(6);
  g.transA = args.flag(7);
  g.transB = args.flag(8);
  const int64_t strideA = args.size(9);
  const int64_t strideB = args.size(10);
  const int64_t strideC = args.size(11);
  g.alpha = args.f32(12);
  g.accumulate = args.flag(13);
  g.lda = g.transA ? g.m : g.k;
  g.ldb = g.transB ? g.k : g.n;
  g.ldc = g.n;
  g.a = args.in<float>(0, extent(batch, strideA, g.m * g.k));
  g.b = weightArg(args, 1, extent(batch, strideB, g.k * g.n));
  g.c = args.out<float>(2, extent(batch, strideC, g.m * g.n));
  check(strideC >= g.m * g.n || batch <= 1, "matmul: items of the result overlap");
  gemmBatched(g, batch, strideA, strideB, strideC);
}

void registerMatmul(Napi::Env, Napi::Object exports) { bind<matmul>(exports, "matmul"); }
REASVQA_REGISTER(registerMatmul)

}  // namespace
}  // namespace reasvqa
