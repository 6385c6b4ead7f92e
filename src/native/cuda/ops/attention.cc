/**
 * Multi-head attention, forward and backward, without an (Lq, Lk) matrix kept in between or in memory at all: tiles of
 * scores live in registers and shared memory. q (B, Lq, H D), k (B, Lk, H D), v (B, Lk, H Dv) as the projections leave them.
 *
 * Calls are those of cpu/ops/attention_call.h. With half the products are the tensor cores', in f16 (attention_f16.cuh; an
 * H100's data sheet: 989 TFLOP/s, 67 in f32); but in f32 for heads wider than 96 and for a trained bias, whose gradient has
 * no kernel there. out may be stored in bf16.
 *
 * kept: q, k and v as those products read them, in f16, each beginning at a multiple of 16 bytes; half the bytes of the
 * tensors that the backward pass would read, of which a step of FlanT5-XL keeps 2.9 GB (workloads/xl.json).
 */
#include "cpu/ops/attention_call.h"

#include <algorithm>
#include <string>

#include "cuda/ops/attention_args.h"
#include "cuda/ops/dropout.h"
#include "cuda/runtime/launch.h"
#include "cuda/runtime/scratch.h"
#include "cuda/runtime/stored.h"
#include "cuda/runtime/transfer.h"

namespace reasvqa::cuda {
namespace {

constexpr int64_t kKeptStep = 8;  // f16 in 16 bytes

template <class Call>
Attention operandsOf(const Call& call) {
  Attention a = attentionOf<Attention>(call);
  a.dropout = kernelDropout(call.dropout);
  check(a.batch * a.heads <= kMostBlocksYZ, "attention: batch times heads is above 65535; take smaller batches");
  return a;
}

int64_t sizeOfQ(const Attention& a) { return a.batch * a.Lq * a.heads * a.D; }
int64_t sizeOfK(const Attention& a) { return a.batch * a.Lk * a.heads * a.D; }
int64_t sizeOfV(const Attention& a) { return a.batch * a.Lk * a.heads * a.Dv; }

/** Where k and v begin in what is kept, and where it ends; in f16. */
struct KeptLayout {
  explicit KeptLayout(const Attention& a)
      : k(ceilDiv(sizeOfQ(a), kKeptStep) * kKeptStep),
        v(k + ceilDiv(sizeOfK(a), kKeptStep) * kKeptStep),
        end(v + ceilDiv(sizeOfV(a), kKeptStep) * kKeptStep) {}
  int64_t k;
  int64_t v;
  int64_t end;

  /** In words of 32 bits, as TypeScript counts it. */
  int64_t words() const { return end / 2; }
};

Kept keptOf(const OptionalOperand& kept, const Attention& a) {
  if (!kept) return {};
  const KeptLayout at(a);
  auto* q = reinterpret_cast<Half*>(kept.out<uint32_t>(at.words()));
  return {q, q + at.k, q + at.v};
}

/** The kernels of one arithmetic for results `width` columns wide. */
struct Kernels {
  /** f32: 32 J columns a block, the rest in further blocks. half: the whole heads, J steps of 16. */
  Kernels(bool half, const Attention& a, int64_t width) : half(half) {
    if (half) {
      J = std::max<int64_t>(4, 2 * ceilDiv(std::max(a.D, a.Dv), 32));
    } else {
      J = std::clamp<int64_t>(ceilDiv(width, 32), 2, 4);
      groups = blocks(std::max<int64_t>(1, ceilDiv(width, 32 * J)));
    }
  }

  /** name: without J. L: rows of the results of one head. */
  template <class... Arguments>
  void run(const char* source, const char* name, Type result, const Attention& a, int64_t L, Arguments... arguments) const {
    const Grid grid = {blocks(ceilDiv(L, kTile)), blocks(a.batch * a.heads), groups};
    const std::string full = name + std::to_string(J);
    launch(source, variant(full.c_str(), result).c_str(), grid, {half ? 128u : 256u}, 0, a, arguments...);
  }

  bool half;
  int64_t J;
  uint32_t groups = 1;
};

/** statistics: two floats for each of the B H Lq rows, or nullptr. kept: what is to be kept. */
void forward(const Attention& a, bool half, const StoredResult& out, float* statistics, const Kept& kept = {}) {
  if (out.type == Type::bf16 && !half) {
    const int64_t n = a.batch * a.Lq * a.heads * a.Dv;
    const Scratch wide(floats(n));
    forward(a, false, {wide.as<void>(), Type::f32}, statistics);
    launch("storage", "f32ToBf16", gridFor(n), {256}, 0, wide.as<void>(), out.data, n);
    return;
  }
  const Kernels kernels(half, a, a.Dv);
  if (half) kernels.run("attention_f16", "attentionForward", out.type, a, a.Lq, out.data, statistics, kept);
  else kernels.run("attention", "attentionForward", out.type, a, a.Lq, out.data, statistics);
}

bool fitsHalf(const Attention& a) { return std::max(a.D, a.Dv) <= kWidestHalf; }

/** Whether the operands are multiplied in f16, and then can be kept so. */
bool isHalf(const AttentionCall& call, const Attention& a) { return call.half && fitsHalf(a); }
bool canKeep(const AttentionCall& call, const Attention& a) { return isHalf(call, a) && a.rowHeads == a.heads; }

/** Words of 32 bits that the forward pass of this call would keep for the backward pass; 0: it keeps nothing. */
double attentionKept(const AttentionCall& call) {
  const Attention a = operandsOf(call);
  return canKeep(call, a) ? static_cast<double>(KeptLayout(a).words()) : 0;
}

void attention(const AttentionCall& call) {
  const Attention a = operandsOf(call);
  check(!call.kept || canKeep(call, a), "attention: only unpacked operands in f16 are kept");
  const Kept kept = keptOf(call.kept, a);
  forward(a, isHalf(call, a), storedOut(call.out, a.batch * a.Lq * a.heads * a.Dv), nullptr, kept);
}

/** Outputs and row terms once more, then the gradients. kept: whether a's q, k and v are f16 that were kept. */
void backward(const Attention& a, bool half, bool kept, const float* dy, const AttentionGradients& g) {
  const char* source = half ? "attention_f16_grad" : "attention_grad";
  const int64_t rows = a.batch * a.heads * a.Lq;
  const Scratch out(floats(rows * a.Dv));
  const Scratch statistics(floats(2 * rows));
  const Scratch delta(floats(rows));
  const Scratch largest(sizeof(uint32_t));
  fillZero(largest.as<uint32_t>(), sizeof(uint32_t));
  if (kept) {
    Kernels(true, a, a.Dv).run("attention_f16", "attentionForwardKept", Type::f32, a, a.Lq, out.as<void>(),
                               statistics.as<float>(), Kept{});
  } else {
    forward(a, half, {out.as<void>(), Type::f32}, statistics.as<float>());
  }
  launch("attention_grad", "attentionDelta", {blocks(ceilDiv(rows, 8))}, {256}, 0, dy, out.as<float>(),
         delta.as<float>(), largest.as<uint32_t>(), a.batch, a.heads, a.Lq, a.Dv);
  const RowTerms terms = {dy, statistics.as<float>(), delta.as<float>(), largest.as<uint32_t>()};
  if (g.dq) {
    const Kernels both(half, a, std::max(a.D, a.Dv));
    const Kernels query(half, a, a.D);
    query.run(source, kept ? "attentionGradQueryKept" : "attentionGradQuery", Type::f32, a, a.Lq, terms, g.dq);
    both.run(source, kept ? "attentionGradKeyKept" : "attentionGradKey", Type::f32, a, a.Lk, terms, g.dk, g.dv);
  }
  if (g.dbias) {
    const Grid grid = {blocks(ceilDiv(a.Lk, kTile)), blocks(ceilDiv(a.Lq, kTile), kMostBlocksYZ),
                       blocks(a.biasHeads, kMostBlocksYZ)};
    launch(source, "attentionGradBias", grid, {256}, 0, a, terms, g.dbias);
  }
}

/** The bias's gradient is computed in f32: from f32 again, where f16 was kept. */
void backwardWidened(Attention a, const Kept& kept, const float* dy, const AttentionGradients& g) {
  const Scratch q(floats(sizeOfQ(a)));
  const Scratch k(floats(sizeOfK(a)));
  const Scratch v(floats(sizeOfV(a)));
  const auto widen = [](const Half* from, const Scratch& to, int64_t n) {
    launch("storage", "f16ToF32", gridFor(n), {256}, 0, from, to.as<float>(), n);
    return static_cast<const float*>(to.as<float>());
  };
  a.q = widen(kept.q, q, sizeOfQ(a));
  a.k = widen(kept.k, k, sizeOfK(a));
  a.v = widen(kept.v, v, sizeOfV(a));
  backward(a, false, false, dy, g);
}

void attentionGrad(const AttentionGradCall& call) {
  Attention a = operandsOf(call);
  const float* dy = call.dy.in<float>(a.batch * a.Lq * a.heads * a.Dv);
  const AttentionGradients g = gradientsOf(call, a);
  const Kept kept = keptOf(call.kept, a);
  if (a.Lq == 0 || a.batch == 0) {
    if (g.dk) fillZero(g.dk, floats(sizeOfK(a)));
    if (g.dv) fillZero(g.dv, floats(sizeOfV(a)));
    if (g.dbias) fillZero(g.dbias, floats(a.biasHeads * a.Lq * a.Lk));
    return;
  }
  if (!call.kept) return backward(a, call.half && fitsHalf(a) && !g.dbias, false, dy, g);
  check(fitsHalf(a), "attention: operands were kept of heads of up to 96");
  if (g.dbias) return backwardWidened(a, kept, dy, g);
  a.q = reinterpret_cast<const float*>(kept.q);
  a.k = reinterpret_cast<const float*>(kept.k);
  a.v = reinterpret_cast<const float*>(kept.v);
  backward(a, true, true, dy, g);
}

void registerAttention(Napi::Env, Napi::Object cuda) {
  bindCudaCall<attention>(cuda);
  bindCudaCall<attentionKept>(cuda, "attentionKept");
  bindCudaCall<attentionGrad>(cuda);
}
REASVQA_CUDA_REGISTER(registerAttention)

}  // namespace
}  // namespace reasvqa::cuda
