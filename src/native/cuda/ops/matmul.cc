/**
 * matmul(a, b, c, batch, m, n, k, transA, transB, strideA, strideB, strideC, alpha, accumulate) on the CUDA device, in f32;
 * see cpu/ops/gemm.cc.
 */
#include "cuda/runtime/args.h"
#include "cuda/runtime/blas.h"

namespace reasvqa::cuda {
namespace {

/** Elements that `batch` matrices of `matrix` elements, `stride` apart, reach over. */
int64_t extent(int64_t batch, int64_t stride, int64_t matrix) { return batch == 0 ? 0 : (batch - 1) * stride + matrix; }

void matmul(CudaArgs& args) {
  Gemm g;
  g.batch = args.size(3);
  g.m = args.size(4);
  g.n = args.size(5);
  g.k = args.size(6);
  g.transA = args.flag(7);
  g.transB = args.flag(8);
  g.strideA = args.size(9);
  g.strideB = args.size(10);
  g.strideC = args.size(11);
  g.alpha = args.f32(12);
  g.accumulate = args.flag(13);
  g.lda = g.transA ? g.m : g.k;
  g.ldb = g.transB ? g.k : g.n;
  g.ldc = g.n;
  g.a = args.in<float>(0, extent(g.batch, g.strideA, g.m * g.k));
  g.b = args.in<float>(1, extent(g.batch, g.strideB, g.k * g.n));
  g.c = args.out<float>(2, extent(g.batch, g.strideC, g.m * g.n));
  check(g.strideC >= g.m * g.n || g.batch <= 1, "matmul: items of the result overlap");
  gemm(g);
}

void registerMatmul(Napi::Env, Napi::Object cuda) { bindCuda<matmul>(cuda, "matmul"); }
REASVQA_CUDA_REGISTER(registerMatmul)

}  // namespace
}  // namespace reasvqa::cuda
