/**
 * Linear layers on the CUDA device (cpu/ops/linear.h).
 *
 * Why fused: dropout(x) and its mask are never stored; y starts as addend + bias + update (linear.cu), and the large product
 * adds to it; without an update it adds bias and addend as it writes y. With a bf16 weight, activations in f32 are rounded to
 * bf16 in scratch memory and the product is summed in f32; x, dy and a y without update or addend may be stored in bf16 there
 * too.
 */
#include "cpu/ops/linear.h"

#include <algorithm>

#include "cuda/ops/dropout.h"
#include "cuda/ops/linear_args.h"
#include "cuda/runtime/launch.h"
#include "cuda/runtime/scratch.h"
#include "cuda/runtime/stored.h"

namespace reasvqa::cuda {
namespace {

constexpr const char* kSource = "linear";
constexpr int64_t kUpRows = 16;   // rows that a thread of thinUp goes through

struct Sizes : LinearSizes {
  Dropout dropout;
};

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

/** low^T dropout(x), r by width, as sums over chunks of rows: which thinSum sums up. */
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

void linear(const LinearCall& call) {
  const Sizes s = {linearSizes(call, call.x.rows()), kernelDropout(call.dropout)};
  const Stored x = storedIn(call.x, s.rows * s.in);
  const Stored weight = storedIn(call.weight, s.out * s.in);
  const float* bias = call.bias.in<float>(s.out);
  const float* A = call.loraA.in<float>(s.r * s.in);
  const float* B = call.loraB.in<float>(s.out * s.r);
  const StoredResult y = storedOut(call.y, s.rows * s.out);
  const float* addend = call.addend.in<float>(s.rows * s.out);
  const bool lora = A != nullptr;
  check(y.type == Type::f32 || (!lora && addend == nullptr), "linear: with an update or an addend the result is f32");
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

void linearGradInput(const LinearGradInputCall& call) {
  const Sizes s = {linearSizes(call, call.dy.rows()), kernelDropout(call.dropout)};
  const Stored dy = storedIn(call.dy, s.rows * s.out);
  const Stored weight = storedIn(call.weight, s.out * s.in);
  const float* A = call.loraA.in<float>(s.r * s.in);
  const float* B = call.loraB.in<float>(s.out * s.r);
  float* dx = call.dx.out<float>(s.rows * s.in);
  const float* addend = call.addend.in<float>(s.rows * s.in);
  const bool lora = A != nullptr;
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

void linearGradLora(const LinearGradLoraCall& call) {
  const Sizes s = {linearSizes(call), kernelDropout(call.dropout)};
  const Stored dy = storedIn(call.dy, s.rows * s.out);
  const Stored x = storedIn(call.x, s.rows * s.in);
  const float* A = call.loraA.in<float>(s.r * s.in);
  const float* B = call.loraB.in<float>(s.out * s.r);
  float* dA = call.dA.out<float>(s.r * s.in);
  float* dB = call.dB.out<float>(s.out * s.r);
  const Scratch low(floats(s.rows * s.r));
  down(dy, s.out, thinB(B, s), low.as<float>(), s, s.scale, Dropout{});
  const Outer forA(low.as<float>(), x, s.in, s, s.dropout);
  down(x, s.in, thinA(A, s), low.as<float>(), s, 1.0f, s.dropout);
  const Outer forB(low.as<float>(), dy, s.out, s, Dropout{});
  Grid grid = gridFor(s.r * std::max(s.in, s.out));
  grid.y = 2;
  launch(kSource, "thinSum", grid, {256}, 0, forA.into(dA, 1, s.in, 1.0f), forB.into(dB, s.r, 1, s.scale), s.r);
}

void registerLinear(Napi::Env, Napi::Object cuda) {
  bindCudaCall<linear>(cuda);
  bindCudaCall<linearGradInput>(cuda);
  bindCudaCall<linearGradLora>(cuda);
}
REASVQA_CUDA_REGISTER(registerLinear)

}  // namespace
}  // namespace reasvqa::cuda
