/**
 * y = x (outer, reduced, inner) reduced over its middle dimension, times `scale`.
 *
 * The reduced dimension is cut into `chunks` of `chunk` elements, so that a few long reductions fill the device too: y is
 * (outer, chunks, inner), and a second launch reduces the chunks. Every order is fixed: the same bits in every run.
 */
#include "cuda/ops/reduce_args.h"

struct ProdOf {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a * b;
  }
};
struct AnyOf {
  __device__ int operator()(int a, int b) const { return a != 0 || b != 0; }
};
struct AllOf {
  __device__ int operator()(int a, int b) const { return a != 0 && b != 0; }
};

__device__ inline int64_t chunkBegin(const Chunked& s, int64_t which) { return which * s.chunk; }
__device__ inline int64_t chunkEnd(const Chunked& s, int64_t which) {
  const int64_t end = (which + 1) * s.chunk;
  return end < s.reduced ? end : s.reduced;
}

/** inner = 1, short rows: a warp a row. State is what T is combined as. */
template <class State, class T, class Combine>
__device__ void reduceByWarps(const Chunked& s, const T* x, T* y, T scale, State identity, Combine combine) {
  const int lane = threadIdx.x & 31;
  for (int64_t item = globalThread() / 32; item < s.outer * s.chunks; item += globalThreads() / 32) {
    const T* row = x + item / s.chunks * s.reduced;
    const int64_t end = chunkEnd(s, item % s.chunks);
    State state = identity;
#pragma unroll 4
    for (int64_t i = chunkBegin(s, item % s.chunks) + lane; i < end; i += 32) state = combine(state, (State)row[i]);
    state = warpReduce(state, combine);
    if (lane == 0) y[item] = (T)(scale * state);
  }
}

/** inner = 1, long rows: a block a chunk. */
template <class State, class T, class Combine>
__device__ void reduceByBlocks(const Chunked& s, const T* x, T* y, T scale, State identity, Combine combine) {
  for (int64_t item = blockIdx.x; item < s.outer * s.chunks; item += gridDim.x) {
    const T* row = x + item / s.chunks * s.reduced;
    const int64_t end = chunkEnd(s, item % s.chunks);
    State state = identity;
#pragma unroll 4
    for (int64_t i = chunkBegin(s, item % s.chunks) + threadIdx.x; i < end; i += blockDim.x) {
      state = combine(state, (State)row[i]);
    }
    state = blockReduce(state, identity, combine);
    if (threadIdx.x == 0) y[item] = (T)(scale * state);
  }
}

/** inner > 1: a block takes `width` columns (a power of 2), its 256 / width rows of threads share the reduced dimension. */
template <class State, class T, class Combine>
__device__ void reduceColumns(const Chunked& s, int32_t width, const T* x, T* y, T scale, State identity, Combine combine) {
  __shared__ State states[256];
  const int column = threadIdx.x % width;
  const int row = threadIdx.x / width;
  const int rows = blockDim.x / width;
  const int64_t strips = (s.inner + width - 1) / width;
  for (int64_t item = blockIdx.x; item < s.outer * s.chunks * strips; item += gridDim.x) {
    const int64_t at = item % strips * width + column;
    const int64_t part = item / strips;  // (outer, chunk)
    const int64_t end = chunkEnd(s, part % s.chunks);
    State state = identity;
    if (at < s.inner) {
      const T* from = x + part / s.chunks * s.reduced * s.inner + at;
#pragma unroll 4
      for (int64_t r = chunkBegin(s, part % s.chunks) + row; r < end; r += rows) state = combine(state, (State)from[r * s.inner]);
    }
    states[threadIdx.x] = state;
    __syncthreads();
    for (int half = rows / 2; half > 0; half /= 2) {
      if (row < half) states[threadIdx.x] = combine(states[threadIdx.x], states[threadIdx.x + half * width]);
      __syncthreads();
    }
    if (row == 0 && at < s.inner) y[part * s.inner + at] = (T)(scale * states[threadIdx.x]);
    __syncthreads();
  }
}

#define REDUCTION(name, T, State, identity, Combine)                                                  \
  extern "C" __global__ void name##ByWarps(Chunked s, const T* x, T* y, T scale) {                  \
    reduceByWarps(s, x, y, scale, (State)(identity), Combine());                                      \
  }                                                                                                   \
  extern "C" __global__ void name##ByBlocks(Chunked s, const T* x, T* y, T scale) {                 \
    reduceByBlocks(s, x, y, scale, (State)(identity), Combine());                                     \
  }                                                                                                   \
  extern "C" __global__ void name##Columns(Chunked s, int32_t width, const T* x, T* y, T scale) {   \
    reduceColumns(s, width, x, y, scale, (State)(identity), Combine());                               \
  }

REDUCTION(sumF32, float, float, 0.0f, SumOf)
REDUCTION(maxF32, float, float, -INFINITY, MaxOf)
REDUCTION(minF32, float, float, INFINITY, MinOf)
REDUCTION(prodF32, float, float, 1.0f, ProdOf)
// Sums and products of integers wrap around; unsigned arithmetic has the same bits.
REDUCTION(sumI32, uint32_t, uint32_t, 0, SumOf)
REDUCTION(prodI32, uint32_t, uint32_t, 1, ProdOf)
REDUCTION(maxI32, int32_t, int32_t, -2147483647 - 1, MaxOf)
REDUCTION(minI32, int32_t, int32_t, 2147483647, MinOf)
REDUCTION(anyU8, uint8_t, int, 0, AnyOf)
REDUCTION(allU8, uint8_t, int, 1, AllOf)
