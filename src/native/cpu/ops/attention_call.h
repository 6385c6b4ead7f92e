/**
 * The calls of multi-head attention, on every device: q (B, Lq, H D), k (B, Lk, H D), v (B, Lk, H Dv), bias (H or 1, Lq,
 * Lk), keyMask (B, Lk).
 */
#pragma once

#include "binding.h"

namespace reasvqa {

/**
 * out (B, Lq, H Dv). Without k and v q holds all three, as thirds of each row. keys: Lk; of one item k and v may have more
 * rows. half: operands may be rounded to 16 bits. kept: what a device that does so keeps of them for the backward pass.
 */
struct AttentionCall {
  Operand q;
  OptionalOperand k, v, bias, keyMask;
  Operand out;
  OptionalOperand kept;
  int64_t heads = 0, keys = 0;
  float scale = 0;
  bool half = false;
  DropoutKey dropout;
  REASVQA_CALL("attention", q, k, v, bias, keyMask, out, kept, heads, keys, scale, half, dropout)
};

/** queryWidth: H D. q, k and v, or what was kept of them. dq, dk and dv are wanted together. */
struct AttentionGradCall {
  Operand dy;
  OptionalOperand q, k, v, kept, bias, keyMask, dq, dk, dv, dbias;
  int64_t heads = 0, keys = 0, queryWidth = 0;
  float scale = 0;
  bool half = false;
  DropoutKey dropout;
  REASVQA_CALL("attentionGrad", dy, q, k, v, kept, bias, keyMask, dq, dk, dv, dbias, heads, keys, queryWidth, scale, half,
               dropout)
};

/** What forward and backward pass share, as a device's own struct Attention, but for dropout, which has a form on each. */
template <class Attention, class Call>
Attention attentionOf(const Call& call, int64_t batch, int64_t Lq, int64_t queryWidth, int64_t valueWidth) {
  Attention a = {};
  a.batch = batch;
  a.heads = call.heads;
  a.Lq = Lq;
  a.Lk = call.keys;
  check(a.Lk > 0 && a.heads > 0, "attention: no keys or no heads");
  check(queryWidth % a.heads == 0 && valueWidth % a.heads == 0, "attention: a width that is no multiple of the heads");
  a.D = queryWidth / a.heads;
  a.Dv = valueWidth / a.heads;
  a.scale = call.scale;
  a.rowHeads = a.heads;
  a.group = 1;
  a.biasHeads = call.bias ? call.bias.axis(0, 3) : 0;
  check(a.biasHeads == 0 || a.biasHeads == 1 || a.biasHeads == a.heads, "attention: bias heads");
  a.bias = call.bias.template in<float>(a.biasHeads * a.Lq * a.Lk);
  a.keyMask = call.keyMask.template in<float>(a.batch * a.Lk);
  return a;
}

template <class Attention>
Attention attentionOf(const AttentionCall& call) {
  const int64_t batch = call.q.axis(0, 3);
  const int64_t length = call.q.axis(1, 3);
  const int64_t width = call.q.axis(2, 3);
  check(static_cast<bool>(call.k) == static_cast<bool>(call.v), "attention: k and v go together");
  if (!call.k) {
    check(width % 3 == 0 && call.keys == length, "attention: packed operands are not of one buffer");
    Attention a = attentionOf<Attention>(call, batch, length, width / 3, width / 3);
    a.rowHeads = 3 * a.heads;
    a.q = call.q.in<float>(call.q.elements());
    a.k = a.q + width / 3;
    a.v = a.q + 2 * (width / 3);
    return a;
  }
  Attention a = attentionOf<Attention>(call, batch, length, width, call.v.axis(2, 3));
  const int64_t rows = call.k.axis(1, 3);
  check(rows == a.Lk || (rows > a.Lk && batch == 1), "attention: keys is not the length of k");
  a.q = call.q.in<float>(batch * length * width);
  a.k = call.k.in<float>(batch * rows * width);
  a.v = call.v.in<float>(batch * rows * a.heads * a.Dv);
  return a;
}

template <class Attention>
Attention attentionOf(const AttentionGradCall& call) {
  check((call.q && call.k && call.v) != static_cast<bool>(call.kept), "attention: q, k and v, or what was kept of them");
  Attention a = attentionOf<Attention>(call, call.dy.axis(0, 3), call.dy.axis(1, 3), call.queryWidth, call.dy.axis(2, 3));
  a.q = call.q.in<float>(a.batch * a.Lq * a.heads * a.D);
  a.k = call.k.in<float>(a.batch * a.Lk * a.heads * a.D);
  a.v = call.v.in<float>(a.batch * a.Lk * a.heads * a.Dv);
  return a;
}

/** Where the gradients go; nullptr for those that are not wanted. */
struct AttentionGradients {
  float* dq;
  float* dk;
  float* dv;
  float* dbias;
};

template <class Attention>
AttentionGradients gradientsOf(const AttentionGradCall& call, const Attention& a) {
  const AttentionGradients g = {call.dq.out<float>(a.batch * a.Lq * a.heads * a.D),
                                call.dk.out<float>(a.batch * a.Lk * a.heads * a.D),
                                call.dv.out<float>(a.batch * a.Lk * a.heads * a.Dv),
                                call.dbias.out<float>(a.biasHeads * a.Lq * a.Lk)};
  check((call.dq && call.dk && call.dv) || (!call.dq && !call.dk && !call.dv), "attention: dq, dk, dv go together");
  check(!call.dbias || call.bias, "attention: a gradient of no bias");
  return g;
}

}  // namespace reasvqa
