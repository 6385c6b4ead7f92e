/**
 * Put before every kernel source: the integer types, bf16 by bits, and reductions over warps and blocks. NVRTC brings no
 * headers, so nothing is included; other shared headers of this folder are included by name (#include "cuda/ops/philox.cuh").
 *
 * Blocks that use the reductions have a multiple of 32 threads in x, at most 1024, and y = z = 1.
 */
#ifndef REASVQA_HOST_SHIM  // the test shim has the host's own definitions
typedef signed char int8_t;
typedef unsigned char uint8_t;
typedef short int16_t;
typedef unsigned short uint16_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long long int64_t;
typedef unsigned long long uint64_t;
#ifndef INFINITY
#define INFINITY __int_as_float(0x7f800000)
#endif
#ifndef NAN
#define NAN __int_as_float(0x7fffffff)
#endif
#endif

namespace reasvqa::cuda {}
using namespace reasvqa;
using namespace reasvqa::cuda;

#define FULL_WARP 0xffffffffu

/** This thread's number in a one-dimensional grid, and the number of threads in it. */
__device__ inline int64_t globalThread() { return (int64_t)blockIdx.x * blockDim.x + threadIdx.x; }
__device__ inline int64_t globalThreads() { return (int64_t)gridDim.x * blockDim.x; }

__device__ inline float bf16ToFloat(unsigned short x) { return __uint_as_float((unsigned int)x << 16); }

/** Round to nearest, ties to even; NaN stays NaN. */
__device__ inline unsigned short floatToBf16(float x) {
  const unsigned int bits = __float_as_uint(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return (unsigned short)((bits >> 16) | 0x40u);
  return (unsigned short)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

/** Two neighbours in one word, the first in its low half. */
__device__ inline unsigned int packBf16(float first, float second) {
  return floatToBf16(first) | (unsigned int)floatToBf16(second) << 16;
}

/** An element of a buffer stored as float or bf16. */
__device__ inline float loadFloat(const float* x, int64_t i) { return x[i]; }
__device__ inline float loadFloat(const unsigned short* x, int64_t i) { return bf16ToFloat(x[i]); }
__device__ inline void storeFloat(float* x, int64_t i, float value) { x[i] = value; }
__device__ inline void storeFloat(unsigned short* x, int64_t i, float value) { x[i] = floatToBf16(value); }

struct SumOf {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};
/** A NaN wins, as in the CPU's maximum. */
struct MaxOf {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return (a > b || a != a) ? a : b;
  }
};
struct MinOf {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return (a < b || a != a) ? a : b;
  }
};

/** Combines the values of a warp's 32 lanes; every lane gets the result. All lanes of the warp must call it. */
template <class T, class Combine>
__device__ inline T warpReduce(T value, Combine combine) {
  for (int step = 16; step > 0; step >>= 1) value = combine(value, __shfl_xor_sync(FULL_WARP, value, step));
  return value;
}

/**
 * Combines the values of all threads of a block; every thread gets the result. All threads must call it; it may be
 * called again at once. The order of the combination is fixed, so results are the same bits in every run.
 */
template <class T, class Combine>
__device__ inline T blockReduce(T value, T identity, Combine combine) {
  __shared__ T partial[32];
  const int lane = threadIdx.x & 31;
  const int warp = threadIdx.x >> 5;
  const int warps = blockDim.x >> 5;
  value = warpReduce(value, combine);
  if (lane == 0) partial[warp] = value;
  __syncthreads();
  value = warpReduce(lane < warps ? partial[lane] : identity, combine);
  __syncthreads();
  return value;
}

template <class T>
__device__ inline T warpSum(T value) {
  return warpReduce(value, SumOf());
}
template <class T>
__device__ inline T warpMax(T value) {
  return warpReduce(value, MaxOf());
}
template <class T>
__device__ inline T blockSum(T value) {
  return blockReduce(value, (T)0, SumOf());
}
/** For floats: the identity is -infinity. */
__device__ inline float blockMax(float value) { return blockReduce(value, -INFINITY, MaxOf()); }
__device__ inline float blockMin(float value) { return blockReduce(value, INFINITY, MinOf()); }
