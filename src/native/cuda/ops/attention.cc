/**
 * Multi-head attention, forward and backward, without an (Lq, Lk) matrix kept in between or in memory at all: tiles of
 * scores live in registers and shared memory. q (B, Lq, H D), k (B, Lk, H D), v (B, Lk, H Dv) as the projections leave them.
 *
 * Calls are those of cpu/ops/attention_call.h. With half the products are the tensor cores', in f16 (attention_f16.cuh; an
 * H100's data sheet: 989 TFLOP/s, 67 in f32); but in f32 for heads wider than 128 and for a trained bias, whose gradient has
 * no kernel there. out may be stored in bf16.
 *
 * kept: q, k and v as those products read them, in f16, each beginning at a multiple of 16 bytes; half the bytes of the
 * tensors that the backward pass would read, of which a step of FlanT5-XL keeps 2.9 GB (workloads/xl.json).
 */
#include "cpu/ops/attention_call.h"

#include "cuda/ops/attention_kernels.h"
#include "cuda/ops/dropout.h"

namespace reasvqa::cuda {
namespace {

template <class Call>
Attention operandsOf(const Call& call) {
  Attention a = attentionOf<Attention>(call);
  a.dropout = kernelDropout(call.dropout);
  check(a.batch * a.heads <= kMostBlocksYZ, "attention: batch times heads is above 65535; take smaller batches");
  return a;
}

/** statistics: two floats for each of the B H Lq rows, or nullptr. kept: what is to be kept. */
void forward(const Attention& a, bool half, const StoredResult& out, float* statistics, const Kept& kept = {}) {
  if (out.type == Type::bf16 && !half) {
    const int64_t n = sizeOfOut(a);
    const Scratch wide(floats(n));
    forward(a, false, {wide.as<void>(), Type::f32}, statistics);
    launch("storage", "f32ToBf16", gridFor(n), {256}, 0, wide.as<void>(), out.data, n);
    return;
  }
  const Kernels kernels(half, a, a.Dv);
  if (half) kernels.run("attention_f16", "attentionForward", out.type, a, a.Lq, a.heads, out.data, statistics, kept);
  else kernels.run("attention", "attentionForward", out.type, a, a.Lq, a.heads, out.data, statistics);
}

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
  forward(a, isHalf(call, a), storedOut(call.out, sizeOfOut(a)), nullptr, kept);
}

/** Outputs and row terms once more, then the gradients. kept: whether a's q, k and v are f16 that were kept. */
void backward(const Attention& a, bool half, bool kept, const float* dy, const AttentionGradients& g) {
  const char* source = half ? "attention_f16_grad" : "attention_grad";
  const RowScratch rows(a);
  if (kept) {
    Kernels(true, a, a.Dv).run("attention_f16", "attentionForwardKept", Type::f32, a, a.Lq, a.heads, rows.out.as<void>(),
                               rows.statistics.as<float>(), Kept{});
  } else {
    forward(a, half, {rows.out.as<void>(), Type::f32}, rows.statistics.as<float>());
  }
  const RowTerms terms = rows.terms(a, dy);
  if (g.dq) {
    const Kernels both(half, a, std::max(a.D, a.Dv));
    const Kernels query(half, a, a.D);
    query.run(source, kept ? "attentionGradQueryKept" : "attentionGradQuery", Type::f32, a, a.Lq, a.heads, terms, g.dq);
    both.run(source, kept ? "attentionGradKeyKept" : "attentionGradKey", Type::f32, a, a.Lk, a.heads, terms, g.dk,
             g.dv);
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
  const float* dy = call.dy.in<float>(sizeOfOut(a));
  const AttentionGradients g = gradientsOf(call, a);
  const Kept kept = keptOf(call.kept, a);
  if (a.Lq == 0 || a.batch == 0) {
    if (g.dk) fillZero(g.dk, floats(sizeOfK(a)));
    if (g.dv) fillZero(g.dv, floats(sizeOfV(a)));
    if (g.dbias) fillZero(g.dbias, floats(a.biasHeads * a.Lq * a.Lk));
    return;
  }
  if (!call.kept) return backward(a, call.half && fitsHalf(a) && !g.dbias, false, dy, g);
  check(fitsHalf(a), "attention: operands were kept of heads of up to 128");
  if (g.dbias) return backwardWidened(a, kept, dy, g);
  readKept(a, kept);
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
