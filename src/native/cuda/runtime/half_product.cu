/** Rounds both operands of a product to f16, scaled by powers of two: see half_product.cc. */
#include "cuda/runtime/half_product_args.h"
#include "cuda/runtime/mma.cuh"
#include "cuda/runtime/vector4.cuh"

/**
 * Calls f(four neighbours in a row, where they belong in y, how many to the row's end) for those that are this thread's. x
 * may start anywhere in a buffer.
 */
template <class F>
__device__ inline void eachFour(const HalfOperand& m, F f) {
  const int64_t groups = (m.columns + 3) / 4;
  for (int64_t i = globalThread(); i < m.rows * groups; i += globalThreads()) {
    const int64_t row = i / groups;
    const int64_t column = i % groups * 4;
    const float* x = m.x + row * m.leading + column;
    float value[4];
    loadFour(x, m.columns - column, (unsigned long long)x % 16 == 0, value);
    f(value, m.y + row * m.columns + column, m.columns - column);
  }
}

/** partials[blockIdx.y gridDim.x + blockIdx.x]: the greatest finite magnitude in this block's share of a (y = 0) or b. */
extern "C" __global__ void greatest(HalfOperand a, HalfOperand b, float* partials) {
  const HalfOperand m = blockIdx.y == 0 ? a : b;
  float most = 0.0f;
  eachFour(m, [&](const float(&value)[4], unsigned short*, int64_t) {
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      const float size = fabsf(value[e]);
      if (size < INFINITY && size > most) most = size;
    }
  });
  most = blockMax(most);
  if (threadIdx.x == 0) partials[blockIdx.y * gridDim.x + blockIdx.x] = most;
}

/** The exponent of the power of two that brings `size` to [2^14, 2^15); 126 at most, so that its inverse is normal too. */
__device__ inline int powerFor(float size) {
  const int power = 141 - (int)(__float_as_uint(size) >> 23);
  return power < 126 ? power : 126;
}

/** 2^power, -126 to 127. */
__device__ inline float powerOfTwo(int power) { return __uint_as_float((unsigned int)(power + 127) << 23); }

/**
 * y = x times its operand's power, in f16. factors: alpha over both powers, 0 and 1.
 * @param partials of `greatest`, `count` for each operand: at most as many as a block has threads
 */
extern "C" __global__ void toHalf(HalfOperand a, HalfOperand b, const float* partials, int32_t count, float alpha, float* factors) {
  const HalfOperand m = blockIdx.y == 0 ? a : b;
  const int thread = threadIdx.x;
  const float* own = partials + blockIdx.y * count;
  const int power = powerFor(blockMax(thread < count ? own[thread] : 0.0f));
  if (blockIdx.x == 0 && blockIdx.y == 0) {
    const int other = powerFor(blockMax(thread < count ? partials[count + thread] : 0.0f));
    if (thread == 0) {
      factors[0] = alpha * powerOfTwo(-power) * powerOfTwo(-other);
      factors[1] = 0.0f;
      factors[2] = 1.0f;
    }
  }
  const float scale = powerOfTwo(power);
  eachFour(m, [&](const float(&value)[4], unsigned short* y, int64_t left) {
    const unsigned int first = packF16(value[0] * scale, value[1] * scale);
    const unsigned int second = packF16(value[2] * scale, value[3] * scale);
    if (left >= 4 && m.columns % 4 == 0) {
      *reinterpret_cast<uint2*>(y) = make_uint2(first, second);
      return;
    }
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      if (e < left) y[e] = (unsigned short)((e < 2 ? first : second) >> (e % 2 * 16));
    }
  });
}
