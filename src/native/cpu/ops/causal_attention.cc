/** Causal attention with grouped key heads: reads the call and checks its shapes. */
#include "cpu/ops/causal_attention.h"

#include "cpu/ops/attention.h"
#include "cpu/ops/causal_attention_call.h"

namespace reasvqa {
namespace {

template <class Call>
CausalAttention attentionOf(const Call& call, const CausalSizes& sizes) {
  check(!call.kept, "causalAttention: nothing is kept of f32 operands");
  CausalAttention a;
  a.batch = sizes.batch;
  a.length = sizes.length;
  a.heads = call.heads;
  a.keyHeads = call.keyHeads;
  a.D = sizes.D;
  a.scale = call.scale;
  a.q = call.q.template in<float>(sizes.queries);
  a.k = call.k.template in<float>(sizes.keys);
  a.v = call.v.template in<float>(sizes.keys);
  a.starts = call.starts.template in<int32_t>(a.batch);
  a.begins = call.begins.template in<int32_t>(a.length);
  while (a.prefix < a.length && a.begins[a.prefix] > a.prefix) ++a.prefix;
  for (int64_t i = 0; i < a.length; ++i) {
    const bool inPrompt = i < a.prefix && a.begins[i] == i + 1;
    check(inPrompt || (i >= a.prefix && a.begins[i] >= a.prefix && a.begins[i] <= i), "causalAttention: begins");
  }
  for (int64_t b = 0; b < a.batch; ++b) {
    check(a.starts[b] >= 0 && a.starts[b] <= a.prefix, "causalAttention: a row starts outside the prompt");
  }
  return a;
}

void causalAttention(const CausalAttentionCall& call) {
  const CausalSizes sizes(call, call.q);
  causalAttentionKernels().forward(attentionOf(call, sizes), call.out.out<float>(sizes.queries));
}

void causalAttentionGrad(const CausalAttentionGradCall& call) {
  const CausalSizes sizes(call, call.dy);
  check(call.q && call.k && call.v, "causalAttention: the gradient without q, k and v");
  causalAttentionKernels().backward(attentionOf(call, sizes), call.dy.in<float>(sizes.queries),
                                    call.dq.out<float>(sizes.queries), call.dk.out<float>(sizes.keys),
                                    call.dv.out<float>(sizes.keys));
}

void groupedQuery(const GroupedQueryCall& call) {
  const auto a = attentionOf<Attention>(call);
  attentionQueryKernels().forward(a, call.out.out<float>(a.heads * a.D));
}

void registerCausalAttention(Napi::Env, Napi::Object exports) {
  bindCall<causalAttention>(exports);
  bindCall<causalAttentionGrad>(exports);
  bindCall<groupedQuery>(exports);
}
REASVQA_REGISTER(registerCausalAttention)

}  // namespace
}  // namespace reasvqa
