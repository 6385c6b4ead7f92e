/** Causal attention with grouped key heads: reads the call and checks its shapes. */
#include "cpu/ops/causal_attention.h"

#include "binding.h"
#include "cpu/ops/attention.h"

namespace reasvqa {
namespace {

template <class Call>
CausalAttention attentionOf(const Call& call) {
  CausalAttention a;
  a.batch = call.q.axis(0, 3);
  a.length = call.q.axis(1, 3);
  a.heads = call.heads;
  a.keyHeads = call.keyHeads;
  const int64_t width = call.q.axis(2, 3);
  check(a.heads > 0 && a.keyHeads > 0 && a.heads % a.keyHeads == 0, "causalAttention: heads of q and of k");
  check(width % a.heads == 0, "causalAttention: a width that is no multiple of the heads");
  a.D = width / a.heads;
  a.scale = call.scale;
  a.q = call.q.template in<float>(a.batch * a.length * width);
  const int64_t keys = a.batch * a.length * a.keyHeads * a.D;
  a.k = call.k.template in<float>(keys);
  a.v = call.v.template in<float>(keys);
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
  const CausalAttention a = attentionOf(call);
  causalAttentionKernels().forward(a, call.out.out<float>(a.batch * a.length * a.heads * a.D));
}

void causalAttentionGrad(const CausalAttentionGradCall& call) {
  const CausalAttention a = attentionOf(call);
  const int64_t queries = a.batch * a.length * a.heads * a.D;
  const int64_t keys = a.batch * a.length * a.keyHeads * a.D;
  causalAttentionKernels().backward(a, call.dy.in<float>(queries), call.dq.out<float>(queries), call.dk.out<float>(keys),
                                    call.dv.out<float>(keys));
}

void groupedQuery(const GroupedQueryCall& call) {
  const int64_t width = call.q.axis(2, 3);
  check(call.heads > 0 && call.keyHeads > 0 && call.heads % call.keyHeads == 0 && width % call.heads == 0,
        "groupedQuery: heads of q and of k");
  Attention a;
  a.batch = 1;
  a.heads = a.rowHeads = call.heads;
  a.group = call.heads / call.keyHeads;
  a.Lq = 1;
  a.Lk = call.keys;
  a.D = a.Dv = width / call.heads;
  a.scale = call.scale;
  a.biasHeads = call.bias ? call.heads : 0;
  a.bias = call.bias.in<float>(a.biasHeads * a.Lk);
  const int64_t rows = call.k.axis(1, 3);
  check(a.Lk > 0 && a.Lk <= rows, "groupedQuery: more keys than rows");
  a.q = call.q.in<float>(width);
  a.k = call.k.in<float>(rows * call.keyHeads * a.D);
  a.v = call.v.in<float>(rows * call.keyHeads * a.D);
  attentionQueryKernels().forward(a, call.out.out<float>(width));
}

void registerCausalAttention(Napi::Env, Napi::Object exports) {
  bindCall<causalAttention>(exports);
  bindCall<causalAttentionGrad>(exports);
  bindCall<groupedQuery>(exports);
}
REASVQA_REGISTER(registerCausalAttention)

}  // namespace
}  // namespace reasvqa
