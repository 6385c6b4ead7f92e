/**
 * What all attention kernels share: a call, the rows of a head, and how a product becomes a score. The kernels for f32 are
 * made of attention_f32.cuh, those for the tensor cores of attention_f16.cuh.
 */
#pragma once
#include "cuda/ops/attention_args.h"
#include "cuda/ops/philox.cuh"
#include "cuda/runtime/vector4.cuh"

#define MASKED 1e30f  // as in the composed form: exp(score - 1e30) is 0 beside any kept key

/** Rows of one head: row i is at data + i stride; rows from `count` on are read as zeros. */
struct Rows {
  const float* data;
  int64_t stride;
  int64_t count;
};

/** x (B, L, H width): rows from `first` on of one head. */
__device__ inline Rows rowsOf(const float* x, int64_t b, int64_t h, int64_t L, int64_t heads, int64_t width,
                              int64_t first) {
  return {x + ((b * L + first) * heads + h) * width, heads * width, L - first};
}

/** 1 or what the key mask holds; 0 for a key beyond the last. */
__device__ inline float keepOf(const Attention& a, int64_t b, int64_t key) {
  if (key >= a.Lk) return 0.0f;
  return a.keyMask ? a.keyMask[b * a.Lk + key] : 1.0f;
}

/** A product becomes a score: scale, bias, mask; -infinity for a key beyond the last. */
__device__ inline float scoreOf(const Attention& a, float product, int64_t h, int64_t query, int64_t key, float keep) {
  if (key >= a.Lk) return -INFINITY;
  float score = product * a.scale;
  if (a.bias && query < a.Lq) score += a.bias[((a.biasHeads == 1 ? 0 : h) * a.Lq + query) * a.Lk + key];
  if (a.keyMask) score += (keep - 1.0f) * MASKED;
  return score;
}

__device__ inline uint32_t dropoutRow(const Attention& a, int64_t b, int64_t h, int64_t query) {
  return (uint32_t)((b * a.heads + h) * a.Lq + query);
}

/** Those of one row; a query beyond the last has probabilities of 0. */
struct RowTerm {
  float largest;
  float inverse;
  float delta;
};

__device__ inline RowTerm termOf(const Attention& a, const RowTerms& terms, int64_t b, int64_t h, int64_t query) {
  if (query >= a.Lq) return {0.0f, 0.0f, 0.0f};
  const int64_t row = (b * a.heads + h) * a.Lq + query;
  return {terms.statistics[2 * row], terms.statistics[2 * row + 1], terms.delta[row]};
}

/** Before dropout. */
__device__ inline float probabilityOf(const RowTerm& row, float score, float keep) {
  return row.inverse == 0.0f ? 0.0f : expf(score - row.largest) * row.inverse * keep;
}
