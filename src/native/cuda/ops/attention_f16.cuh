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
 * J: steps of 16 columns that the width is padded to with zeros: 4, 6 or 8, for heads of up to 64, 96 and 128.
 */
#pragma once
#include "cuda/ops/attention.cuh"
#include "cuda/runtime/mma.cuh"

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

/** Columns column to column + 3 of a row, times `factor`, in pairs; zeros beyond the rows and the width. */
__device__ inline uint2 loadPairs(const Rows& rows, float factor, int row, int column, int64_t width) {
  float value[4];
  loadFour(rows.data + row * rows.stride + column, row < rows.count ? width - column : 0,
           rows.stride % 4 == 0 && width % 4 == 0, value);
  return make_uint2(packF16(value[0] * factor, value[1] * factor), packF16(value[2] * factor, value[3] * factor));
}
/** The same of rows that are kept as they are. */
__device__ inline uint2 loadPairs(const HalfRows& rows, float, int row, int column, int64_t width) {
  const Half* from = rows.data + row * rows.stride + column;
  const int64_t have = row < rows.count ? width - column : 0;
  if (width % 4 == 0 && have >= 4) return *reinterpret_cast<const uint2*>(from);
  uint32_t bits[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) bits[i] = i < have ? from[i].bits : 0;
  return make_uint2(bits[0] | bits[1] << 16, bits[2] | bits[3] << 16);
}

/** Two columns of a row: see loadPairs. */
__device__ inline uint32_t loadPair(const Rows& rows, float factor, int row, int column, int64_t width) {
  const float* from = rows.data + row * rows.stride + column;
  const int64_t have = row < rows.count ? width - column : 0;
  return packF16(have > 0 ? from[0] * factor : 0.0f, have > 1 ? from[1] * factor : 0.0f);
}
__device__ inline uint32_t loadPair(const HalfRows& rows, float, int row, int column, int64_t width) {
  const Half* from = rows.data + row * rows.stride + column;
  const int64_t have = row < rows.count ? width - column : 0;
  if (width % 2 == 0 && have > 1) return *reinterpret_cast<const uint32_t*>(from);
  return (have > 0 ? from[0].bits : 0u) | (have > 1 ? uint32_t(from[1].bits) << 16 : 0u);
}

/** Writes two columns of a row as far as they exist. */
__device__ inline void storePair(const HalfRows& rows, int row, int column, int64_t width, uint32_t pair) {
  Half* to = rows.data + row * rows.stride + column;
  const int64_t have = row < rows.count ? width - column : 0;
  if (width % 2 == 0 && have > 1) {
    *reinterpret_cast<uint32_t*>(to) = pair;
    return;
  }
  if (have > 0) to[0].bits = (unsigned short)pair;
  if (have > 1) to[1].bits = (unsigned short)(pair >> 16);
}

/**
 * ACROSS rows (Rows or HalfRows), times `factor`, into shared memory in either form or both (nullptr: not wanted), and as
 * they are there to `keep` (data nullptr: not wanted). A thread takes two rows of four columns.
 */
template <int J, class AnyRows>
__device__ inline void stage(const AnyRows& rows, int64_t width, float factor, Plain<J>* plain, Turned<J>* turned,
                             const HalfRows& keep = {}) {
  for (int unit = threadIdx.x; unit < ACROSS / 2 * 4 * J; unit += 128) {
    // Neighbouring threads take neighbouring rows: words of a turned column lie side by side.
    const int row = 2 * ((unit & 7) + (unit >> 3) / (4 * J) * 8);
    const int column = (unit >> 3) % (4 * J) * 4;
    const uint2 first = loadPairs(rows, factor, row, column, width);
    const uint2 second = loadPairs(rows, factor, row + 1, column, width);
    if (plain) {
      uint32_t* to = plain->words + row * Plain<J>::PITCH + column / 2;
      *reinterpret_cast<uint2*>(to) = first;
      *reinterpret_cast<uint2*>(to + Plain<J>::PITCH) = second;
    }
    if (turned) {
      uint32_t* to = turned->words + column * TURNED_PITCH + row / 2;
      to[0] = (first.x & 0xffffu) | second.x << 16;
      to[TURNED_PITCH] = first.x >> 16 | (second.x & 0xffff0000u);
      to[2 * TURNED_PITCH] = (first.y & 0xffffu) | second.y << 16;
      to[3 * TURNED_PITCH] = first.y >> 16 | (second.y & 0xffff0000u);
    }
    if (keep.data) {
      storePair(keep, row, column, width, first.x);
      storePair(keep, row, column + 2, width, first.y);
      storePair(keep, row + 1, column, width, second.x);
      storePair(keep, row + 1, column + 2, width, second.y);
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

/** q, k or v as kernels of T read them: f32, or, where they were kept, Half. */
template <class T>
__device__ inline T* operand(const float* x) {
  return reinterpret_cast<T*>(const_cast<float*>(x));
}

/** Whether any of the warp's 16 rows exists. */
__device__ inline bool warpHasRows(int64_t count) { return (int)(threadIdx.x >> 5) * 16 < count; }

/** Calls body(j, part, row, column) for what left operands hold: columns column and column + 1 of a row. */
template <int J, class Body>
__device__ inline void forRowPairs(const Body& body) {
  const Place at = placeOf();
#pragma unroll
  for (int j = 0; j < J; ++j) {
#pragma unroll
    for (int part = 0; part < 4; ++part) body(j, part, at.row + part % 2 * 8, 16 * j + at.column + part / 2 * 8);
  }
}

/** The warp's rows (Rows or HalfRows), times `factor`, as left operands: J steps of 16 columns. */
template <int J, class AnyRows>
__device__ inline void loadRows(const AnyRows& rows, int64_t width, float factor, uint32_t (&left)[J][4]) {
  forRowPairs<J>([&](int j, int part, int row, int column) { left[j][part] = loadPair(rows, factor, row, column, width); });
}

/** Writes what loadRows gave. */
template <int J>
__device__ inline void keepRows(const HalfRows& keep, int64_t width, const uint32_t (&left)[J][4]) {
  forRowPairs<J>([&](int j, int part, int row, int column) { storePair(keep, row, column, width, left[j][part]); });
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
