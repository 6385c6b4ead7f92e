/**
 * fusedAttention(q, k, v, bias, keyMask, batch, heads, Lq, Lk, D, Dv, biasHeads, scale, ...dropout, bf16, out);
 * fusedAttentionGrad(the same up to bf16, dy, dq, dk, dv, dbias). -1 leaves an operand or a result out; dq, dk and
 * dv are wanted together. bf16, that operands may be rounded so, is for devices that gain by it: here all is f32.
 */
#include "cpu/fused_attention.h"

#include <optional>

#include "cpu/fused_args.h"

namespace reasvqa {
namespace {

constexpr size_t kAfterBf16 = 13 + kDropoutArgs + 1;

Attention attentionArgs(const Args& args) {
  Attention a;
  a.batch = args.size(5);
  a.heads = args.size(6);
  a.Lq = args.size(7);
  a.Lk = args.size(8);
  a.D = args.size(9);
  a.Dv = args.size(10);
  a.biasHeads = args.size(11);
  a.scale = args.f32(12);
  a.dropout = dropoutArgs(args, 13);
  check(a.Lk > 0 && a.heads > 0, "attention: no keys or no heads");
  check(a.biasHeads == 0 || a.biasHeads == 1 || a.biasHeads == a.heads, "attention: bias heads");
  a.q = args.in<float>(0, a.batch * a.Lq * a.heads * a.D);
  a.k = args.in<float>(1, a.batch * a.Lk * a.heads * a.D);
  a.v = args.in<float>(2, a.batch * a.Lk * a.heads * a.Dv);
  a.bias = args.inOrNull<float>(3, a.biasHeads * a.Lq * a.Lk);
  a.keyMask = args.inOrNull<float>(4, a.batch * a.Lk);
  check((a.bias != nullptr) == (a.biasHeads > 0), "attention: bias and its heads disagree");
  return a;
}

void attention(Args& args) {
  const Attention a = attentionArgs(args);
  float* out = args.out<float>(kAfterBf16, a.batch * a.Lq * a.heads * a.Dv);
  if (a.Lq == 1 && !a.dropout.on) return attentionQueryKernels().forward(a, out);
  fusedAttentionKernels().forward(a, out);
}

void attentionGrad(Args& args) {
  const Attention a = attentionArgs(args);
  const float* dy = args.in<float>(kAfterBf16, a.batch * a.Lq * a.heads * a.Dv);
  float* dq = args.outOrNull<float>(kAfterBf16 + 1, a.batch * a.Lq * a.heads * a.D);
  float* dk = args.outOrNull<float>(kAfterBf16 + 2, a.batch * a.Lk * a.heads * a.D);
  float* dv = args.outOrNull<float>(kAfterBf16 + 3, a.batch * a.Lk * a.heads * a.Dv);
  float* dbias = args.outOrNull<float>(kAfterBf16 + 4, a.biasHeads * a.Lq * a.Lk);
  check((dq != nullptr) == (dk != nullptr) && (dq != nullptr) == (dv != nullptr), "attention: dq, dk, dv go together");
  std::optional<Scratch> headBias;
  if (dbias && a.biasHeads != a.heads) headBias.emplace(static_cast<size_t>(a.heads * a.Lq * a.Lk) * sizeof(float));
  fusedAttentionKernels().backward(a, dy, dq, dk, dv, dbias, headBias ? headBias->as<float>() : nullptr);
}

void registerFusedAttention(Napi::Env, Napi::Object exports) {
  bind<attention>(exports, "fusedAttention");
  bind<attentionGrad>(exports, "fusedAttentionGrad");
}
REASVQA_REGISTER(registerFusedAttention)

}  // namespace
}  // namespace reasvqa
