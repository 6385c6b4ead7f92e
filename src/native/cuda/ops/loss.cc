/**
 * Cross-entropy of hidden W^T, a chunk of rows at a time; W (V, d) as f32 or bf16, everything else f32.
 *
 * Why fused: all logits of a batch are tokens x 32,128 floats (100 MB for 800 tokens), and the plain operations hold
 * several tensors of that size. Here one chunk's logits exist at a time. The gradient to hidden is computed while they do:
 * its row i is (softmax_i - onehot_i) W, which the backward pass only scales by dy_i, so it costs 4 N V d operations in
 * all where computing the logits again would cost 6. A weight gradient mixes rows with different dy_i; it computes the
 * logits again. Rows to ignore (label -100) go through the products as zeros: which they are is known on the device alone,
 * and asking would stall the step. With a bf16 weight softmax - onehot is rounded to bf16 for the product with W.
 */
#include "cpu/ops/loss.h"

#include <algorithm>
#include <optional>

#include "cuda/runtime/launch.h"
#include "cuda/runtime/scratch.h"
#include "cuda/runtime/stored.h"
#include "cuda/runtime/transfer.h"

namespace reasvqa::cuda {
namespace {

constexpr const char* kSource = "loss";
constexpr uint32_t kThreads = 512;

template <class Call>
LossSizes sizesOf(const Call& call) {
  const LossSizes s = lossSizes(call);
  check(s.chunkRows > 0, "cross-entropy: no rows in a chunk");
  return s;
}

/** Scratch for a chunk: hidden rows ready for products with the weight, logits, and softmax - onehot. */
class Chunk {
 public:
  Chunk(const LossSizes& s, const Stored& weight, bool wantGradient)
      : s_(s), weight_(weight), rows_(std::min(s.chunkRows, s.N)), logits_(floats(rows_ * s.V)),
        hidden_(static_cast<size_t>(rows_ * s.d * elementBytes(weight.type))) {
    if (wantGradient && weight.type == Type::bf16) {
      rounded_.emplace(static_cast<size_t>(rows_ * s.V) * sizeof(uint16_t));
    }
  }

  /** hidden and logits of `count` rows. */
  void load(int64_t count, const float* hidden, const int32_t* labels) const {
    const int64_t n = count * s_.d;
    if (weight_.type == Type::f32) {
      launch(kSource, "countedRowsF32", gridFor(n), {256}, 0, hidden, labels, hidden_.as<float>(), count, s_.d);
    } else {
      launch(kSource, "countedRowsBf16", gridFor(n), {256}, 0, hidden, labels, hidden_.as<uint16_t>(), count, s_.d);
    }
    Gemm g;
    g.transB = true;
    g.m = count;
    g.n = s_.V;
    g.k = s_.d;
    g.a = hidden_.as<void>();
    g.typeA = weight_.type;
    g.lda = s_.d;
    g.b = weight_.data;
    g.typeB = weight_.type;
    g.ldb = s_.d;
    g.c = logits_.as<float>();
    g.ldc = s_.V;
    gemm(g);
  }

  /** Losses, and factor (softmax - onehot) into gradient() when it was wanted. */
  void softmax(int64_t count, const int32_t* labels, const float* factor, float* loss, bool wantGradient) const {
    const float* logits = logits_.as<float>();
    if (rounded_) {
      uint16_t* to = wantGradient ? rounded_->as<uint16_t>() : nullptr;
      launch(kSource, "crossEntropyBf16", {blocks(count)}, {kThreads}, 0, logits, labels, factor, loss, to, s_.V);
    } else {
      float* to = wantGradient ? logits_.as<float>() : nullptr;
      launch(kSource, "crossEntropyF32", {blocks(count)}, {kThreads}, 0, logits, labels, factor, loss, to, s_.V);
    }
  }

  /** A product whose left side is gradient(): fills in a, and the types. */
  void product(Gemm g) const {
    g.a = rounded_ ? rounded_->as<void>() : logits_.as<void>();
    g.typeA = weight_.type;
    g.typeB = weight_.type;
    g.lda = s_.V;
    g.ldb = s_.d;
    g.ldc = s_.d;
    gemm(g);
  }

  const void* hidden() const { return hidden_.as<void>(); }

 private:
  LossSizes s_;
  Stored weight_;
  int64_t rows_;
  Scratch logits_;
  Scratch hidden_;
  std::optional<Scratch> rounded_;
};

void crossEntropy(const LinearCrossEntropyCall& call) {
  const LossSizes s = sizesOf(call);
  const float* hidden = call.hidden.in<float>(s.N * s.d);
  const Stored weight = storedIn(call.weight, s.V * s.d);
  const int32_t* labels = call.labels.in<int32_t>(s.N);
  float* loss = call.loss.out<float>(s.N);
  float* gradient = call.gradient.out<float>(s.N * s.d);
  const Chunk chunk(s, weight, gradient != nullptr);
  for (int64_t begin = 0; begin < s.N; begin += s.chunkRows) {
    const int64_t count = std::min(s.chunkRows, s.N - begin);
    chunk.load(count, hidden + begin * s.d, labels + begin);
    chunk.softmax(count, labels + begin, nullptr, loss + begin, gradient != nullptr);
    if (!gradient) continue;
    Gemm g;
    g.m = count;
    g.n = s.d;
    g.k = s.V;
    g.b = weight.data;
    g.c = gradient + begin * s.d;
    chunk.product(g);
  }
}

/** dweight = sum over rows of dy_i (softmax_i - onehot_i)^T hidden_i */
void crossEntropyGradWeight(const LinearCrossEntropyGradWeightCall& call) {
  const LossSizes s = sizesOf(call);
  const float* dy = call.dy.in<float>(s.N);
  const float* hidden = call.hidden.in<float>(s.N * s.d);
  const Stored weight = storedIn(call.weight, s.V * s.d);
  const int32_t* labels = call.labels.in<int32_t>(s.N);
  float* dweight = call.dweight.out<float>(s.V * s.d);
  if (s.N == 0) return fillZero(dweight, floats(s.V * s.d));
  const Chunk chunk(s, weight, true);
  for (int64_t begin = 0; begin < s.N; begin += s.chunkRows) {
    const int64_t count = std::min(s.chunkRows, s.N - begin);
    chunk.load(count, hidden + begin * s.d, labels + begin);
    chunk.softmax(count, labels + begin, dy + begin, nullptr, true);
    Gemm g;
    g.transA = true;
    g.m = s.V;
    g.n = s.d;
    g.k = count;
    g.b = chunk.hidden();
    g.c = dweight;
    g.accumulate = begin > 0;
    chunk.product(g);
  }
}

void registerLoss(Napi::Env, Napi::Object cuda) {
  bindCudaCall<crossEntropy>(cuda);
  bindCudaCall<crossEntropyGradWeight>(cuda);
}
REASVQA_CUDA_REGISTER(registerLoss)

}  // namespace
}  // namespace reasvqa::cuda
