/**
 * halfProducts(flag): whether large products of f32 are computed on the tensor cores from now on, on GPUs that gain by it.
 *
 * Both operands are rounded to f16, to nearest: 11 bits of mantissa. Its range is small, so each is first multiplied by the
 * power of two that brings its greatest finite magnitude to 2^14 or above, and the product by the inverse of both: numbers
 * down to 2^-29 of the greatest keep all bits, the next 10 powers of two lose one each. The powers are found and used on the
 * device (half_product.cu), in two launches for both operands. f32 is what is summed in and what is stored.
 *
 * GPUs for data centres (sm_80, 90, 100) do 16, 15 and 28 FLOPs in f16 for one in f32: a step of FlanT5-XL
 * has 1.2 TFLOP of such products. The others (sm_86, 89, 120) do two to four, which converting the operands takes up again.
 *
 * TF32 needs no powers, but has half the rate, and Hopper's tensor cores cut operands to its 11 bits instead of rounding:
 * gradients of 15 small models were off by 0.93 % (rms) with that, by 0.80 % in f32.
 *
 * Greatest magnitudes that multiply to less than 2^-98 give 0, and to 2^156 or more NaN, as the inverse of their powers is
 * no normal number. An infinity gives NaN where it meets what is 2^-40 of its operand's greatest magnitude.
 */
#include "cuda/runtime/half_product.h"

#include <algorithm>

#include "cuda/runtime/args.h"
#include "cuda/runtime/device.h"
#include "cuda/runtime/half_product_args.h"
#include "cuda/runtime/launch.h"
#include "cuda/runtime/scratch.h"

namespace reasvqa::cuda {
namespace {

/** FLOPs below which f32 takes less time than converting: a microsecond or two on an H200. */
constexpr double kSmall = 1 << 27;
/** Products thinner than this wait for memory, in whatever arithmetic. */
constexpr int64_t kThin = 64;
constexpr uint32_t kThreads = 256;
constexpr int64_t kBlocks = kThreads;  // of `greatest` for one operand: a block of toHalf reads a partial a thread

bool on = false;

/** Whether this GPU's tensor cores are that much faster: the first of each generation is the one for data centres. */
bool gains(int capability) { return capability % 10 == 0 && capability < 120; }

HalfOperand operandOf(const void* x, const Scratch& y, int64_t rows, int64_t columns, int64_t leading) {
  const auto* from = static_cast<const float*>(x);
  if (leading == columns) return {from, y.as<uint16_t>(), 1, rows * columns, rows * columns};
  return {from, y.as<uint16_t>(), rows, columns, leading};
}

size_t bytesOf(int64_t rows, int64_t columns) { return static_cast<size_t>(rows * columns) * sizeof(uint16_t); }

void halfProducts(CudaArgs& args) { on = args.flag(0) && gains(device().properties().capability); }

void registerHalfProduct(Napi::Env, Napi::Object cuda) { bindCuda<halfProducts>(cuda, "halfProducts"); }
REASVQA_CUDA_REGISTER(registerHalfProduct)

}  // namespace

bool isHalf(const Gemm& g) {
  const double flops = 2.0 * static_cast<double>(g.m) * static_cast<double>(g.n) * static_cast<double>(g.k);
  return on && g.typeA == Type::f32 && g.batch == 1 && flops >= kSmall && std::min({g.m, g.n, g.k}) >= kThin;
}

void halfProduct(Gemm g) {
  const Scratch halfA(bytesOf(g.m, g.k));
  const Scratch halfB(bytesOf(g.n, g.k));
  const Scratch partials(2 * kBlocks * sizeof(float));
  const Scratch factors(3 * sizeof(float));
  const HalfOperand a = operandOf(g.a, halfA, g.transA ? g.k : g.m, g.transA ? g.m : g.k, g.lda);
  const HalfOperand b = operandOf(g.b, halfB, g.transB ? g.n : g.k, g.transB ? g.k : g.n, g.ldb);
  const int64_t groups = ceilDiv(std::max(g.m, g.n) * g.k, 4);
  const Grid grid = {static_cast<uint32_t>(std::min(kBlocks, ceilDiv(groups, kThreads))), 2};
  launch("half_product", "greatest", grid, {kThreads}, 0, a, b, partials.as<float>());
  launch("half_product", "toHalf", {4 * grid.x, 2}, {kThreads}, 0, a, b, static_cast<const float*>(partials.as<float>()),
         int32_t(grid.x), g.alpha, factors.as<float>());
  g.a = a.y;
  g.b = b.y;
  g.lda = g.transA ? g.m : g.k;
  g.ldb = g.transB ? g.k : g.n;
  g.typeA = g.typeB = Type::f16;
  g.factors = factors.as<float>();
  gemm(g);
}

}  // namespace reasvqa::cuda
