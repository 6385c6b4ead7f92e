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

/**
 * The same in f16, as a forward pass keeps them for the backward pass. Heads lie side by side, so that a width that is a
 * multiple of 2 or 4 makes the addresses of all pairs or fours one.
 */
struct HalfRows {
  Half* data;
  int64_t stride;
  int64_t count;
};
__device__ inline HalfRows rowsOf(Half* x, int64_t b, int64_t h, int64_t L, int64_t heads, int64_t width, int64_t first) {
  return {x + ((b * L + first) * heads + h) * width, heads * width, L - first};
}

/** Rows of k or v, `width` columns a head, that head h of q reads. */
template <class T>
__device__ inline auto keyRowsOf(const Attention& a, T* x, int64_t b, int64_t h, int64_t width, int64_t first) {
  return rowsOf(x, b, h / a.group, a.Lk, a.rowHeads / a.group, width, first);
}

/** 1 or what the key mask holds; 0 for a key beyond the last. */
__device__ inline float keepOf(const Attention& a, int64_t b, int64_t key) {
  if (key >= a.Lk) return 0.0f;
  return a.keyMask ? a.keyMask[b * a.Lk + key] : 1.0f;
}

/** What a tile of scores shows: everything, of a call without a layout. */
struct WholeView {
  __device__ bool isEmpty() const { return false; }
  __device__ bool hides(int64_t, int64_t) const { return false; }
};
/** Of a tile of `rows` queries and `columns` keys. */
__device__ inline WholeView viewOf(const Attention&, int64_t, int64_t, int, int64_t, int) { return {}; }

/** The same over a prompt and segments: query i sees keys up to i that are no padding, of the prompt or its own segment. */
struct CausalView {
  const int32_t* begins;
  int64_t length;
  int64_t start;
  bool empty;
  bool whole;

  __device__ bool isEmpty() const { return empty; }
  __device__ bool hides(int64_t query, int64_t key) const {
    if (whole) return false;
    if (query >= length || key > query || key < start) return true;
    return begins[key] <= key && key < begins[query];
  }
};
__device__ inline CausalView viewOf(const CausalAttention& a, int64_t b, int64_t firstQuery, int rows, int64_t firstKey,
                                    int columns) {
  const int64_t start = a.starts[b];
  const int64_t lastQuery = (firstQuery + rows < a.Lq ? firstQuery + rows : a.Lq) - 1;
  const int64_t lastKey = (firstKey + columns < a.Lk ? firstKey + columns : a.Lk) - 1;
  // A column is of a segment when its segment does not begin after it; segments follow the prompt.
  const bool later = firstKey > lastQuery;
  const bool padding = lastKey < start;
  const bool earlierSegments = a.begins[firstKey] <= firstKey && a.begins[firstQuery] <= firstQuery && lastKey < a.begins[firstQuery];
  const bool ofPrompt = a.begins[lastKey] > lastKey;
  const bool seen = lastKey <= firstQuery && firstKey >= start;
  return {a.begins, a.Lk, start, later || padding || earlierSegments, seen && (ofPrompt || firstKey >= a.begins[lastQuery])};
}

/** What a row of probabilities is multiplied with. A column of padding sees no key and gives zeros. */
__device__ inline float inverseOf(const Attention&, float total) { return 1.0f / total; }
__device__ inline float inverseOf(const CausalAttention&, float total) { return total == 0.0f ? 0.0f : 1.0f / total; }

/** A product becomes a score: scale, bias, mask; -infinity for a key beyond the last, and for one that is hidden. */
template <class View>
__device__ inline float scoreOf(const Attention& a, const View& view, float product, int64_t h, int64_t query, int64_t key,
                                float keep) {
  if (key >= a.Lk || view.hides(query, key)) return -INFINITY;
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
