/**
 * The thin products of a low-rank update, r columns wide: matrix-product libraries run such shapes at a fraction of the
 * memory's speed, and dropout(x) would have to be written out first. Here it exists in registers alone.
 */
#include "cuda/ops/linear_args.h"
#include "cuda/ops/philox.cuh"
#include "cuda/runtime/vector4.cuh"

/** Applies dropout to columns at to at + 3 of a row. */
__device__ inline void scaleByDropout(const Dropout& dropout, int64_t row, int64_t at, float (&value)[4]) {
  float multiplier[4];
  dropoutMultipliers(dropout, (uint32_t)row, (uint32_t)(at / 4), multiplier);
#pragma unroll
  for (int i = 0; i < 4; ++i) value[i] *= multiplier[i];
}

/** x of one row and four columns, after dropout. */
template <class T>
__device__ inline void loadDropped(const T* x, int64_t row, int64_t columns, int64_t at, const Dropout& dropout,
                                   float (&value)[4]) {
  loadFour(x + row * columns + at, columns - at, columns % 4 == 0, value);
  if (dropout.scale != 0.0f) scaleByDropout(dropout, row, at, value);
}

/** w's elements (j, at) to (j, at + 3), zeros beyond `left`; (j, c) lies at c strideC + j strideJ. */
__device__ inline void loadWeights(const float* w, int64_t at, int64_t left, int64_t j, int64_t strideC, int64_t strideJ,
                                   float (&value)[4]) {
  if (strideC == 1) return loadFour(w + j * strideJ + at, left, strideJ % 4 == 0, value);
#pragma unroll
  for (int i = 0; i < 4; ++i) value[i] = i < left ? w[(at + i) * strideC + j * strideJ] : 0.0f;
}

/**
 * low (rows, r) = alpha dropout(x) w, where x is (rows, inner) and w's element (c, j) lies at c strideC + j strideJ.
 * A warp takes kWarpRows rows and kRank columns of low; blockIdx.y counts groups of kRank.
 */
template <class T>
__device__ inline void down(const T* x, const float* w, float* low, int64_t rows, int64_t inner, int64_t r, int64_t strideC,
                            int64_t strideJ, float alpha, const Dropout& dropout) {
  const int lane = threadIdx.x & 31;
  const int64_t row = kWarpRows * (globalThread() >> 5);
  const int64_t first = kRank * (int64_t)blockIdx.y;
  if (row >= rows) return;  // a whole warp
  float sum[kWarpRows][kRank] = {};
  for (int64_t at = 4 * lane; at < inner; at += 128) {
    float value[kWarpRows][4];
#pragma unroll
    for (int k = 0; k < kWarpRows; ++k) {
      if (row + k < rows) loadDropped(x, row + k, inner, at, dropout, value[k]);
      else value[k][0] = value[k][1] = value[k][2] = value[k][3] = 0.0f;
    }
#pragma unroll
    for (int j = 0; j < kRank; ++j) {
      if (first + j >= r) break;
      float factor[4];
      loadWeights(w, at, inner - at, first + j, strideC, strideJ, factor);
#pragma unroll
      for (int k = 0; k < kWarpRows; ++k) {
#pragma unroll
        for (int i = 0; i < 4; ++i) sum[k][j] = fmaf(value[k][i], factor[i], sum[k][j]);
      }
    }
  }
#pragma unroll
  for (int k = 0; k < kWarpRows; ++k) {
#pragma unroll
    for (int j = 0; j < kRank; ++j) {
      const float total = warpSum(sum[k][j]);
      if (lane == 0 && row + k < rows && first + j < r) low[(row + k) * r + first + j] = alpha * total;
    }
  }
}

/**
 * y (rows, width) = addend + bias + alpha multiplier low w: what the large product is then added to. w's element (j, c) lies
 * at c strideC + j strideJ; addend, which may be y, and bias may be nullptr; the multiplier is dropout's on y's elements (1
 * without dropout).
 * A thread keeps four columns of w, kRank rows at a time, and goes through `chunk` rows of y, those of blockIdx.y.
 */
extern "C" __global__ void thinUp(const float* low, const float* w, const float* addend, const float* bias, float* y,
                                  int64_t rows, int64_t width, int64_t r, int64_t strideC, int64_t strideJ, float alpha,
                                  int64_t chunk, Dropout dropout) {
  const int64_t at = 4 * globalThread();
  if (at >= width) return;
  const int64_t left = width - at;
  const bool aligned = width % 4 == 0;
  const int64_t begin = (int64_t)blockIdx.y * chunk;
  const int64_t end = begin + chunk < rows ? begin + chunk : rows;
  float offset[4] = {0.0f, 0.0f, 0.0f, 0.0f};
  if (bias) loadFour(bias + at, left, aligned, offset);
  for (int64_t first = 0; first < r; first += kRank) {
    float factor[kRank][4];
#pragma unroll
    for (int j = 0; j < kRank; ++j) {
      if (first + j < r) loadWeights(w, at, left, first + j, strideC, strideJ, factor[j]);
      else factor[j][0] = factor[j][1] = factor[j][2] = factor[j][3] = 0.0f;
    }
    for (int64_t row = begin; row < end; ++row) {
      float value[4] = {0.0f, 0.0f, 0.0f, 0.0f};
#pragma unroll
      for (int j = 0; j < kRank; ++j) {
        const float amount = first + j < r ? alpha * low[row * r + first + j] : 0.0f;
#pragma unroll
        for (int i = 0; i < 4; ++i) value[i] = fmaf(amount, factor[j][i], value[i]);
      }
      if (dropout.scale != 0.0f) scaleByDropout(dropout, row, at, value);
      float before[4] = {0.0f, 0.0f, 0.0f, 0.0f};
      const float* sum = first > 0 ? y : addend;
      if (sum) loadFour(sum + row * width + at, left, aligned, before);
#pragma unroll
      for (int i = 0; i < 4; ++i) value[i] += first > 0 ? before[i] : before[i] + offset[i];
      storeFour(y + row * width + at, left, aligned, value);
    }
  }
}

/**
 * First stage of low^T dropout(x), r by width: block (x, y, z) sums over rows [y chunk, (y + 1) chunk) for its columns,
 * four a thread, and kRank rows of the result from kRank z. partial (chunks, r, width).
 */
template <class T>
__device__ inline void outer(const float* low, const T* x, float* partial, int64_t rows, int64_t width, int64_t r,
                             int64_t chunk, const Dropout& dropout) {
  const int64_t at = 4 * globalThread();
  const int64_t first = kRank * (int64_t)blockIdx.z;
  if (at >= width) return;
  const int64_t begin = (int64_t)blockIdx.y * chunk;
  const int64_t end = begin + chunk < rows ? begin + chunk : rows;
  float sum[kRank][4] = {};
  for (int64_t row = begin; row < end; ++row) {
    float value[4];
    loadDropped(x, row, width, at, dropout, value);
#pragma unroll
    for (int j = 0; j < kRank; ++j) {
      if (first + j >= r) break;
      const float factor = low[row * r + first + j];
#pragma unroll
      for (int i = 0; i < 4; ++i) sum[j][i] = fmaf(factor, value[i], sum[j][i]);
    }
  }
#pragma unroll
  for (int j = 0; j < kRank; ++j) {
    if (first + j >= r) break;
    float* to = partial + (((int64_t)blockIdx.y * r + first + j) * width + at);
    storeFour(to, width - at, width % 4 == 0, sum[j]);
  }
}

#define THIN_PRODUCTS(suffix, T)                                                                                   \
  extern "C" __global__ void thinDown##suffix(const T* x, const float* w, float* low, int64_t rows, int64_t inner, \
                                              int64_t r, int64_t strideC, int64_t strideJ, float alpha,            \
                                              Dropout dropout) {                                                   \
    down(x, w, low, rows, inner, r, strideC, strideJ, alpha, dropout);                                             \
  }                                                                                                                \
  extern "C" __global__ void thinOuter##suffix(const float* low, const T* x, float* partial, int64_t rows,         \
                                               int64_t width, int64_t r, int64_t chunk, Dropout dropout) {         \
    outer(low, x, partial, rows, width, r, chunk, dropout);                                                        \
  }
THIN_PRODUCTS(, float)
THIN_PRODUCTS(Bf16, unsigned short)

/** Second stage, of a (blockIdx.y 0) and b: out = alpha times the sum over the chunks of partial[chunk][j][c], in order. */
extern "C" __global__ void thinSum(Partial a, Partial b, int64_t r) {
  const Partial p = blockIdx.y == 0 ? a : b;
  for (int64_t at = globalThread(); at < r * p.width; at += globalThreads()) {
    const int64_t j = at / p.width;
    float sum = 0.0f;
    for (int64_t chunk = 0; chunk < p.chunks; ++chunk) sum += p.partial[chunk * r * p.width + at];
    p.out[(at - j * p.width) * p.strideC + j * p.strideJ] = p.alpha * sum;
  }
}
