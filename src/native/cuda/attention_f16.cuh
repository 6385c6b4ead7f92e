/**
 * Tiles of attention on the tensor cores: operands rounded to f16, sums in f32. f16 and not bf16, since it is as fast and
 * has 3 more bits: gradients of five small models with weights in bf16 were off by 0.71 % (rms) with it, by 1.00 % with bf16
 * operands, by 0.72 % with attention in f32. Queries, keys, values and probabilities lie in its range; gradients are scaled
 * into it by a power of two (gradientScale).
 *
 * A block of 128 threads works on tiles of 64 by 32 scores, a warp on 16 of the rows. A warp's rows of the first operand
 * stay in registers; of the other operand 32 rows at a time go through shared memory, as they are (their products over the
 * width are scores) and turned around (their products over the 32 rows are results), so that every operand is read as words
 * of two neighbours in the depth.
 *
 * J: steps of 16 columns that the width is padded to with zeros: 4 or 6, for heads of up to 64 and 96 (T5, ViT-g: 64, 88).
 */
#pragma once
#include "attention.cuh"
#include "mma.cuh"

#define ACROSS 32       // scores in a row of a tile
#define TURNED_PITCH 20  // words of a turned row: 16, and 4 that spread rows over the banks

/** 32 rows of an operand in shared memory: row r, columns 2 c and 2 c + 1 in word r PITCH + c. */
template <int J>
struct Plain {
  static constexpr int PITCH = 8 * J + 4;  // 4 spread rows over the banks
  alignas(16) uint32_t words[ACROSS * PITCH];
};
/** The same turned around: column c, rows 2 r and 2 r + 1 in word c TURNED_PITCH + r. */
template <int J>
struct Turned {
  alignas(16) uint32_t words[16 * J * TURNED_PITCH];
};

/**
 * ACROSS rows, times `factor`, into shared memory in either form or both (nullptr: not wanted). A thread takes two rows of
 * four columns.
 */
template <int J>
__device__ inline void stage(const Rows& rows, int64_t width, float factor, Plain<J>* plain, Turned<J>* turned) {
  const bool aligned = rows.stride % 4 == 0 && width % 4 == 0;
  for (int unit = threadIdx.x; unit < ACROSS / 2 * 4 * J; unit += 128) {
    // Neighbouring threads take neighbouring rows: words of a turned column lie side by side.
    const int row = 2 * ((unit & 7) + (unit >> 3) / (4 * J) * 8);
    const int column = (unit >> 3) % (4 * J) * 4;
    float first[4];
    float second[4];
    const float* from = rows.data + row * rows.stride + column;
    loadFour(from, row < rows.count ? width - column : 0, aligned, first);
    loadFour(from + rows.stride, row + 1 < rows.count ? width - column : 0, aligned, second);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      first[i] *= factor;
      second[i] *= factor;
    }
    if (plain) {
      uint32_t* to = plain->words + row * Plain<J>::PITCH + column / 2;
      *reinterpret_cast<uint2*>(to) = make_uint2(packF16(first[0], first[1]), packF16(first[2], first[3]));
      *reinterpret_cast<uint2*>(to + Plain<J>::PITCH) =
          make_uint2(packF16(second[0], second[1]), packF16(second[2], second[3]));
    }
    if (turned) {
#pragma unroll
      for (int i = 0; i < 4; ++i) turned->words[(column + i) * TURNED_PITCH + row / 2] = packF16(first[i], second[i]);
    }
  }
}

/** This thread's place in its warp's tile: it holds rows row and row + 8, columns 8 n + column and its right neighbour. */
struct Place {
  int row;     // in the block's tile
  int column;  // 0, 2, 4 or 6
};
__device__ inline Place placeOf() {
  const int lane = threadIdx.x & 31;
  return {(int)(threadIdx.x >> 5) * 16 + (lane >> 2), (lane & 3) * 2};
}

/** Whether any of the warp's 16 rows exists. */
__device__ inline bool warpHasRows(int64_t count) { return (int)(threadIdx.x >> 5) * 16 < count; }

/** The warp's rows, times `factor`, as left operands: J steps of 16 columns. */
template <int J>
__device__ inline void loadRows(const Rows& rows, int64_t width, float factor, uint32_t (&left)[J][4]) {
  const Place at = placeOf();
#pragma unroll
  for (int j = 0; j < J; ++j) {
#pragma unroll
    for (int part = 0; part < 4; ++part) {
      const int row = at.row + part % 2 * 8;
      const int column = 16 * j + at.column + part / 2 * 8;
      const float* from = rows.data + row * rows.stride + column;
      const int64_t have = row < rows.count ? width - column : 0;
      left[j][part] = packF16(have > 0 ? from[0] * factor : 0.0f, have > 1 ? from[1] * factor : 0.0f);
    }
  }
}

/** tile = left right^T over the width: tile[n] holds columns 8 n to 8 n + 7. */
template <int J>
__device__ inline void scores(const uint32_t (&left)[J][4], const Plain<J>& right, float (&tile)[ACROSS / 8][4]) {
  const int lane = threadIdx.x & 31;
#pragma unroll
  for (int n = 0; n < ACROSS / 8; ++n) {
    const uint32_t* from = right.words + (8 * n + (lane >> 2)) * Plain<J>::PITCH + (lane & 3);
#pragma unroll
    for (int i = 0; i < 4; ++i) tile[n][i] = 0.0f;
#pragma unroll
    for (int j = 0; j < J; ++j) multiplyAdd(tile[n], left[j], from[8 * j], from[8 * j + 4]);
  }
}

/** sum += tile values, where values are the 32 rows that lie turned around in shared memory. */
template <int J>
__device__ inline void expand(const float (&tile)[ACROSS / 8][4], const Turned<J>& values, float (&sum)[2 * J][4]) {
  const int lane = threadIdx.x & 31;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    // What a lane holds of two results beside each other is what it has to give of one left operand.
    const float(&low)[4] = tile[2 * half];
    const float(&high)[4] = tile[2 * half + 1];
    const uint32_t left[4] = {packF16(low[0], low[1]), packF16(low[2], low[3]), packF16(high[0], high[1]),
                              packF16(high[2], high[3])};
#pragma unroll
    for (int n = 0; n < 2 * J; ++n) {
      const uint32_t* from = values.words + (8 * n + (lane >> 2)) * TURNED_PITCH + 8 * half + (lane & 3);
      multiplyAdd(sum[n], left, from[0], from[4]);
    }
  }
}

__device__ inline void storeTwo(float* to, float first, float second) {
  *reinterpret_cast<float2*>(to) = make_float2(first, second);
}
__device__ inline void storeTwo(unsigned short* to, float first, float second) {
  *reinterpret_cast<uint32_t*>(to) = packBf16(first, second);
}

/** Writes the warp's rows below `count`, times factor[0] (row) and factor[1] (row + 8). */
template <int J, class Out>
__device__ inline void storeRows(const float (&sum)[2 * J][4], const float (&factor)[2], Out* to, int64_t stride,
                                 int64_t count, int64_t width) {
  const Place at = placeOf();
  const bool even = stride % 2 == 0 && width % 2 == 0;
#pragma unroll
  for (int n = 0; n < 2 * J; ++n) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int row = at.row + i * 8;
      const int column = 8 * n + at.column;
      if (row >= count || column >= width) continue;
      Out* pair = to + row * stride + column;
      const float first = sum[n][2 * i] * factor[i];
      const float second = sum[n][2 * i + 1] * factor[i];
      if (even) {
        storeTwo(pair, first, second);
      } else {
        storeFloat(pair, 0, first);
        if (column + 1 < width) storeFloat(pair, 1, second);
      }
    }
  }
}

/**
 * Which of a lane's four scores dropout keeps, where rows are queries: bit 2 i + j for query row + 8 i and key + j; nothing
 * is drawn without dropout. Two neighbouring lanes have the same two blocks of Philox to make: each makes one.
 */
__device__ inline uint32_t keptByQuery(const Attention& a, int64_t b, int64_t h, int64_t query, int64_t key) {
  if (a.dropout.scale == 0.0f) return 0;
  const int odd = threadIdx.x & 1;
  uint32_t kept = dropoutKept(a.dropout, dropoutRow(a, b, h, query + 8 * odd), (uint32_t)(key >> 2)) << (4 * odd);
  kept |= __shfl_xor_sync(FULL_WARP, kept, 1);
  kept >>= 2 * odd;
  return (kept & 3) | (kept >> 2 & 12);
}

/**
 * The same where rows are keys: bit 2 i + j for key + 8 i and query + j. The four lanes that hold neighbouring keys have
 * the same four blocks to make.
 */
__device__ inline uint32_t keptByKey(const Attention& a, int64_t b, int64_t h, int64_t query, int64_t key) {
  if (a.dropout.scale == 0.0f) return 0;
  const int mine = threadIdx.x >> 2 & 3;
  const int64_t block = (key >> 2) + mine / 2 * 2;
  uint32_t kept = dropoutKept(a.dropout, dropoutRow(a, b, h, query + mine % 2), (uint32_t)block) << (4 * mine);
  kept |= __shfl_xor_sync(FULL_WARP, kept, 4);
  kept |= __shfl_xor_sync(FULL_WARP, kept, 8);
  kept >>= mine;
  return (kept & 1) | (kept >> 3 & 2) | (kept >> 6 & 4) | (kept >> 9 & 8);
}

/** The power of two that brings the greatest |dy| to between 1 and 2; 1 when it is 0 or not finite. */
__device__ inline float gradientScale(const RowTerms& terms) {
  const uint32_t exponent = *terms.largest >> 23;
  if (exponent == 0 || exponent == 255) return 1.0f;
  return __uint_as_float((exponent < 254 ? 254 - exponent : 1) << 23);
}

/** What dropout makes of a kept, or not kept, probability. */
__device__ inline float multiplierOf(const Attention& a, uint32_t kept, int bit) {
  if (a.dropout.scale == 0.0f) return 1.0f;
  return kept >> bit & 1 ? a.dropout.scale : 0.0f;
}
