/**
 * Attention's backward pass. Probabilities are computed again, tile by tile, from the rows' maxima and inverse sums
 * (`statistics`, of the forward kernel). With m the dropout multipliers and g = dy v^T, the gradient of the scores is
 * ds = p (m g - delta), where delta, the sum of p m g over a row, is the product of the row of dy with that of the output.
 *
 * One kernel goes over the keys for dq, another over the queries for dk and dv: each sums in a fixed order and none needs
 * atomics. See attention_f32.cuh.
 */
#pragma once
#include "cuda/ops/attention_f32.cuh"

/** ds of one tile: rows are queries from firstQuery on, columns keys from firstKey on. */
template <class View>
__device__ inline void scoreGradientTile(const Attention& a, const View& view, const RowTerms& terms, int64_t b, int64_t h,
                                         int64_t firstQuery, int64_t firstKey, Memory& memory, float (&ds)[4][4]) {
  float g[4][4];
  scoreTile(rowsOf(a.q, b, h, a.Lq, a.heads, a.D, firstQuery), keyRowsOf(a, a.k, b, h, a.D, firstKey), a.D, memory, ds);
  scoreTile(rowsOf(terms.dy, b, h, a.Lq, a.heads, a.Dv, firstQuery), keyRowsOf(a, a.v, b, h, a.Dv, firstKey), a.Dv, memory,
            g);
  const int64_t key = firstKey + 4 * (threadIdx.x & 15);
  float keep[4];
#pragma unroll
  for (int j = 0; j < 4; ++j) keep[j] = keepOf(a, b, key + j);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int64_t query = firstQuery + 4 * (threadIdx.x >> 4) + i;
    const RowTerm row = termOf(a, terms, b, h, query);
    float multiplier[4];
    keyMultipliers(a, b, h, query, key, multiplier);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const float p = probabilityOf(row, scoreOf(a, view, ds[i][j], h, query, key + j, keep[j]), keep[j]);
      ds[i][j] = p * (multiplier[j] * g[i][j] - row.delta);
    }
  }
}

/** dq (B, Lq, H D) = scale ds k. Grid: query tiles, B H, groups of 32 J columns. */
template <int J, class Call>
__device__ void gradQuery(const Call& a, const RowTerms& terms, float* dq) {
  __shared__ Memory memory;
  const int64_t b = blockIdx.y / a.heads;
  const int64_t h = blockIdx.y % a.heads;
  const int64_t firstQuery = kTile * (int64_t)blockIdx.x;
  const int64_t firstColumn = 32 * J * (int64_t)blockIdx.z;
  const int64_t count = a.Lq - firstQuery;
  float sum[4][2 * J] = {};
  for (int64_t firstKey = 0; firstKey < a.Lk; firstKey += kTile) {
    const auto view = viewOf(a, b, firstQuery, kTile, firstKey, kTile);
    if (view.isEmpty()) continue;
    float ds[4][4];
    scoreGradientTile(a, view, terms, b, h, firstQuery, firstKey, memory, ds);
    storeTile(ds, memory);
    expandTile<J>(count, keyRowsOf(a, a.k, b, h, a.D, firstKey), firstColumn, a.D, memory, sum);
  }
  const float scale[4] = {a.scale, a.scale, a.scale, a.scale};
  storeRows<J>(sum, scale, dq + ((b * a.Lq + firstQuery) * a.heads + h) * a.D, a.heads * a.D, count, firstColumn, a.D);
}

/**
 * dk (B, Lk, keyHeads D) = scale ds^T q and dv (B, Lk, keyHeads Dv) = (m p)^T dy, summed over the heads of q that read a
 * head of k. The tiles are those of scoreGradientTile transposed: a thread's rows are keys. Grid: key tiles, B keyHeads,
 * groups of 32 J columns.
 */
template <int J, class Call>
__device__ void gradKey(const Call& a, const RowTerms& terms, float* dk, float* dv) {
  __shared__ Memory memory;
  const int64_t keyHeads = a.heads / a.group;
  const int64_t b = blockIdx.y / keyHeads;
  const int64_t keyHead = blockIdx.y % keyHeads;
  const int64_t firstKey = kTile * (int64_t)blockIdx.x;
  const int64_t firstColumn = 32 * J * (int64_t)blockIdx.z;
  const int64_t key = firstKey + 4 * (threadIdx.x >> 4);
  const Rows keys = rowsOf(a.k, b, keyHead, a.Lk, keyHeads, a.D, firstKey);
  const Rows values = rowsOf(a.v, b, keyHead, a.Lk, keyHeads, a.Dv, firstKey);
  float keep[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) keep[i] = keepOf(a, b, key + i);
  float keySum[4][2 * J] = {};
  float valueSum[4][2 * J] = {};
  for (int64_t h = keyHead * a.group; h < (keyHead + 1) * a.group; ++h) {
    for (int64_t firstQuery = 0; firstQuery < a.Lq; firstQuery += kTile) {
      const auto view = viewOf(a, b, firstQuery, kTile, firstKey, kTile);
      if (view.isEmpty()) continue;
      const Rows queries = rowsOf(a.q, b, h, a.Lq, a.heads, a.D, firstQuery);
      const Rows gradients = rowsOf(terms.dy, b, h, a.Lq, a.heads, a.Dv, firstQuery);
      float p[4][4];
      float ds[4][4];
      scoreTile(keys, queries, a.D, memory, p);
      scoreTile(values, gradients, a.Dv, memory, ds);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const int64_t query = firstQuery + 4 * (threadIdx.x & 15) + j;
        const RowTerm row = termOf(a, terms, b, h, query);
        float multiplier[4];
        keyMultipliers(a, b, h, query, key, multiplier);
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const float probability = probabilityOf(row, scoreOf(a, view, p[i][j], h, query, key + i, keep[i]), keep[i]);
          ds[i][j] = probability * (multiplier[i] * ds[i][j] - row.delta);
          p[i][j] = probability * multiplier[i];
        }
      }
      storeTile(p, memory);
      expandTile<J>(keys.count, gradients, firstColumn, a.Dv, memory, valueSum);
      storeTile(ds, memory);
      expandTile<J>(keys.count, queries, firstColumn, a.D, memory, keySum);
    }
  }
  const float scale[4] = {a.scale, a.scale, a.scale, a.scale};
  const float one[4] = {1.0f, 1.0f, 1.0f, 1.0f};
  const int64_t row = (b * a.Lk + firstKey) * keyHeads + keyHead;
  storeRows<J>(keySum, scale, dk + row * a.D, keyHeads * a.D, keys.count, firstColumn, a.D);
  storeRows<J>(valueSum, one, dv + row * a.Dv, keyHeads * a.Dv, keys.count, firstColumn, a.Dv);
}

/** The kernels of one width: prefix and 32 J columns a block. */
#define ATTENTION_BACKWARD(prefix, Call, J)                                                                             \
  extern "C" __global__ void __launch_bounds__(256) prefix##GradQuery##J(Call a, RowTerms terms, float* dq) {           \
    gradQuery<J>(a, terms, dq);                                                                                         \
  }                                                                                                                     \
  extern "C" __global__ void __launch_bounds__(256) prefix##GradKey##J(Call a, RowTerms terms, float* dk, float* dv) {  \
    gradKey<J>(a, terms, dk, dv);                                                                                       \
  }
