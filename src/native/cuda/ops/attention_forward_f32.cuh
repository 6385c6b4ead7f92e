/**
 * Attention's forward pass: a block takes 64 queries of one head and goes over the keys in tiles of 64 with an online
 * softmax (Milakov and Gimelshein 2018; Dao et al. 2022), so no row of scores is ever whole. See attention_f32.cuh.
 */
#pragma once
#include "cuda/ops/attention_f32.cuh"

/** The greatest or the sum over the 16 threads that share rows; the greatest leaves NaN to the sum. */
__device__ inline float rowMax(float value) {
  for (int step = 8; step > 0; step >>= 1) value = fmaxf(value, __shfl_xor_sync(FULL_WARP, value, step));
  return value;
}
__device__ inline float rowSum(float value) {
  for (int step = 8; step > 0; step >>= 1) value += __shfl_xor_sync(FULL_WARP, value, step);
  return value;
}

/**
 * out (B, Lq, H Dv), 32 J columns from 32 J blockIdx.z on; statistics (B H Lq, 2) or nullptr: maximum and inverse sum of
 * every row of scores, for the backward pass. Grid: query tiles, B H, column groups.
 */
template <int J, class Call>
__device__ void forward(const Call& a, float* out, float* statistics) {
  __shared__ Memory memory;
  const int ty = threadIdx.x >> 4;
  const int tx = threadIdx.x & 15;
  const int64_t b = blockIdx.y / a.heads;
  const int64_t h = blockIdx.y % a.heads;
  const int64_t firstQuery = kTile * (int64_t)blockIdx.x;
  const int64_t firstColumn = 32 * J * (int64_t)blockIdx.z;
  const Rows queries = rowsOf(a.q, b, h, a.Lq, a.rowHeads, a.D, firstQuery);
  float sum[4][2 * J] = {};
  float largest[4];
  float total[4] = {};
  for (int i = 0; i < 4; ++i) largest[i] = -INFINITY;

  for (int64_t firstKey = 0; firstKey < a.Lk; firstKey += kTile) {
    const auto view = viewOf(a, b, firstQuery, kTile, firstKey, kTile);
    if (view.isEmpty()) continue;
    float p[4][4];
    scoreTile(queries, keyRowsOf(a, a.k, b, h, a.D, firstKey), a.D, memory, p);
    const int64_t key = firstKey + 4 * tx;
    float keep[4];
#pragma unroll
    for (int j = 0; j < 4; ++j) keep[j] = keepOf(a, b, key + j);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int64_t query = firstQuery + 4 * ty + i;
      float tileMax = -INFINITY;
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        p[i][j] = scoreOf(a, view, p[i][j], h, query, key + j, keep[j]);
        tileMax = fmaxf(tileMax, p[i][j]);
      }
      const float next = fmaxf(rowMax(tileMax), largest[i]);
      // Nothing but -infinity so far: no shift, so that exponentials are 0 and not NaN.
      const float shift = next == -INFINITY ? 0.0f : next;
      const float fade = expf(largest[i] - shift);
      float tileSum = 0.0f;
      float multiplier[4];
      keyMultipliers(a, b, h, query, key, multiplier);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const float e = expf(p[i][j] - shift);
        tileSum += e;
        p[i][j] = e * keep[j] * multiplier[j];
      }
      largest[i] = next;
      total[i] = total[i] * fade + rowSum(tileSum);
#pragma unroll
      for (int j = 0; j < 2 * J; ++j) sum[i][j] *= fade;
    }
    storeTile(p, memory);
    expandTile<J>(queries.count, keyRowsOf(a, a.v, b, h, a.Dv, firstKey), firstColumn, a.Dv, memory, sum);
  }

  float inverse[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    inverse[i] = inverseOf(a, total[i]);
    const int64_t query = firstQuery + 4 * ty + i;
    if (statistics && blockIdx.z == 0 && tx == 0 && query < a.Lq) {
      float* to = statistics + 2 * ((int64_t)blockIdx.y * a.Lq + query);
      to[0] = largest[i];
      to[1] = inverse[i];
    }
  }
  float* to = out + ((b * a.Lq + firstQuery) * a.heads + h) * a.Dv;
  storeRows<J>(sum, inverse, to, a.heads * a.Dv, a.Lq - firstQuery, firstColumn, a.Dv);
}

/** The kernels of one width: prefix and 32 J columns a block. */
#define ATTENTION_FORWARD(prefix, Call, J)                                                                              \
  extern "C" __global__ void __launch_bounds__(256) prefix##Forward##J(Call a, float* out, float* statistics) {         \
    forward<J>(a, out, statistics);                                                                                     \
  }
