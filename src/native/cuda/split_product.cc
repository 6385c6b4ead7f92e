/**
 * splitProducts(flag): whether large products of f32 are computed on the tensor cores from now on, on GPUs that gain by it.
 *
 * With x = high + low, two bf16, x y is high high + high low + low high, and low low, which is left out, is 2^-16 of it at
 * most. The three are one product of bf16 that is three times as deep: (high, high, low) by (high, low, high), summed in
 * f32. GPUs for data centres (sm_80, 90, 100) do 16, 15 and 28 FLOPs in bf16 for one in f32, so it takes a fifth of the
 * time: a step of FlanT5-XL trains 1.2 TFLOP in its Q-Former. On the others (sm_86, 89, 120) two to four for one: nothing
 * is split.
 *
 * TF32, at half of bf16's rate, would need less, but Hopper's tensor cores cut operands to 10 bits: gradients of 15 small
 * models were off by 0.93 % (rms) with that, by 0.80 % without.
 *
 * An infinite operand gives NaN: its product with the other's low part, which is often 0. Below 1e-35 the low part, and then
 * the high one, runs out of bits.
 */
#include "cuda/split_product.h"

#include <algorithm>

#include "cuda/args.h"
#include "cuda/device.h"
#include "cuda/launch.h"
#include "cuda/scratch.h"

namespace reasvqa::cuda {
namespace {

/** FLOPs below which f32 takes less time than splitting: a microsecond or two on an H200. */
constexpr double kSmall = 1 << 27;
/** Products thinner than this wait for memory, in whatever arithmetic. */
constexpr int64_t kThin = 64;
constexpr int32_t kHighHighLow = 0b100;
constexpr int32_t kHighLowHigh = 0b010;

bool on = false;

/** Whether this GPU's tensor cores are that much faster: the first of each generation is the one for data centres. */
bool gains(int capability) { return capability % 10 == 0 && capability < 120; }

/**
 * One operand, (along, depth) as rows or, when `deepRows`, (depth, along), three times side by side in depth.
 * @param y 3 along depth bf16. @returns its leading dimension
 */
int64_t split(const float* x, int64_t along, int64_t depth, int64_t leading, bool deepRows, int32_t lows, uint16_t* y) {
  const int64_t rows = deepRows ? depth : along;
  const int64_t columns = deepRows ? along : depth;
  const int64_t rowStride = deepRows ? columns : 3 * columns;
  const int64_t partStride = deepRows ? rows * columns : columns;
  launch("split_product", "splitBf16", gridFor(rows * ceilDiv(columns, 4)), {256}, 0, x, y, rows, columns, leading, rowStride,
         partStride, lows);
  return rowStride;
}

size_t bytesOf(int64_t along, int64_t depth) { return static_cast<size_t>(3 * along * depth) * sizeof(uint16_t); }

void splitProducts(CudaArgs& args) { on = args.flag(0) && gains(device().properties().capability); }

void registerSplitProduct(Napi::Env, Napi::Object cuda) { bindCuda<splitProducts>(cuda, "splitProducts"); }
REASVQA_CUDA_REGISTER(registerSplitProduct)

}  // namespace

bool isSplit(const Gemm& g) {
  const double flops = 2.0 * static_cast<double>(g.m) * static_cast<double>(g.n) * static_cast<double>(g.k);
  return on && g.typeA == Type::f32 && g.batch == 1 && flops >= kSmall && std::min({g.m, g.n, g.k}) >= kThin;
}

void splitProduct(Gemm g) {
  const Scratch a(bytesOf(g.m, g.k));
  const Scratch b(bytesOf(g.n, g.k));
  g.lda = split(static_cast<const float*>(g.a), g.m, g.k, g.lda, g.transA, kHighHighLow, a.as<uint16_t>());
  g.ldb = split(static_cast<const float*>(g.b), g.n, g.k, g.ldb, !g.transB, kHighLowHigh, b.as<uint16_t>());
  g.a = a.as<uint16_t>();
  g.b = b.as<uint16_t>();
  g.typeA = g.typeB = Type::bf16;
  g.k *= 3;
  gemm(g);
}

}  // namespace reasvqa::cuda
