/**
 * Multi-head attention, forward and backward, without an (Lq, Lk) matrix kept in between.
 *
 * q (B, Lq, H D), k (B, Lk, H D), v (B, Lk, H Dv) as the projections leave them: heads are read with a stride, so
 * nothing is transposed. A block of query rows is scored against all keys in scratch memory that stays in L2, turned
 * into probabilities, and multiplied with v; the backward pass computes the block's probabilities again. Whole rows
 * (not key tiles, as on a GPU) because Lk is at most a few thousand here: the softmax is then exact and needs no
 * running maximum.
 */
#pragma once

#include "cpu/ops/dropout.h"
#include "cpu/runtime/dispatch.h"

namespace reasvqa {

struct Attention {
  int64_t batch = 0;
  int64_t heads = 0;
  int64_t Lq = 0;
  int64_t Lk = 0;
  int64_t D = 0;
  int64_t Dv = 0;
  float scale = 1.0f;
  int64_t biasHeads = 0;            // 0: no bias, 1: shared by the heads, or heads
  const float* bias = nullptr;      // (biasHeads, Lq, Lk), added to the scaled scores
  const float* keyMask = nullptr;   // (B, Lk), 1 keep, 0 masked
  Dropout dropout;                  // row (b H + h) Lq + i, column j
  int64_t rowHeads = 0;             // heads in a row of q, k and v: heads, or 3 heads in the thirds of one tensor (forward)
  int64_t group = 1;                // query heads that read one head of k and v (AttentionQueryKernels alone)
  const float* q = nullptr;
  const float* k = nullptr;
  const float* v = nullptr;
};

struct AttentionKernels {
  /** out (B, Lq, H Dv) */
  void (*forward)(const Attention& attention, float* out);
  /**
   * dq, dk, dv shaped as q, k, v, or all nullptr; dbias (biasHeads, Lq, Lk) or nullptr. headBias: scratch of
   * (H, Lq, Lk), needed when dbias is wanted for a bias that the heads share.
   */
  void (*backward)(const Attention& attention, const float* dy, float* dq, float* dk, float* dv, float* dbias,
                   float* headBias);
};

REASVQA_KERNELS(AttentionKernels, attention)

/** The forward pass for Lq = 1 without dropout. */
struct AttentionQueryKernels {
  /** out (B, 1, H Dv) */
  void (*forward)(const Attention& attention, float* out);
};

REASVQA_KERNELS(AttentionQueryKernels, attentionQuery)

}  // namespace reasvqa
