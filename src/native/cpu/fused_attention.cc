/**
 * fusedAttention(q, k, v, bias, keyMask, batch, heads, Lq, Lk, D, Dv, biasHeads, scale, ...dropout, bf16, packed, out);
 * fusedAttentionGrad(the same up to packed, dy, dq, dk, dv, dbias). -1 leaves an operand or a result out; dq, dk and
 * dv are wanted together. bf16, that operands may be rounded so, is for devices that gain by it: here all is f32. packed
 * (forward only): q, k and v are one buffer (B, L, 3 H D), of which they are the thirds of each row.
 */
#include "cpu/fused_attention.h"

#include <optional>

#include "cpu/fused_args.h"

namespace reasvqa {
namespace {

constexpr size_t kPacked = 13 + kDropoutArgs + 1;
constexpr size_t kAfterPacked = kPacked + 1;

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
  const bool packed = args.flag(kPacked);
  a.rowHeads = packed ? 3 * a.heads : a.heads;
  a.q = args.in<float>(0, a.batch * a.Lq * a.rowHeads * a.D);
  a.k = args.in<float>(1, a.batch * a.Lk * a.rowHeads * a.D);
  a.v = args.in<float>(2, a.batch * a.Lk * a.rowHeads * a.Dv);
  if (packed) {
    check(a.q == a.k && a.q == a.v && a.Lq == a.Lk && a.D == a.Dv, "attention: packed operands are not of one buffer");
    a.k += a.heads * a.D;
    a.v += 2 * a.heads * a.D;
  }
  a.bias = args.inOrNull<float>(3, a.biasHeads * a.Lq * a.Lk);
  a.keyMask = args.inOrNull<float>(4, a.batch * a.Lk);
  check((a.bias != nullptr) == (a.biasHeads > 0), "attention: bias and its heads disagree");
  return a;
}

void attention(Args& args) {
  const Attention a = attentionArgs(args);
  float* out = args.out<float>(kAfterPacked, a.batch * a.Lq * a.heads * a.Dv);
  if (a.Lq == 1 && !a.dropout.on && a.rowHeads == a.heads) return attentionQueryKernels().forward(a, out);
  fusedAttentionKernels().forward(a, out);
}

void attentionGrad(Args& args) {
  const Attention a = attentionArgs(args);
  check(a.rowHeads == a.heads, "attention: no gradient of packed operands");
  const float* dy = args.in<float>(kAfterPacked, a.batch * a.Lq * a.heads * a.Dv);
  float* dq = args.outOrNull<float>(kAfterPacked + 1, a.batch * a.Lq * a.heads * a.D);
  float* dk = args.outOrNull<float>(kAfterPacked + 2, a.batch * a.Lk * a.heads * a.D);
  float* dv = args.outOrNull<float>(kAfterPacked + 3, a.batch * a.Lk * a.heads * a.Dv);
  float* dbias = args.outOrNull<float>(kAfterPacked + 4, a.biasHeads * a.Lq * a.Lk);
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
