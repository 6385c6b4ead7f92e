/**
 * Attention's backward pass on the tensor cores, as attention_backward_f32.cuh does it in f32: probabilities are computed
 * again, tile by tile, from the rows' maxima and inverse sums; one kernel goes over the keys for dq, another over the
 * queries for dk and dv, so that each sums in a fixed order without atomics. Scores, probabilities and their gradients are
 * f32; they are rounded to f16 as operands of the next product, gradients times gradientScale. See attention_f16.cuh.
 */
#pragma once
#include "cuda/ops/attention_f16.cuh"

/** dq (B, Lq, H D) = scale ds k. T: what q, k and v are. Grid: query tiles, B H. */
template <int J, class T, class Call>
__device__ void gradQuery(const Call& a, const RowTerms& terms, float* dq) {
  __shared__ Plain<J> keys;
  __shared__ Turned<J> turnedKeys;
  __shared__ Plain<J> values;
  const Place at = placeOf();
  const int64_t b = blockIdx.y / a.heads;
  const int64_t h = blockIdx.y % a.heads;
  const int64_t firstQuery = kTile * (int64_t)blockIdx.x;
  const auto queries = rowsOf(operand<T>(a.q), b, h, a.Lq, a.heads, a.D, firstQuery);
  uint32_t left[J][4];
  uint32_t gradient[J][4];
  const float raise = gradientScale(terms);
  loadRows<J>(queries, a.D, 1.0f, left);
  loadRows<J>(rowsOf(terms.dy, b, h, a.Lq, a.heads, a.Dv, firstQuery), a.Dv, raise, gradient);
  RowTerm row[2];
#pragma unroll
  for (int i = 0; i < 2; ++i) row[i] = termOf(a, terms, b, h, firstQuery + at.row + 8 * i);
  float sum[2 * J][4] = {};

  for (int64_t firstKey = 0; firstKey < a.Lk; firstKey += ACROSS) {
    const auto view = viewOf(a, b, firstQuery, kTile, firstKey, ACROSS);
    if (view.isEmpty()) continue;
    __syncthreads();
    stage<J>(keyRowsOf(a, operand<T>(a.k), b, h, a.D, firstKey), a.D, 1.0f, &keys, &turnedKeys);
    stage<J>(keyRowsOf(a, operand<T>(a.v), b, h, a.Dv, firstKey), a.Dv, 1.0f, &values, nullptr);
    __syncthreads();
    if (!warpHasRows(queries.count)) continue;
    float ds[ACROSS / 8][4];
    float g[ACROSS / 8][4];
    scores<J>(left, keys, ds);
    scores<J>(gradient, values, g);
#pragma unroll
    for (int n = 0; n < ACROSS / 8; ++n) {
      const int64_t key = firstKey + 8 * n + at.column;
      const uint32_t kept = keptByQuery(a, b, h, firstQuery + at.row, key);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float keep = keepOf(a, b, key + i % 2);
        const int64_t query = firstQuery + at.row + i / 2 * 8;
        const float p = probabilityOf(row[i / 2], scoreOf(a, view, ds[n][i], h, query, key + i % 2, keep), keep);
        ds[n][i] = p * (multiplierOf(a, kept, i) * g[n][i] - raise * row[i / 2].delta);
      }
    }
    expand<J>(ds, turnedKeys, sum);
  }
  const float scale[2] = {a.scale / raise, a.scale / raise};
  float* to = dq + ((b * a.Lq + firstQuery) * a.heads + h) * a.D;
  storeRows<J>(sum, scale, to, a.heads * a.D, queries.count, a.D);
}

/**
 * dk (B, Lk, keyHeads D) = scale ds^T q and dv (B, Lk, keyHeads Dv) = (m p)^T dy, summed over the heads of q that read a
 * head of k. The tiles are those of gradQuery transposed: rows are keys. Grid: key tiles, B keyHeads.
 */
template <int J, class T, class Call>
__device__ void gradKey(const Call& a, const RowTerms& terms, float* dk, float* dv) {
  __shared__ Plain<J> queries;
  __shared__ Turned<J> turnedQueries;
  __shared__ Plain<J> gradients;
  __shared__ Turned<J> turnedGradients;
  const Place at = placeOf();
  const int64_t keyHeads = a.heads / a.group;
  const int64_t b = blockIdx.y / keyHeads;
  const int64_t keyHead = blockIdx.y % keyHeads;
  const int64_t firstKey = kTile * (int64_t)blockIdx.x;
  const auto keys = rowsOf(operand<T>(a.k), b, keyHead, a.Lk, keyHeads, a.D, firstKey);
  uint32_t left[J][4];
  uint32_t value[J][4];
  const float raise = gradientScale(terms);
  loadRows<J>(keys, a.D, 1.0f, left);
  loadRows<J>(rowsOf(operand<T>(a.v), b, keyHead, a.Lk, keyHeads, a.Dv, firstKey), a.Dv, 1.0f, value);
  float keep[2];
#pragma unroll
  for (int i = 0; i < 2; ++i) keep[i] = keepOf(a, b, firstKey + at.row + 8 * i);
  float keySum[2 * J][4] = {};
  float valueSum[2 * J][4] = {};

  for (int64_t h = keyHead * a.group; h < (keyHead + 1) * a.group; ++h) {
    for (int64_t firstQuery = 0; firstQuery < a.Lq; firstQuery += ACROSS) {
      const auto view = viewOf(a, b, firstQuery, ACROSS, firstKey, kTile);
      if (view.isEmpty()) continue;
      __syncthreads();
      stage<J>(rowsOf(operand<T>(a.q), b, h, a.Lq, a.heads, a.D, firstQuery), a.D, 1.0f, &queries, &turnedQueries);
      stage<J>(rowsOf(terms.dy, b, h, a.Lq, a.heads, a.Dv, firstQuery), a.Dv, raise, &gradients, &turnedGradients);
      __syncthreads();
      if (!warpHasRows(keys.count)) continue;
      float p[ACROSS / 8][4];
      float ds[ACROSS / 8][4];
      scores<J>(left, queries, p);
      scores<J>(value, gradients, ds);
#pragma unroll
      for (int n = 0; n < ACROSS / 8; ++n) {
        const int64_t query = firstQuery + 8 * n + at.column;
        const int64_t key = firstKey + at.row;
        const uint32_t kept = keptByKey(a, b, h, query, key);
#pragma unroll
        for (int j = 0; j < 2; ++j) {
          const RowTerm row = termOf(a, terms, b, h, query + j);
#pragma unroll
          for (int i = 0; i < 2; ++i) {
            float& score = p[n][2 * i + j];
            float& g = ds[n][2 * i + j];
            const float probability =
                probabilityOf(row, scoreOf(a, view, score, h, query + j, key + 8 * i, keep[i]), keep[i]);
            const float multiplier = multiplierOf(a, kept, 2 * i + j);
            g = probability * (multiplier * g - raise * row.delta);
            score = probability * multiplier;
          }
        }
      }
      expand<J>(p, turnedGradients, valueSum);
      expand<J>(ds, turnedQueries, keySum);
    }
  }
  const float scale[2] = {a.scale / raise, a.scale / raise};
  const float one[2] = {1.0f / raise, 1.0f / raise};
  const int64_t row = (b * a.Lk + firstKey) * keyHeads + keyHead;
  storeRows<J>(keySum, scale, dk + row * a.D, keyHeads * a.D, keys.count, a.D);
  storeRows<J>(valueSum, one, dv + row * a.Dv, keyHeads * a.Dv, keys.count, a.Dv);
}

/** The kernels of one width and storage of the operands (T): prefix, query or key, and name. */
#define ATTENTION_BACKWARD(prefix, name, Call, J, T)                                                                   \
  extern "C" __global__ void __launch_bounds__(128)                                                                    \
      prefix##GradQuery##name(Call a, RowTerms terms, float* dq) {                                                     \
    gradQuery<J, T>(a, terms, dq);                                                                                     \
  }                                                                                                                    \
  extern "C" __global__ void __launch_bounds__(128)                                                                    \
      prefix##GradKey##name(Call a, RowTerms terms, float* dk, float* dv) {                                            \
    gradKey<J, T>(a, terms, dk, dv);                                                                                   \
  }
