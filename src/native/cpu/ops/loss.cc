/**
 * Cross-entropy of hidden W^T, a chunk of rows at a time; ignored rows (label -100) are left out before any product. W is
 * f32 or bf16; for its own gradient f32.
 *
 * Why fused: all logits of a batch are tokens x 32,128 floats (100 MB for 800 tokens), and the plain operations hold
 * several tensors of that size. Here one chunk's logits exist at a time. The gradient to hidden is computed while
 * they do: its row i is (softmax_i - onehot_i) W, which the backward pass only scales by dy_i, so it costs 4 N V d
 * operations in all where computing the logits again would cost 6. A weight gradient mixes rows with different dy_i;
 * it computes the logits again.
 */
#include "cpu/ops/loss.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "binding.h"
#include "cpu/ops/gemm.h"
#include "cpu/runtime/parallel.h"
#include "cpu/runtime/storage.h"

namespace reasvqa {
namespace {

size_t floats(int64_t n) { return static_cast<size_t>(n) * sizeof(float); }

/** Indices of the rows that count; labels are checked. */
std::vector<int64_t> countedRows(const int32_t* labels, int64_t N, int64_t V) {
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < N; ++i) {
    if (labels[i] == kIgnored) continue;
    check(labels[i] >= 0 && labels[i] < V, "cross-entropy: a label is outside the vocabulary");
    rows.push_back(i);
  }
  return rows;
}

/** One chunk: the counted rows [begin, end), their hidden states packed, and scratch for their logits. */
class Chunk {
 public:
  Chunk(int64_t rows, int64_t V, int64_t d)
      : V_(V), d_(d), logits_(floats(rows * V)), hidden_(floats(rows * d)), inverse_(floats(rows)),
        loss_(floats(rows)), labels_(static_cast<size_t>(rows)) {}

  /** Packs the rows and turns their logits into exponentials. */
  void load(const int64_t* rows, int64_t count, const float* hidden, const Weight& weight, const int32_t* labels) {
    for (int64_t i = 0; i < count; ++i) {
      std::memcpy(this->hidden() + i * d_, hidden + rows[i] * d_, floats(d_));
      labels_[static_cast<size_t>(i)] = labels[rows[i]];
    }
    Gemm g;
    g.transB = true;
    g.m = count;
    g.n = V_;
    g.k = d_;
    g.a = this->hidden();
    g.lda = d_;
    g.b = weight;
    g.ldb = d_;
    g.c = exponentials();
    g.ldc = V_;
    gemm(g);
    lossKernels().softmaxRows(exponentials(), count, V_, labels_.data(), loss(), inverse());
  }

  float* exponentials() const { return logits_.as<float>(); }
  float* hidden() const { return hidden_.as<float>(); }
  float* inverse() const { return inverse_.as<float>(); }
  float* loss() const { return loss_.as<float>(); }
  int32_t label(int64_t i) const { return labels_[static_cast<size_t>(i)]; }

 private:
  int64_t V_;
  int64_t d_;
  Scratch logits_;
  Scratch hidden_;
  Scratch inverse_;
  Scratch loss_;
  std::vector<int32_t> labels_;
};

/** Rows of the gradient to hidden, before dy: softmax W - W[label]. */
void hiddenGradient(const Chunk& chunk, const int64_t* rows, int64_t count, const Weight& weight, int64_t V, int64_t d,
                    float* gradient) {
  const Scratch sums(floats(count * d));
  const Scratch widened(floats(weight.bf16 ? d : 0));
  Gemm g;
  g.m = count;
  g.n = d;
  g.k = V;
  g.a = chunk.exponentials();
  g.lda = V;
  g.b = weight;
  g.ldb = d;
  g.c = sums.as<float>();
  g.ldc = d;
  gemm(g);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t label = chunk.label(i) * d;
    if (weight.bf16) storageKernels().widen(weight.bf16 + label, widened.as<float>(), d);
    const float* labelRow = weight.bf16 ? widened.as<float>() : weight.f32 + label;
    lossKernels().scaleMinus(sums.as<float>() + i * d, chunk.inverse()[i], labelRow, gradient + rows[i] * d, d);
  }
}

void crossEntropy(const LinearCrossEntropyCall& call) {
  const auto [N, V, d, chunkRows] = lossSizes(call);
  const float* hidden = call.hidden.in<float>(N * d);
  const Weight weight = weightOf(call.weight, V * d);
  const int32_t* labels = call.labels.in<int32_t>(N);
  float* loss = call.loss.out<float>(N);
  float* gradient = call.gradient.out<float>(N * d);
  check(chunkRows > 0, "cross-entropy: no rows in a chunk");
  const std::vector<int64_t> rows = countedRows(labels, N, V);
  std::memset(loss, 0, floats(N));
  if (gradient) std::memset(gradient, 0, floats(N * d));
  const auto total = static_cast<int64_t>(rows.size());
  if (total == 0) return;
  Chunk chunk(std::min(chunkRows, total), V, d);
  for (int64_t begin = 0; begin < total; begin += chunkRows) {
    const int64_t count = std::min(chunkRows, total - begin);
    const int64_t* of = rows.data() + begin;
    chunk.load(of, count, hidden, weight, labels);
    for (int64_t i = 0; i < count; ++i) loss[of[i]] = chunk.loss()[i];
    if (gradient) hiddenGradient(chunk, of, count, weight, V, d, gradient);
  }
}

/** dweight = sum over rows of dy_i (softmax_i - onehot_i)^T hidden_i; dy_i / sum_i is put into the hidden rows. */
void crossEntropyGradWeight(const LinearCrossEntropyGradWeightCall& call) {
  const auto [N, V, d, chunkRows] = lossSizes(call);
  const float* dy = call.dy.in<float>(N);
  const float* hidden = call.hidden.in<float>(N * d);
  const float* weight = call.weight.in<float>(V * d);
  const int32_t* labels = call.labels.in<int32_t>(N);
  float* dweight = call.dweight.out<float>(V * d);
  check(chunkRows > 0, "cross-entropy: no rows in a chunk");
  const std::vector<int64_t> rows = countedRows(labels, N, V);
  const auto total = static_cast<int64_t>(rows.size());
  if (total == 0) {
    std::memset(dweight, 0, floats(V * d));
    return;
  }
  Chunk chunk(std::min(chunkRows, total), V, d);
  for (int64_t begin = 0; begin < total; begin += chunkRows) {
    const int64_t count = std::min(chunkRows, total - begin);
    const int64_t* of = rows.data() + begin;
    chunk.load(of, count, hidden, {weight}, labels);
    for (int64_t i = 0; i < count; ++i) {
      const float factor = dy[of[i]] * chunk.inverse()[i];
      float* row = chunk.hidden() + i * d;
      for (int64_t j = 0; j < d; ++j) row[j] *= factor;
    }
    Gemm g;
    g.transA = true;
    g.m = V;
    g.n = d;
    g.k = count;
    g.a = chunk.exponentials();
    g.lda = V;
    g.b = {chunk.hidden()};
    g.ldb = d;
    g.c = dweight;
    g.ldc = d;
    g.accumulate = begin > 0;
    gemm(g);
  }
  for (const int64_t i : rows) {
    lossKernels().addScaled(hidden + i * d, -dy[i], dweight + labels[i] * d, d);
  }
}

void registerLoss(Napi::Env, Napi::Object exports) {
  bindCall<crossEntropy>(exports);
  bindCall<crossEntropyGradWeight>(exports);
}
REASVQA_REGISTER(registerLoss)

}  // namespace
}  // namespace reasvqa
