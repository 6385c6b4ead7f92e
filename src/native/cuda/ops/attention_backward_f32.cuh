/**
 * Attention's backward pass. Probabilities are computed again, tile by tile, from the rows' maxima and inverse sums
 * (`statistics`, of the forward kernel). With m the dropout multipliers and g = dy v^T, the gradient of the scores is
 * ds = p (m g - delta), where delta, the sum of p m g over a row, is the product of the row of dy with that of the output.
 *
 * One kernel goes over the keys for dq, another over the queries for dk and dv, a third over the batch for the bias: each
 * sums in a fixed order and none needs atomics. See attention_f32.cuh.
 */
#include "cuda/ops/attention_f32.cuh"

/** delta of every row, and the greatest |dy|, of bits 0 before; out is the forward pass's. A warp takes a row. */
extern "C" __global__ void attentionDelta(const float* dy, const float* out, float* delta, uint32_t* largest,
                                          int64_t batch, int64_t heads, int64_t Lq, int64_t Dv) {
  const int64_t row = globalThread() >> 5;  // (b Lq + i) H + h, the order of memory
  if (row >= batch * Lq * heads) return;
  float sum = 0.0f;
  uint32_t bits = 0;
  for (int64_t c = threadIdx.x & 31; c < Dv; c += 32) {
    const float gradient = dy[row * Dv + c];
    sum = fmaf(gradient, out[row * Dv + c], sum);
    bits = max(bits, __float_as_uint(gradient) & 0x7fffffffu);  // of positive floats, in the order of their values
  }
  sum = warpSum(sum);
  bits = warpMax(bits);
  // It only grows, so a value read late costs a needless atomic operation at most: most rows need none.
  if ((threadIdx.x & 31) == 0 && bits > *largest) atomicMax(largest, bits);
  const int64_t h = row % heads;
  const int64_t i = row / heads % Lq;
  const int64_t b = row / (heads * Lq);
  if ((threadIdx.x & 31) == 0) delta[(b * heads + h) * Lq + i] = sum;
}

/** ds of one tile: rows are queries from firstQuery on, columns keys from firstKey on. */
__device__ inline void scoreGradientTile(const Attention& a, const RowTerms& terms, int64_t b, int64_t h,
                                         int64_t firstQuery, int64_t firstKey, Memory& memory, float (&ds)[4][4]) {
  float g[4][4];
  scoreTile(rowsOf(a.q, b, h, a.Lq, a.heads, a.D, firstQuery), rowsOf(a.k, b, h, a.Lk, a.heads, a.D, firstKey), a.D,
            memory, ds);
  scoreTile(rowsOf(terms.dy, b, h, a.Lq, a.heads, a.Dv, firstQuery), rowsOf(a.v, b, h, a.Lk, a.heads, a.Dv, firstKey),
            a.Dv, memory, g);
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
      const float p = probabilityOf(row, scoreOf(a, ds[i][j], h, query, key + j, keep[j]), keep[j]);
      ds[i][j] = p * (multiplier[j] * g[i][j] - row.delta);
    }
  }
}

/** dq (B, Lq, H D) = scale ds k. Grid: query tiles, B H, groups of 32 J columns. */
template <int J>
__device__ void gradQuery(const Attention& a, const RowTerms& terms, float* dq) {
  __shared__ Memory memory;
  const int64_t b = blockIdx.y / a.heads;
  const int64_t h = blockIdx.y % a.heads;
  const int64_t firstQuery = kTile * (int64_t)blockIdx.x;
  const int64_t firstColumn = 32 * J * (int64_t)blockIdx.z;
  const int64_t count = a.Lq - firstQuery;
  float sum[4][2 * J] = {};
  for (int64_t firstKey = 0; firstKey < a.Lk; firstKey += kTile) {
    float ds[4][4];
    scoreGradientTile(a, terms, b, h, firstQuery, firstKey, memory, ds);
    storeTile(ds, memory);
    expandTile<J>(count, rowsOf(a.k, b, h, a.Lk, a.heads, a.D, firstKey), firstColumn, a.D, memory, sum);
  }
  const float scale[4] = {a.scale, a.scale, a.scale, a.scale};
  storeRows<J>(sum, scale, dq + ((b * a.Lq + firstQuery) * a.heads + h) * a.D, a.heads * a.D, count, firstColumn, a.D);
}

/**
 * dk (B, Lk, H D) = scale ds^T q and dv (B, Lk, H Dv) = (m p)^T dy. The tiles are those of scoreGradientTile transposed: a
 * thread's rows are keys. Grid: key tiles, B H, groups of 32 J columns.
 */
template <int J>
__device__ void gradKey(const Attention& a, const RowTerms& terms, float* dk, float* dv) {
  __shared__ Memory memory;
  const int64_t b = blockIdx.y / a.heads;
  const int64_t h = blockIdx.y % a.heads;
  const int64_t firstKey = kTile * (int64_t)blockIdx.x;
  const int64_t firstColumn = 32 * J * (int64_t)blockIdx.z;
  const int64_t key = firstKey + 4 * (threadIdx.x >> 4);
  const Rows keys = rowsOf(a.k, b, h, a.Lk, a.heads, a.D, firstKey);
  const Rows values = rowsOf(a.v, b, h, a.Lk, a.heads, a.Dv, firstKey);
  float keep[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) keep[i] = keepOf(a, b, key + i);
  float keySum[4][2 * J] = {};
  float valueSum[4][2 * J] = {};
  for (int64_t firstQuery = 0; firstQuery < a.Lq; firstQuery += kTile) {
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
        const float probability = probabilityOf(row, scoreOf(a, p[i][j], h, query, key + i, keep[i]), keep[i]);
        ds[i][j] = probability * (multiplier[i] * ds[i][j] - row.delta);
        p[i][j] = probability * multiplier[i];
      }
    }
    storeTile(p, memory);
    expandTile<J>(keys.count, gradients, firstColumn, a.Dv, memory, valueSum);
    storeTile(ds, memory);
    expandTile<J>(keys.count, queries, firstColumn, a.D, memory, keySum);
  }
  const float scale[4] = {a.scale, a.scale, a.scale, a.scale};
  const float one[4] = {1.0f, 1.0f, 1.0f, 1.0f};
  const int64_t row = (b * a.Lk + firstKey) * a.heads + h;
  storeRows<J>(keySum, scale, dk + row * a.D, a.heads * a.D, keys.count, firstColumn, a.D);
  storeRows<J>(valueSum, one, dv + row * a.Dv, a.heads * a.Dv, keys.count, firstColumn, a.Dv);
}

/**
 * dbias (biasHeads, Lq, Lk) = ds summed over the batch, and over the heads when they share the bias. Grid: key tiles,
 * query tiles, biasHeads.
 */
extern "C" __global__ void __launch_bounds__(256) attentionGradBias(Attention a, RowTerms terms, float* dbias) {
  __shared__ Memory memory;
  const int64_t firstKey = kTile * (int64_t)blockIdx.x;
  const int64_t firstQuery = kTile * (int64_t)blockIdx.y;
  const int64_t firstHead = a.biasHeads == 1 ? 0 : blockIdx.z;
  const int64_t endHead = a.biasHeads == 1 ? a.heads : firstHead + 1;
  float sum[4][4] = {};
  for (int64_t h = firstHead; h < endHead; ++h) {
    for (int64_t b = 0; b < a.batch; ++b) {
      float ds[4][4];
      scoreGradientTile(a, terms, b, h, firstQuery, firstKey, memory, ds);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) sum[i][j] += ds[i][j];
      }
    }
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int64_t query = firstQuery + 4 * (threadIdx.x >> 4) + i;
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int64_t key = firstKey + 4 * (threadIdx.x & 15) + j;
      if (query < a.Lq && key < a.Lk) dbias[((int64_t)blockIdx.z * a.Lq + query) * a.Lk + key] = sum[i][j];
    }
  }
}

extern "C" __global__ void __launch_bounds__(256) attentionGradQuery2(Attention a, RowTerms terms, float* dq) {
  gradQuery<2>(a, terms, dq);
}
extern "C" __global__ void __launch_bounds__(256) attentionGradQuery3(Attention a, RowTerms terms, float* dq) {
  gradQuery<3>(a, terms, dq);
}
extern "C" __global__ void __launch_bounds__(256) attentionGradQuery4(Attention a, RowTerms terms, float* dq) {
  gradQuery<4>(a, terms, dq);
}
extern "C" __global__ void __launch_bounds__(256) attentionGradKey2(Attention a, RowTerms terms, float* dk, float* dv) {
  gradKey<2>(a, terms, dk, dv);
}
extern "C" __global__ void __launch_bounds__(256) attentionGradKey3(Attention a, RowTerms terms, float* dk, float* dv) {
  gradKey<3>(a, terms, dk, dv);
}
extern "C" __global__ void __launch_bounds__(256) attentionGradKey4(Attention a, RowTerms terms, float* dk, float* dv) {
  gradKey<4>(a, terms, dk, dv);
}
