/** Multi-head attention of attention_call.h; all in f32, whatever may be rounded. */
#include "cpu/ops/attention.h"

#include <optional>

#include "cpu/ops/attention_call.h"

namespace reasvqa {
namespace {

void attention(const AttentionCall& call) {
  check(!call.kept, "attention: nothing is kept of f32 operands");
  Attention a = attentionOf<Attention>(call);
  a.dropout = dropoutOf(call.dropout);
  float* out = call.out.out<float>(a.batch * a.Lq * a.heads * a.Dv);
  if (a.Lq == 1 && !a.dropout.on) return attentionQueryKernels().forward(a, out);
  attentionKernels().forward(a, out);
}

void attentionGrad(const AttentionGradCall& call) {
  check(!call.kept, "attention: nothing is kept of f32 operands");
  Attention a = attentionOf<Attention>(call);
  a.dropout = dropoutOf(call.dropout);
  const float* dy = call.dy.in<float>(a.batch * a.Lq * a.heads * a.Dv);
  const AttentionGradients g = gradientsOf(call, a);
  std::optional<Scratch> headBias;
  if (g.dbias && a.biasHeads != a.heads) headBias.emplace(static_cast<size_t>(a.heads * a.Lq * a.Lk) * sizeof(float));
  attentionKernels().backward(a, dy, g.dq, g.dk, g.dv, g.dbias, headBias ? headBias->as<float>() : nullptr);
}

void registerAttention(Napi::Env, Napi::Object exports) {
  bindCall<attention>(exports);
  bindCall<attentionGrad>(exports);
}
REASVQA_REGISTER(registerAttention)

}  // namespace
}  // namespace reasvqa
