/**
 * Attention over a prompt and segments with fewer key heads than query heads, forward and backward, on the CUDA device
 * (cpu/ops/causal_attention_call.h): the kernels of attention.cc, which go past tiles that no query of theirs sees and look
 * at the layout in those alone that are seen in part.
 *
 * With half the operands are rounded to f16 first, one pass over each, so that the tiles, which are read once for every 64
 * queries of every head, are half the bytes; the forward pass keeps them for the backward pass. In f32 for heads wider than
 * 128. out may be stored in bf16. What starts and begins hold is not checked: that would wait for the device.
 */
#include "cpu/ops/causal_attention_call.h"

#include <optional>

#include "cuda/ops/attention_kernels.h"

namespace reasvqa::cuda {
namespace {

template <class Call>
CausalAttention operandsOf(const Call& call, const CausalSizes& sizes) {
  CausalAttention a = {};
  a.batch = sizes.batch;
  a.heads = a.rowHeads = call.heads;
  a.group = call.heads / call.keyHeads;
  a.Lq = a.Lk = sizes.length;
  a.D = a.Dv = sizes.D;
  a.scale = call.scale;
  a.q = call.q.template in<float>(sizes.queries);
  a.k = call.k.template in<float>(sizes.keys);
  a.v = call.v.template in<float>(sizes.keys);
  a.starts = call.starts.template in<int32_t>(sizes.batch);
  a.begins = call.begins.template in<int32_t>(sizes.length);
  check(a.batch * a.heads <= kMostBlocksYZ, "causalAttention: batch times heads is above 65535; take smaller batches");
  return a;
}

/** Writes a's operands to `kept` in f16 and lets a read those. */
void roundOperands(CausalAttention& a, const Kept& kept) {
  const auto round = [](const float* from, Half* to, int64_t n) {
    launch("storage", "f32ToF16", gridFor(ceilDiv(n, 4)), {256}, 0, from, to, n);
  };
  round(a.q, kept.q, sizeOfQ(a));
  round(a.k, kept.k, sizeOfK(a));
  round(a.v, kept.v, sizeOfV(a));
  readKept(a, kept);
}

/** Operands in f16: those that `given` keeps for later, or room for them until the call ends. */
class HalfOperands {
 public:
  HalfOperands(CausalAttention& a, const OptionalOperand& given) {
    const KeptLayout layout(a);
    if (!given) room_.emplace(floats(layout.words()));
    roundOperands(a, given ? keptOf(given, a) : layout.at(room_->as<void>()));
  }

 private:
  std::optional<Scratch> room_;
};

/** half: whether a's operands are f16. statistics: two floats for each of the B H L rows, or nullptr. */
void forward(const CausalAttention& a, bool half, const StoredResult& out, float* statistics) {
  const Kernels kernels(half, a, a.Dv);
  if (half) {
    kernels.run("causal_attention_f16", "causalForward", out.type, a, a.Lq, a.heads, out.data, statistics, Kept{});
    return;
  }
  if (out.type == Type::f32) {
    kernels.run("causal_attention", "causalForward", Type::f32, a, a.Lq, a.heads, out.data, statistics);
    return;
  }
  const int64_t n = sizeOfOut(a);
  const Scratch wide(floats(n));
  forward(a, false, {wide.as<void>(), Type::f32}, statistics);
  launch("storage", "f32ToBf16", gridFor(n), {256}, 0, wide.as<void>(), out.data, n);
}

/** Words of 32 bits that the forward pass of this call would keep for the backward pass; 0: it keeps nothing. */
double causalAttentionKept(const CausalAttentionCall& call) {
  const CausalAttention a = operandsOf(call, CausalSizes(call, call.q));
  return call.half && fitsHalf(a) ? static_cast<double>(KeptLayout(a).words()) : 0;
}

void causalAttention(const CausalAttentionCall& call) {
  CausalAttention a = operandsOf(call, CausalSizes(call, call.q));
  const StoredResult out = storedOut(call.out, sizeOfOut(a));
  const bool half = call.half && fitsHalf(a);
  check(half || !call.kept, "causalAttention: only operands in f16 are kept");
  if (!half) return forward(a, false, out, nullptr);
  const HalfOperands operands(a, call.kept);
  forward(a, true, out, nullptr);
}

/** Outputs and row terms once more, then the gradients. half: whether a's operands are f16. */
void backward(const CausalAttention& a, bool half, const float* dy, float* dq, float* dk, float* dv) {
  if (a.batch == 0 || a.Lq == 0) return;
  const char* source = half ? "causal_attention_f16_grad" : "causal_attention_grad";
  const RowScratch rows(a);
  forward(a, half, {rows.out.as<void>(), Type::f32}, rows.statistics.as<float>());
  const RowTerms terms = rows.terms(a, dy);
  const Kernels kernels(half, a, a.D);
  kernels.run(source, "causalGradQuery", Type::f32, a, a.Lq, a.heads, terms, dq);
  kernels.run(source, "causalGradKey", Type::f32, a, a.Lk, a.heads / a.group, terms, dk, dv);
}

void causalAttentionGrad(const CausalAttentionGradCall& call) {
  check((call.q && call.k && call.v) != static_cast<bool>(call.kept), "causalAttention: q, k and v, or what was kept of them");
  const CausalSizes sizes(call, call.dy);
  CausalAttention a = operandsOf(call, sizes);
  const float* dy = call.dy.in<float>(sizes.queries);
  float* dq = call.dq.out<float>(sizes.queries);
  float* dk = call.dk.out<float>(sizes.keys);
  float* dv = call.dv.out<float>(sizes.keys);
  if (call.kept) {
    check(fitsHalf(a), "causalAttention: operands were kept of heads of up to 128");
    readKept(a, keptOf(call.kept, a));
    return backward(a, true, dy, dq, dk, dv);
  }
  if (!call.half || !fitsHalf(a)) return backward(a, false, dy, dq, dk, dv);
  const HalfOperands operands(a, {});
  backward(a, true, dy, dq, dk, dv);
}

/** By the kernel of attention.cc: one row of a tile, since what takes the time is reading keys and values. */
void groupedQuery(const GroupedQueryCall& call) {
  const auto a = attentionOf<Attention>(call);
  float* out = call.out.out<float>(sizeOfOut(a));
  Kernels(false, a, a.Dv).run("attention", "attentionForward", Type::f32, a, a.Lq, a.heads, out,
                              static_cast<float*>(nullptr));
}

void registerCausalAttention(Napi::Env, Napi::Object cuda) {
  bindCudaCall<causalAttention>(cuda);
  bindCudaCall<causalAttentionKept>(cuda, "causalAttentionKept");
  bindCudaCall<causalAttentionGrad>(cuda);
  bindCudaCall<groupedQuery>(cuda);
}
REASVQA_CUDA_REGISTER(registerCausalAttention)

}  // namespace
}  // namespace reasvqa::cuda
