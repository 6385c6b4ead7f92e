/**
 * The calls of attention over a prompt and segments, on every device (src/ops/causalAttention.ts), and of one query of
 * decoding. q and out (B, L, heads D), k and v (B, L, keyHeads D). starts int32 (B): first column of a row that is no
 * padding. begins int32 (L): first column of a column's own segment; the next column for those of the prompt.
 */
#pragma once

#include "binding.h"

namespace reasvqa {

/** half: operands may be rounded to 16 bits. kept: what a device that does so keeps of them for the backward pass. */
struct CausalAttentionCall {
  Operand q, k, v, starts, begins, out;
  OptionalOperand kept;
  int64_t heads = 0, keyHeads = 0;
  float scale = 0;
  bool half = false;
  REASVQA_CALL("causalAttention", q, k, v, starts, begins, out, kept, heads, keyHeads, scale, half)
};
/** q, k and v, or what was kept of them. */
struct CausalAttentionGradCall {
  Operand dy, starts, begins;
  OptionalOperand q, k, v, kept;
  Operand dq, dk, dv;
  int64_t heads = 0, keyHeads = 0;
  float scale = 0;
  bool half = false;
  REASVQA_CALL("causalAttentionGrad", dy, starts, begins, q, k, v, kept, dq, dk, dv, heads, keyHeads, scale, half)
};

/** q and out (1, 1, heads D), k and v (1, at least keys, keyHeads D), bias (heads, 1, keys). */
struct GroupedQueryCall {
  Operand q, k, v;
  OptionalOperand bias;
  Operand out;
  int64_t heads = 0, keyHeads = 0, keys = 0;
  float scale = 0;
  REASVQA_CALL("groupedQuery", q, k, v, bias, out, heads, keyHeads, keys, scale)
};

/** Sizes of a call, with `rows` the query or its gradient. */
struct CausalSizes {
  template <class Call>
  CausalSizes(const Call& call, const Operand& rows) : batch(rows.axis(0, 3)), length(rows.axis(1, 3)) {
    const int64_t width = rows.axis(2, 3);
    check(call.heads > 0 && call.keyHeads > 0 && call.heads % call.keyHeads == 0, "causalAttention: heads of q and of k");
    check(width % call.heads == 0, "causalAttention: a width that is no multiple of the heads");
    queries = batch * length * width;
    keys = queries / call.heads * call.keyHeads;
    D = width / call.heads;
  }
  int64_t batch;
  int64_t length;
  int64_t D;
  int64_t queries;  // elements of q
  int64_t keys;     // elements of k
};

/** As a device's own struct Attention. */
template <class Attention>
Attention attentionOf(const GroupedQueryCall& call) {
  const int64_t width = call.q.axis(2, 3);
  check(call.heads > 0 && call.keyHeads > 0 && call.heads % call.keyHeads == 0 && width % call.heads == 0,
        "groupedQuery: heads of q and of k");
  Attention a = {};
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
  return a;
}

}  // namespace reasvqa
