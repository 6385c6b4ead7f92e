/**
 * The arguments of fusedAttention and fusedAttentionGrad, which are the same on every device:
 *
 * fusedAttention(q, k, v, bias, keyMask, batch, heads, Lq, Lk, D, Dv, biasHeads, scale, ...dropout, bf16, packed, kept, out);
 * fusedAttentionGrad(the same up to kept, dy, dq, dk, dv, dbias)
 *
 * -1 leaves an operand or a result out; dq, dk and dv are wanted together. bf16: operands may be rounded to 16 bits. packed
 * (forward only): q, k and v are one buffer (B, L, 3 H D), of which they are the thirds of each row. kept: what a device
 * that rounds q, k and v keeps of them, a further result of the forward pass; the backward pass takes it in their place.
 */
#pragma once

#include "cpu/ops/args.h"

namespace reasvqa {

constexpr size_t kAttentionDropout = 13;
constexpr size_t kAttentionBf16 = kAttentionDropout + kDropoutArgs;
constexpr size_t kAttentionPacked = kAttentionBf16 + 1;
constexpr size_t kAttentionKept = kAttentionPacked + 1;
constexpr size_t kAfterAttention = kAttentionKept + 1;  // out, or dy and the gradients

/** Whether q, k and v are left out, since `kept` stands for them. */
template <class AnyArgs>
bool takesKept(const AnyArgs& args) {
  return args.i32(0) == -1 && args.i32(kAttentionKept) != -1;
}

/** A call as a device's own struct Attention, but for the dropout, which has another form on each. */
template <class Attention, class AnyArgs>
Attention attentionArgs(const AnyArgs& args) {
  Attention a = {};
  a.batch = args.size(5);
  a.heads = args.size(6);
  a.Lq = args.size(7);
  a.Lk = args.size(8);
  a.D = args.size(9);
  a.Dv = args.size(10);
  a.biasHeads = args.size(11);
  a.scale = args.f32(12);
  check(a.Lk > 0 && a.heads > 0, "attention: no keys or no heads");
  check(a.biasHeads == 0 || a.biasHeads == 1 || a.biasHeads == a.heads, "attention: bias heads");
  const bool packed = args.flag(kAttentionPacked);
  a.rowHeads = packed ? 3 * a.heads : a.heads;
  if (!takesKept(args)) {
    a.q = args.template in<float>(0, a.batch * a.Lq * a.rowHeads * a.D);
    a.k = args.template in<float>(1, a.batch * a.Lk * a.rowHeads * a.D);
    a.v = args.template in<float>(2, a.batch * a.Lk * a.rowHeads * a.Dv);
  }
  if (packed) {
    check(a.q == a.k && a.q == a.v && a.Lq == a.Lk && a.D == a.Dv, "attention: packed operands are not of one buffer");
    a.k += a.heads * a.D;
    a.v += 2 * a.heads * a.D;
  }
  a.bias = args.template inOrNull<float>(3, a.biasHeads * a.Lq * a.Lk);
  a.keyMask = args.template inOrNull<float>(4, a.batch * a.Lk);
  check((a.bias != nullptr) == (a.biasHeads > 0), "attention: bias and its heads disagree");
  return a;
}

}  // namespace reasvqa
