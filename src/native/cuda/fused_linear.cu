/**
 * The thin products of a low-rank update, r columns wide: matrix-product libraries run such shapes at a fraction of the
 * memory's speed, and dropout(x) would have to be written out first. Here it exists in registers alone.
 */
#include "philox.cuh"
#include "vector4.cuh"

#define RANK 8  // columns of the update that a thread holds in registers; larger r takes more blocks
#define ROWS 4  // rows of a warp in thinDown

/** x of one row and four columns, after dropout. */
__device__ inline void loadDropped(const float* x, int64_t row, int64_t columns, int64_t at, const Dropout& dropout,
                                   float (&value)[4]) {
  loadFour(x + row * columns + at, columns - at, columns % 4 == 0, value);
  if (dropout.scale == 0.0f) return;
  float multiplier[4];
  dropoutMultipliers(dropout, (uint32_t)row, (uint32_t)(at / 4), multiplier);
#pragma unroll
  for (int i = 0; i < 4; ++i) value[i] *= multiplier[i];
}

/**
 * low (rows, r) = alpha dropout(x) w, where x is (rows, inner) and w's element (c, j) lies at c strideC + j strideJ.
 * A warp takes ROWS rows and RANK columns of low; blockIdx.y counts groups of RANK.
 */
extern "C" __global__ void thinDown(const float* x, const float* w, float* low, int64_t rows, int64_t inner, int64_t r,
                                    int64_t strideC, int64_t strideJ, float alpha, Dropout dropout) {
  const int lane = threadIdx.x & 31;
  const int64_t row = ROWS * (globalThread() >> 5);
  const int64_t first = RANK * (int64_t)blockIdx.y;
  if (row >= rows) return;  // a whole warp
  float sum[ROWS][RANK] = {};
  for (int64_t at = 4 * lane; at < inner; at += 128) {
    float value[ROWS][4];
#pragma unroll
    for (int k = 0; k < ROWS; ++k) {
      if (row + k < rows) loadDropped(x, row + k, inner, at, dropout, value[k]);
      else value[k][0] = value[k][1] = value[k][2] = value[k][3] = 0.0f;
    }
#pragma unroll
    for (int j = 0; j < RANK; ++j) {
      if (first + j >= r) break;
      for (int i = 0; i < 4 && at + i < inner; ++i) {
        const float factor = w[(at + i) * strideC + (first + j) * strideJ];
#pragma unroll
        for (int k = 0; k < ROWS; ++k) sum[k][j] = fmaf(value[k][i], factor, sum[k][j]);
      }
    }
  }
#pragma unroll
  for (int k = 0; k < ROWS; ++k) {
#pragma unroll
    for (int j = 0; j < RANK; ++j) {
      const float total = warpSum(sum[k][j]);
      if (lane == 0 && row + k < rows && first + j < r) low[(row + k) * r + first + j] = alpha * total;
    }
  }
}

/**
 * y (rows, width) = bias + alpha multiplier low w: what the large product is then added to. w's element (j, c) lies at
 * c strideC + j strideJ; bias may be nullptr; the multiplier is dropout's on y's elements (1 without dropout).
 */
extern "C" __global__ void thinUp(const float* low, const float* w, const float* bias, float* y, int64_t rows,
                                  int64_t width, int64_t r, int64_t strideC, int64_t strideJ, float alpha,
                                  Dropout dropout) {
  const int64_t perRow = (width + 3) / 4;
  const bool aligned = width % 4 == 0;
  for (int64_t unit = globalThread(); unit < rows * perRow; unit += globalThreads()) {
    const int64_t row = unit / perRow;
    const int64_t at = 4 * (unit - row * perRow);
    const int64_t left = width - at;
    float value[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (int64_t j = 0; j < r; ++j) {
      const float factor = alpha * low[row * r + j];
      for (int i = 0; i < 4 && i < left; ++i) {
        value[i] = fmaf(factor, w[(at + i) * strideC + j * strideJ], value[i]);
      }
    }
    if (dropout.scale != 0.0f) {
      float multiplier[4];
      dropoutMultipliers(dropout, (uint32_t)row, (uint32_t)(at / 4), multiplier);
      for (int i = 0; i < 4; ++i) value[i] *= multiplier[i];
    }
    if (bias) {
      float offset[4];
      loadFour(bias + at, left, aligned, offset);
      for (int i = 0; i < 4; ++i) value[i] += offset[i];
    }
    storeFour(y + row * width + at, left, aligned, value);
  }
}

/**
 * First stage of low^T dropout(x), r by width: block (x, y, z) sums over rows [y chunk, (y + 1) chunk) for its columns,
 * four a thread, and RANK rows of the result from RANK z. partial (chunks, r, width).
 */
extern "C" __global__ void thinOuter(const float* low, const float* x, float* partial, int64_t rows, int64_t width,
                                     int64_t r, int64_t chunk, Dropout dropout) {
  const int64_t at = 4 * globalThread();
  const int64_t first = RANK * (int64_t)blockIdx.z;
  if (at >= width) return;
  const int64_t begin = (int64_t)blockIdx.y * chunk;
  const int64_t end = begin + chunk < rows ? begin + chunk : rows;
  float sum[RANK][4] = {};
  for (int64_t row = begin; row < end; ++row) {
    float value[4];
    loadDropped(x, row, width, at, dropout, value);
#pragma unroll
    for (int j = 0; j < RANK; ++j) {
      if (first + j >= r) break;
      const float factor = low[row * r + first + j];
#pragma unroll
      for (int i = 0; i < 4; ++i) sum[j][i] = fmaf(factor, value[i], sum[j][i]);
    }
  }
#pragma unroll
  for (int j = 0; j < RANK; ++j) {
    if (first + j >= r) break;
    float* to = partial + (((int64_t)blockIdx.y * r + first + j) * width + at);
    storeFour(to, width - at, width % 4 == 0, sum[j]);
  }
}

/** Second stage: out at c strideC + j strideJ = alpha times the sum over the chunks of partial[chunk][j][c], in order. */
extern "C" __global__ void thinSum(const float* partial, float* out, int64_t chunks, int64_t r, int64_t width,
                                   int64_t strideC, int64_t strideJ, float alpha) {
  for (int64_t at = globalThread(); at < r * width; at += globalThreads()) {
    const int64_t j = at / width;
    float sum = 0.0f;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) sum += partial[chunk * r * width + at];
    out[(at - j * width) * strideC + j * strideJ] = alpha * sum;
  }
}

/** y = x as bf16; four elements a thread. */
extern "C" __global__ void toBf16(const float* x, unsigned short* y, int64_t n) {
  for (int64_t at = 4 * globalThread(); at < n; at += 4 * globalThreads()) {
    float value[4];
    loadFour(x + at, n - at, true, value);
    if (n - at >= 4) {
      const uint2 packed = make_uint2(floatToBf16(value[0]) | (unsigned int)floatToBf16(value[1]) << 16,
                                      floatToBf16(value[2]) | (unsigned int)floatToBf16(value[3]) << 16);
      *reinterpret_cast<uint2*>(y + at) = packed;
    } else {
      for (int i = 0; at + i < n; ++i) y[at + i] = floatToBf16(value[i]);
    }
  }
}
