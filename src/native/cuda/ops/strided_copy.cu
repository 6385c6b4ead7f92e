/**
 * to = from with a stride for each dimension: every permutation, slice, padding, tiling, joining and broadcast. Operand 0 of
 * a layout is the source, 1 the target; they do not overlap.
 */
#include "cuda/ops/strided_copy_args.h"
#include "cuda/runtime/strided.cuh"

template <class T>
__device__ void copyElements(const Strided<2>& layout, uint32_t n, const T* from, T* to) {
  for (uint32_t i = globalThread(); i < n; i += globalThreads()) {
    int64_t at[2] = {0, 0};
    locate(layout, i, at);
    to[at[1]] = from[at[0]];
  }
}

/** Four neighbours at a time; the layout counts groups of four, the last of which can be short. */
template <class T>
__device__ void copyFours(const Strided<2>& layout, uint32_t n, const T* from, T* to) {
  const bool repeated = layout.strides[0][0] == 0;
  const uint32_t groups = (n + 3) / 4;
  for (uint32_t group = globalThread(); group < groups; group += globalThreads()) {
    int64_t at[2] = {0, 0};
    locate(layout, group, at);
    const uint32_t i = group * 4;
    if (i + 4 <= n) {
      storeFour(to + at[1], loadFour(from + at[0], repeated));
    } else {
      for (uint32_t k = 0; i + k < n; ++k) to[at[1] + k] = from[at[0] + (repeated ? 0 : k)];
    }
  }
}

/**
 * Tiles of 32 x 32 through shared memory, so that reads and writes are of whole lines. One block of 256 threads a tile;
 * `planes` gives the origin of each plane.
 */
template <class T>
__device__ void transposeTiles(const Strided<2>& planes, const Transposed& plane, const T* from, T* to) {
  __shared__ T tile[32][33];  // the odd width keeps columns in different banks
  const int lane = threadIdx.x & 31;
  const int row = threadIdx.x >> 5;
  const int64_t left = (int64_t)(blockIdx.x % plane.tilesOfColumns) * 32;
  const int64_t top = (int64_t)(blockIdx.x / plane.tilesOfColumns % plane.tilesOfRows) * 32;
  int64_t at[2] = {0, 0};
  locate(planes, blockIdx.x / plane.tilesOfColumns / plane.tilesOfRows, at);
  for (int i = row; i < 32; i += 8) {
    if (top + i < plane.rows && left + lane < plane.columns) {
      tile[i][lane] = from[at[0] + (top + i) * plane.fromRow + left + lane];
    }
  }
  __syncthreads();
  for (int j = row; j < 32; j += 8) {
    if (left + j < plane.columns && top + lane < plane.rows) {
      to[at[1] + (left + j) * plane.toColumn + top + lane] = tile[lane][j];
    }
  }
}

#define COPIES(suffix, T)                                                                                  \
  extern "C" __global__ void copy##suffix(Strided<2> layout, uint32_t n, const T* from, T* to) {           \
    copyElements(layout, n, from, to);                                                                     \
  }                                                                                                        \
  extern "C" __global__ void copy##suffix##InFours(Strided<2> layout, uint32_t n, const T* from, T* to) {  \
    copyFours(layout, n, from, to);                                                                        \
  }                                                                                                        \
  extern "C" __global__ void transpose##suffix(Strided<2> planes, Transposed plane, const T* from, T* to) { \
    transposeTiles(planes, plane, from, to);                                                               \
  }

COPIES(U32, uint32_t)
COPIES(U8, uint8_t)
