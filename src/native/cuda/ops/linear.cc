/**
 * Linear layer with bias, low-rank update and what is added to its result in one call: y = x W^T + bias + scale (dropout(x)
 * A^T) B^T + addend; weights in PyTorch's layout, W (out, in) as f32 or bf16, A (r, in) and B (out, r) as f32.
 *
 * Why fused: dropout(x) and its mask are never stored; y starts as addend + bias + update (linear.cu), and the large
 * product adds to it; without an update it adds bias and addend as it writes y. With a bf16 weight, activations in f32 are
 * rounded to bf16 in scratch memory and the product is summed in f32.
 *
 * fusedLinear(x, weight, bias, A, B, y, rows, in, out, r, scale, ...dropout, addend)
 * fusedLinearGradInput(dy, weight, A, B, dx, rows, in, out, r, scale, ...dropout, addend): addend may be dx
 * fusedLinearGradLora(dy, x, A, B, dA, dB, rows, in, out, r, scale, ...dropout)
 * bias, A, B and addend may be -1 (r = 0 without A and B). Where the weight is stored in bf16, x, dy and a y without bias,
 * update or addend may be too.
 */
#include "cuda/ops/dropout_args.h"
#include "cuda/runtime/stored.h"
#include "cuda/runtime/scratch.h"

namespace reasvqa::cuda {
namespace {

constexpr const char* kSource = "linear";
constexpr int64_t kRank = 8;      // RANK in linear.cu
constexpr int64_t kWarpRows = 4;  // ROWS there
constexpr int64_t kUpRows = 16;   // rows that a thread of thinUp goes through

struct Sizes {
  int64_t rows, in, out, r;
  float scale;
  Dropout dropout;
};

Sizes sizesArgs(const CudaArgs& args, size_t index) {
  return {args.size(index),     args.size(index + 1), args.size(index + 2), args.size(index + 3),
          args.f32(index + 4), dropoutArgs(args, index + 5)};
}

/** A thin matrix: element (j, c) of r by width lies at c strideC + j strideJ. */
struct Thin {
  const float* data;
  int64_t strideC;
  int64_t strideJ;
};

Thin thinA(const float* A, const Sizes& s) { return {A, 1, s.in}; }
Thin thinB(const float* B, const Sizes& s) { return {B, s.r, 1}; }

/** low (rows, r) = alpha dropout(x) w^T */
void down(const Stored& x, int64_t inner, const Thin& w, float* low, const Sizes& s, float alpha, const Dropout& dropout) {
  const Grid grid = {blocks(ceilDiv(s.rows, 4 * kWarpRows)), blocks(ceilDiv(s.r, kRank), kMostBlocksYZ)};
  launch(kSource, variant("thinDown", x.type).c_str(), grid, {128}, 0, x.data, w.data, low, s.rows, inner, s.r, w.strideC,
         w.strideJ, alpha, dropout);
}

/** y (rows, width) = addend + bias + alpha multiplier low w; addend may be y, or like bias nullptr (0) */
void up(const float* low, const Thin& w, const float* addend, const float* bias, float* y, int64_t width, const Sizes& s,
        float alpha, const Dropout& dropout) {
  const int64_t chunk = std::max(kUpRows, ceilDiv(s.rows, kMostBlocksYZ));
  const Grid grid = {blocks(ceilDiv(ceilDiv(width, 4), 128)), blocks(ceilDiv(s.rows, chunk))};
  launch(kSource, "thinUp", grid, {128}, 0, low, w.data, addend, bias, y, s.rows, width, s.r, w.strideC, w.strideJ, alpha,
         chunk, dropout);
}

/** low^T dropout(x), r by width, as sums over chunks of rows: struct Partial of linear.cu, which thinSum sums up. */
class Outer {
 public:
  Outer(const float* low, const Stored& x, int64_t width, const Sizes& s, const Dropout& dropout)
      : chunks_(ceilDiv(s.rows, chunkOf(s))),
        width_(width),
        partial_(floats(chunks_ * s.r * width)) {
    const Grid grid = {blocks(ceilDiv(ceilDiv(width, 4), 128)), blocks(chunks_),
                       blocks(ceilDiv(s.r, kRank), kMostBlocksYZ)};
    launch(kSource, variant("thinOuter", x.type).c_str(), grid, {128}, 0, low, x.data, partial_.as<float>(), s.rows, width,
           s.r, chunkOf(s), dropout);
  }

  struct Partial {
    const float* partial;
    float* out;
    int64_t chunks, width, strideC, strideJ;
    float alpha;
  };
  /** out at c strideC + j strideJ is to be alpha times the sum. */
  Partial into(float* out, int64_t strideC, int64_t strideJ, float alpha) const {
    return {partial_.as<float>(), out, chunks_, width_, strideC, strideJ, alpha};
  }

 private:
  static int64_t chunkOf(const Sizes& s) { return std::max<int64_t>(32, ceilDiv(s.rows, 128)); }

  int64_t chunks_;
  int64_t width_;
  Scratch partial_;
};

void linear(CudaArgs& args) {
  const Sizes s = sizesArgs(args, 6);
  const Stored x = storedArg(args, 0, s.rows * s.in);
  const Stored weight = storedArg(args, 1, s.out * s.in);
  const float* bias = args.inOrNull<float>(2, s.out);
  const float* A = args.inOrNull<float>(3, s.r * s.in);
  const float* B = args.inOrNull<float>(4, s.out * s.r);
  const StoredResult y = storedResult(args, 5, s.rows * s.out);
  const float* addend = args.inOrNull<float>(16, s.rows * s.out);
  const bool lora = A != nullptr;
  check(lora == (B != nullptr) && lora == (s.r > 0), "linear: A, B and r disagree");
  check(y.type == Type::f32 || (!lora && bias == nullptr && addend == nullptr),
        "linear: with a bias, an update or an addend the result is f32");
  if (lora) {
    const Scratch low(floats(s.rows * s.r));
    down(x, s.in, thinA(A, s), low.as<float>(), s, 1.0f, s.dropout);
    up(low.as<float>(), thinB(B, s), addend, bias, static_cast<float*>(y.data), s.out, s, s.scale, Dropout{});
  }
  Gemm g;
  g.transB = true;
  g.m = s.rows;
  g.n = s.out;
  g.k = s.in;
  g.accumulate = lora;
  g.c = y.data;
  g.typeC = y.type;
  if (!lora) {
    g.bias = bias;
    g.addend = addend;
  }
  storedProduct(g, x, weight);
}

void linearGradInput(CudaArgs& args) {
  const Sizes s = sizesArgs(args, 5);
  const Stored dy = storedArg(args, 0, s.rows * s.out);
  const Stored weight = storedArg(args, 1, s.out * s.in);
  const float* A = args.inOrNull<float>(2, s.r * s.in);
  const float* B = args.inOrNull<float>(3, s.out * s.r);
  float* dx = args.out<float>(4, s.rows * s.in);
  const bool lora = A != nullptr;
  const float* addend = args.inOrNull<float>(15, s.rows * s.in);
  check(lora == (B != nullptr) && lora == (s.r > 0), "linear: A, B and r disagree");
  if (lora) {
    const Scratch low(floats(s.rows * s.r));
    down(dy, s.out, thinB(B, s), low.as<float>(), s, s.scale, Dropout{});
    up(low.as<float>(), thinA(A, s), addend, nullptr, dx, s.in, s, 1.0f, s.dropout);
  }
  Gemm g;
  g.m = s.rows;
  g.n = s.in;
  g.k = s.out;
  g.accumulate = lora || addend == dx;
  if (!g.accumulate) g.addend = addend;
  g.c = dx;
  storedProduct(g, dy, weight);
}

/** dA = (scale dy B)^T dropout(x); dB = scale dy^T (dropout(x) A^T). */
void linearGradLora(CudaArgs& args) {
  const Sizes s = sizesArgs(args, 6);
  const Stored dy = storedArg(args, 0, s.rows * s.out);
  const Stored x = storedArg(args, 1, s.rows * s.in);
  const float* A = args.in<float>(2, s.r * s.in);
  const float* B = args.in<float>(3, s.out * s.r);
  float* dA = args.out<float>(4, s.r * s.in);
  float* dB = args.out<float>(5, s.out * s.r);
  check(s.r > 0, "linear: no A or B");
  const Scratch low(floats(s.rows * s.r));
  down(dy, s.out, thinB(B, s), low.as<float>(), s, s.scale, Dropout{});
  const Outer forA(low.as<float>(), x, s.in, s, s.dropout);
  down(x, s.in, thinA(A, s), low.as<float>(), s, 1.0f, s.dropout);
  const Outer forB(low.as<float>(), dy, s.out, s, Dropout{});
  Grid grid = gridFor(s.r * std::max(s.in, s.out));
  grid.y = 2;
  launch(kSource, "thinSum", grid, {256}, 0, forA.into(dA, 1, s.in, 1.0f), forB.into(dB, s.r, 1, s.scale), s.r);
}

void registerFusedLinear(Napi::Env, Napi::Object cuda) {
  bindCuda<linear>(cuda, "fusedLinear");
  bindCuda<linearGradInput>(cuda, "fusedLinearGradInput");
  bindCuda<linearGradLora>(cuda, "fusedLinearGradLora");
}
REASVQA_CUDA_REGISTER(registerFusedLinear)

}  // namespace
}  // namespace reasvqa::cuda
