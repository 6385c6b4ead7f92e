/**
 * Tiles of attention in f32. A block of 256 threads works on tiles of 64 by 64 scores; thread (ty, tx) of 16 by 16
 * holds rows 4 ty .. 4 ty + 3 and columns 4 tx .. 4 tx + 3 of a tile in registers, so that one block of Philox gives a
 * thread four neighbouring keys. Operands go through shared memory in pieces of 32 columns (36 KiB in all). Arithmetic is
 * FMA in f32.
 */
#pragma once
#include "cuda/ops/attention.cuh"

#define STEP 32         // columns of an operand in shared memory at a time
#define PITCH 36        // of a staged row: STEP, and 4 that spread rows over the banks
#define SCORE_PITCH 68  // of a row of scores in shared memory

/** Shared memory of a block. */
struct Memory {
  alignas(16) float stage[2 * kTile * PITCH];     // two operands of a score product, or STEP rows of up to 128 columns
  alignas(16) float scores[kTile * SCORE_PITCH];  // a tile on its way to the second product
};

/** STEP columns from `begin` on of 64 rows into shared memory, zeros outside; row r goes to slot(r). */
template <class Slot>
__device__ inline void stageRows(const Rows& rows, int64_t begin, int64_t width, float* to, const Slot& slot) {
  const int column = (threadIdx.x & 7) * 4;
  const bool aligned = rows.stride % 4 == 0 && width % 4 == 0;
#pragma unroll
  for (int part = 0; part < 2; ++part) {
    const int row = (threadIdx.x >> 3) + 32 * part;
    const int64_t left = row < rows.count ? width - begin - column : 0;
    float value[4];
    loadFour(rows.data + row * rows.stride + begin + column, left, aligned, value);
    *reinterpret_cast<float4*>(to + slot(row) * PITCH + column) = make_float4(value[0], value[1], value[2], value[3]);
  }
}

/** Whether any of the 8 rows of this thread's warp exists. */
__device__ inline bool warpIsBusy(int64_t count) { return (int)(threadIdx.x >> 5) * 8 < count; }

/**
 * tile = rows columns^T over `width`. Columns are staged in the order in which a warp's lanes read them without bank
 * conflicts: column c of the tile in slot 16 (c % 4) + c / 4.
 */
__device__ inline void scoreTile(const Rows& rows, const Rows& columns, int64_t width, Memory& memory, float (&tile)[4][4]) {
  const int ty = threadIdx.x >> 4;
  const int tx = threadIdx.x & 15;
  float* left = memory.stage;
  float* right = memory.stage + kTile * PITCH;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) tile[i][j] = 0.0f;
  }
  const bool busy = warpIsBusy(rows.count);
  for (int64_t begin = 0; begin < width; begin += STEP) {
    __syncthreads();
    stageRows(rows, begin, width, left, [](int row) { return row; });
    stageRows(columns, begin, width, right, [](int row) { return (row & 3) * 16 + (row >> 2); });
    __syncthreads();
    if (!busy) continue;
    const int end = width - begin < STEP ? (int)(width - begin) : STEP;
#pragma unroll 2
    for (int c = 0; c < end; c += 4) {
      float4 a[4];
      float4 b[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) a[i] = *reinterpret_cast<const float4*>(left + (4 * ty + i) * PITCH + c);
#pragma unroll
      for (int j = 0; j < 4; ++j) b[j] = *reinterpret_cast<const float4*>(right + (16 * j + tx) * PITCH + c);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          tile[i][j] = fmaf(a[i].x, b[j].x, tile[i][j]);
          tile[i][j] = fmaf(a[i].y, b[j].y, tile[i][j]);
          tile[i][j] = fmaf(a[i].z, b[j].z, tile[i][j]);
          tile[i][j] = fmaf(a[i].w, b[j].w, tile[i][j]);
        }
      }
    }
  }
}

/** Writes the threads' tiles to memory.scores once the last expandTile is through with it; the next one waits for them. */
__device__ inline void storeTile(const float (&tile)[4][4], Memory& memory) {
  const int ty = threadIdx.x >> 4;
  const int tx = threadIdx.x & 15;
  __syncthreads();
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    *reinterpret_cast<float4*>(memory.scores + (4 * ty + i) * SCORE_PITCH + 4 * tx) =
        make_float4(tile[i][0], tile[i][1], tile[i][2], tile[i][3]);
  }
}

/**
 * sum += scores values, where scores (64, 64) lie in shared memory and `values` are 64 rows, columns [first, width) of
 * which the block takes 32 J. Thread (ty, tx) holds rows 4 ty + i, columns first + 2 tx + 32 j and its neighbour.
 * Rows of scores from `rows` on are not wanted.
 */
template <int J>
__device__ inline void expandTile(int64_t rows, const Rows& values, int64_t first, int64_t width, Memory& memory,
                                  float (&sum)[4][2 * J]) {
  const int ty = threadIdx.x >> 4;
  const int tx = threadIdx.x & 15;
  const bool aligned = values.stride % 4 == 0 && width % 4 == 0;
  const int count = values.count < kTile ? (int)values.count : kTile;
  for (int begin = 0; begin < count; begin += STEP) {
    __syncthreads();
    for (int unit = threadIdx.x; unit < STEP * 8 * J; unit += 256) {
      const int row = unit / (8 * J);
      const int column = (unit - row * 8 * J) * 4;
      const int64_t left = begin + row < count ? width - first - column : 0;
      float value[4];
      loadFour(values.data + (begin + row) * values.stride + first + column, left, aligned, value);
      *reinterpret_cast<float4*>(memory.stage + row * 32 * J + column) =
          make_float4(value[0], value[1], value[2], value[3]);
    }
    __syncthreads();
    if (!warpIsBusy(rows)) continue;
    const int end = count - begin < STEP ? count - begin : STEP;
#pragma unroll 1
    for (int c = 0; c < end; c += 4) {
      float score[4][4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float4 all = *reinterpret_cast<const float4*>(memory.scores + (4 * ty + i) * SCORE_PITCH + begin + c);
        score[i][0] = all.x;
        score[i][1] = all.y;
        score[i][2] = all.z;
        score[i][3] = all.w;
      }
#pragma unroll
      for (int k = 0; k < 4; ++k) {
#pragma unroll
        for (int j = 0; j < J; ++j) {
          const float2 value = *reinterpret_cast<const float2*>(memory.stage + (c + k) * 32 * J + 2 * tx + 32 * j);
#pragma unroll
          for (int i = 0; i < 4; ++i) {
            sum[i][2 * j] = fmaf(score[i][k], value.x, sum[i][2 * j]);
            sum[i][2 * j + 1] = fmaf(score[i][k], value.y, sum[i][2 * j + 1]);
          }
        }
      }
    }
  }
}

/** Writes what expandTile gathered: rows below rows.count, times factor[i]. `to` is laid out as `rows`. */
template <int J>
__device__ inline void storeRows(const float (&sum)[4][2 * J], const float (&factor)[4], float* to, int64_t stride,
                                 int64_t count, int64_t first, int64_t width) {
  const int ty = threadIdx.x >> 4;
  const int tx = threadIdx.x & 15;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if (4 * ty + i >= count) continue;
#pragma unroll
    for (int j = 0; j < 2 * J; ++j) {
      const int64_t column = first + 2 * tx + 32 * (j / 2) + j % 2;
      if (column < width) to[(4 * ty + i) * stride + column] = sum[i][j] * factor[i];
    }
  }
}

/** Multipliers of four neighbouring keys of a query; ones without dropout. key is a multiple of 4. */
__device__ inline void keyMultipliers(const Attention& a, int64_t b, int64_t h, int64_t query, int64_t key,
                                      float (&multiplier)[4]) {
  if (a.dropout.scale == 0.0f) {
    multiplier[0] = multiplier[1] = multiplier[2] = multiplier[3] = 1.0f;
    return;
  }
  dropoutMultipliers(a.dropout, dropoutRow(a, b, h, query), (uint32_t)(key >> 2), multiplier);
}
