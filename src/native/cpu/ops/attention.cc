/** Multi-head attention of attention_args.h; all in f32, whatever may be rounded. */
#include "cpu/ops/attention.h"

#include <optional>

#include "cpu/ops/attention_args.h"

namespace reasvqa {
namespace {

Attention attentionOf(const Args& args) {
  check(args.i32(kAttentionKept) == -1, "attention: nothing is kept of f32 operands");
  Attention a = attentionArgs<Attention>(args);
  a.dropout = dropoutArgs(args, kAttentionDropout);
  return a;
}

void attention(Args& args) {
  const Attention a = attentionOf(args);
  float* out = args.out<float>(kAfterAttention, a.batch * a.Lq * a.heads * a.Dv);
  if (a.Lq == 1 && !a.dropout.on) return attentionQueryKernels().forward(a, out);
  attentionKernels().forward(a, out);
}

void attentionGrad(Args& args) {
  const Attention a = attentionOf(args);
  check(a.rowHeads == a.heads, "attention: no gradient of packed operands");
  const float* dy = args.in<float>(kAfterAttention, a.batch * a.Lq * a.heads * a.Dv);
  float* dq = args.outOrNull<float>(kAfterAttention + 1, a.batch * a.Lq * a.heads * a.D);
  float* dk = args.outOrNull<float>(kAfterAttention + 2, a.batch * a.Lk * a.heads * a.D);
  float* dv = args.outOrNull<float>(kAfterAttention + 3, a.batch * a.Lk * a.heads * a.Dv);
  float* dbias = args.outOrNull<float>(kAfterAttention + 4, a.biasHeads * a.Lq * a.Lk);
  check((dq != nullptr) == (dk != nullptr) && (dq != nullptr) == (dv != nullptr), "attention: dq, dk, dv go together");
  std::optional<Scratch> headBias;
  if (dbias && a.biasHeads != a.heads) headBias.emplace(static_cast<size_t>(a.heads * a.Lq * a.Lk) * sizeof(float));
  attentionKernels().backward(a, dy, dq, dk, dv, dbias, headBias ? headBias->as<float>() : nullptr);
}

void registerFusedAttention(Napi::Env, Napi::Object exports) {
  bind<attention>(exports, "fusedAttention");
  bind<attentionGrad>(exports, "fusedAttentionGrad");
}
REASVQA_REGISTER(registerFusedAttention)

}  // namespace
}  // namespace reasvqa
