/**
 * Attention's forward pass on the tensor cores: a block takes 64 queries of one head and goes over the keys in tiles of 32
 * with an online softmax (Milakov and Gimelshein 2018; Dao 2023), so no row of scores is ever whole. See attention_f16.cuh.
 */
#pragma once
#include "cuda/ops/attention_f16.cuh"

/** The greatest or the sum over the 4 lanes that share rows; the greatest leaves NaN to the sum. */
__device__ inline float rowMax(float value) {
  value = fmaxf(value, __shfl_xor_sync(FULL_WARP, value, 1));
  return fmaxf(value, __shfl_xor_sync(FULL_WARP, value, 2));
}
__device__ inline float rowSum(float value) {
  value += __shfl_xor_sync(FULL_WARP, value, 1);
  return value + __shfl_xor_sync(FULL_WARP, value, 2);
}

/** What a row knows of the keys so far. */
struct Softmax {
  float largest[2];
  float total[2];
};

/** A tile of products becomes dropped, not yet normalised probabilities; fade: what earlier sums are multiplied with. */
template <class View>
__device__ inline void softmaxTile(const Attention& a, const View& view, int64_t b, int64_t h, int64_t firstQuery,
                                   int64_t firstKey, float (&tile)[ACROSS / 8][4], Softmax& rows, float (&fade)[2]) {
  const Place at = placeOf();
  float keep[ACROSS / 8][2];
  float tileMax[2] = {-INFINITY, -INFINITY};
#pragma unroll
  for (int n = 0; n < ACROSS / 8; ++n) {
    const int64_t key = firstKey + 8 * n + at.column;
#pragma unroll
    for (int j = 0; j < 2; ++j) keep[n][j] = keepOf(a, b, key + j);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int64_t query = firstQuery + at.row + i / 2 * 8;
      tile[n][i] = scoreOf(a, view, tile[n][i], h, query, key + i % 2, keep[n][i % 2]);
      tileMax[i / 2] = fmaxf(tileMax[i / 2], tile[n][i]);
    }
  }
  float shift[2];
  float tileSum[2] = {0.0f, 0.0f};
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const float next = fmaxf(rowMax(tileMax[i]), rows.largest[i]);
    // Nothing but -infinity so far: no shift, so that exponentials are 0 and not NaN.
    shift[i] = next == -INFINITY ? 0.0f : next;
    fade[i] = expf(rows.largest[i] - shift[i]);
    rows.largest[i] = next;
  }
#pragma unroll
  for (int n = 0; n < ACROSS / 8; ++n) {
    const uint32_t kept = keptByQuery(a, b, h, firstQuery + at.row, firstKey + 8 * n + at.column);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float e = expf(tile[n][i] - shift[i / 2]);
      tileSum[i / 2] += e;
      tile[n][i] = e * keep[n][i % 2] * multiplierOf(a, kept, i);
    }
  }
#pragma unroll
  for (int i = 0; i < 2; ++i) rows.total[i] = rows.total[i] * fade[i] + rowSum(tileSum[i]);
}

/**
 * out (B, Lq, H Dv), f32 or bf16; statistics (B H Lq, 2) or nullptr: maximum and inverse sum of every row of scores, for
 * the backward pass. T: what q, k and v are. Grid: query tiles, B H.
 */
template <int J, class T, class Call, class Out>
__device__ void forward(const Call& a, Out* out, float* statistics, const Kept& kept) {
  __shared__ Plain<J> keys;
  __shared__ Turned<J> values;
  const Place at = placeOf();
  const int64_t b = blockIdx.y / a.heads;
  const int64_t h = blockIdx.y % a.heads;
  const int64_t firstQuery = kTile * (int64_t)blockIdx.x;
  const auto queries = rowsOf(operand<T>(a.q), b, h, a.Lq, a.rowHeads, a.D, firstQuery);
  uint32_t left[J][4];
  loadRows<J>(queries, a.D, 1.0f, left);
  if (kept.q) keepRows<J>(rowsOf(kept.q, b, h, a.Lq, a.heads, a.D, firstQuery), a.D, left);
  // Every block goes over all keys: the first one keeps them.
  const bool keeps = kept.q && blockIdx.x == 0;
  float sum[2 * J][4] = {};
  Softmax rows = {{-INFINITY, -INFINITY}, {0.0f, 0.0f}};

  for (int64_t firstKey = 0; firstKey < a.Lk; firstKey += ACROSS) {
    const auto view = viewOf(a, b, firstQuery, kTile, firstKey, ACROSS);
    if (view.isEmpty()) continue;
    __syncthreads();
    HalfRows keptKeys = {};
    HalfRows keptValues = {};
    if (keeps) {
      keptKeys = rowsOf(kept.k, b, h, a.Lk, a.heads, a.D, firstKey);
      keptValues = rowsOf(kept.v, b, h, a.Lk, a.heads, a.Dv, firstKey);
    }
    stage<J>(keyRowsOf(a, operand<T>(a.k), b, h, a.D, firstKey), a.D, 1.0f, &keys, nullptr, keptKeys);
    stage<J>(keyRowsOf(a, operand<T>(a.v), b, h, a.Dv, firstKey), a.Dv, 1.0f, nullptr, &values, keptValues);
    __syncthreads();
    if (!warpHasRows(queries.count)) continue;
    float tile[ACROSS / 8][4];
    float fade[2];
    scores<J>(left, keys, tile);
    softmaxTile(a, view, b, h, firstQuery, firstKey, tile, rows, fade);
#pragma unroll
    for (int n = 0; n < 2 * J; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) sum[n][i] *= fade[i / 2];
    }
    expand<J>(tile, values, sum);
  }

  float inverse[2];
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    inverse[i] = inverseOf(a, rows.total[i]);
    const int64_t query = firstQuery + at.row + 8 * i;
    if (statistics && at.column == 0 && query < a.Lq) {
      float* to = statistics + 2 * ((int64_t)blockIdx.y * a.Lq + query);
      to[0] = rows.largest[i];
      to[1] = inverse[i];
    }
  }
  Out* to = out + ((b * a.Lq + firstQuery) * a.heads + h) * a.Dv;
  storeRows<J>(sum, inverse, to, a.heads * a.Dv, queries.count, a.Dv);
}

/** A kernel of one width and storage of the operands (T) and of the result. */
#define ATTENTION_FORWARD(name, Call, J, T, Out)                                                                       \
  extern "C" __global__ void __launch_bounds__(128) name(Call a, Out* out, float* statistics, Kept kept) {             \
    forward<J, T>(a, out, statistics, kept);                                                                           \
  }
