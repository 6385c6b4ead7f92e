/** What the launcher of attention gives its kernels. */
#pragma once
#include "cuda/ops/dropout_args.h"

namespace reasvqa::cuda {

constexpr int kTile = 64;             // rows of scores that a block works on
constexpr int kWidestHalf = 8 * 16;   // columns of a head that the tensor cores take: steps of 16 (attention_f16.cuh)

/** One call. */
struct Attention {
  const float* q;        // (B, Lq, H D)
  const float* k;        // (B, Lk, H / group D)
  const float* v;        // (B, Lk, H / group Dv)
  const float* bias;     // (biasHeads, Lq, Lk) or nullptr
  const float* keyMask;  // (B, Lk), 1 keep, 0 masked, or nullptr
  int64_t batch;
  int64_t heads;
  int64_t Lq;
  int64_t Lk;
  int64_t D;
  int64_t Dv;
  int64_t biasHeads;
  int64_t rowHeads;  // heads in a row of q, and group times those of k and v: heads, or 3 heads in thirds (forward)
  int64_t group;     // query heads that read one head of k and v
  float scale;
  Dropout dropout;  // row (b H + h) Lq + i, column j
};

/**
 * One call over a prompt and segments after it (cpu/ops/causal_attention.h). Lq = Lk = L, Dv = D, no bias, mask or dropout.
 * Kernels only compare what starts and begins hold.
 */
struct CausalAttention : Attention {
  const int32_t* starts;  // (B): first column of a row that is no padding
  const int32_t* begins;  // (L): first column of a column's own segment; the next column for those of the prompt
};

/** A number in f16. */
struct Half {
  unsigned short bits;
};
/** Where the forward pass keeps q, k and v for the backward pass; nullptr: nothing is kept. */
struct Kept {
  Half* q;
  Half* k;
  Half* v;
};

/** What the backward pass knows of the rows (B H Lq). */
struct RowTerms {
  const float* dy;          // (B, Lq, H Dv)
  const float* statistics;  // maximum and inverse sum of the scores, two a row
  const float* delta;       // sum of p m g over a row (attention_backward_f32.cuh)
  const uint32_t* largest;  // bits of the greatest |dy|
};

}  // namespace reasvqa::cuda
