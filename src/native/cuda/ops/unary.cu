/**
 * y[n] = f(x[n]) of one operand; x and y may be the same. NaN and infinities as in cpu/ops/unary_kernels.cc. p and q are the
 * parameters of step and clip.
 */
#include "cuda/runtime/strided.cuh"

/** Four elements a thread; buffers are aligned, so only the last group can be short. */
template <class T, class U, class F>
__device__ void map(const T* x, U* y, int64_t n, F f) {
  for (int64_t group = globalThread(); group * 4 < n; group += globalThreads()) {
    const int64_t i = group * 4;
    if (i + 4 <= n) {
      const Four<T> from = loadFour(x + i, false);
      Four<U> to;
      for (int k = 0; k < 4; ++k) to.at[k] = f(from.at[k]);
      storeFour(y + i, to);
    } else {
      for (int64_t k = i; k < n; ++k) y[k] = f(x[k]);
    }
  }
}

#define UNARY(name, T, U, expression)                                                \
  extern "C" __global__ void name(const T* x, U* y, int64_t n, T p, T q) {           \
    map(x, y, n, [=](T v) -> U { return expression; });                              \
  }

UNARY(absF32, float, float, fabsf(v))
UNARY(negF32, float, float, -v)
UNARY(expF32, float, float, expf(v))
UNARY(logF32, float, float, logf(v))
UNARY(sqrtF32, float, float, sqrtf(v))
UNARY(rsqrtF32, float, float, 1.0f / sqrtf(v))
UNARY(squareF32, float, float, v * v)
UNARY(reciprocalF32, float, float, 1.0f / v)
UNARY(reluF32, float, float, v < 0.0f ? 0.0f : v)
UNARY(sigmoidF32, float, float, 1.0f / (1.0f + expf(-v)))
UNARY(tanhF32, float, float, tanhf(v))
UNARY(erfF32, float, float, erff(v))
UNARY(floorF32, float, float, floorf(v))
UNARY(ceilF32, float, float, ceilf(v))
UNARY(signF32, float, float, v > 0.0f ? 1.0f : (v < 0.0f ? -1.0f : 0.0f))
UNARY(stepF32, float, float, v != v ? v : (v > 0.0f ? 1.0f : p))

__device__ inline float clip(float v, float low, float high) {
  const float raised = v < low ? low : v;
  return raised > high ? high : raised;
}
UNARY(clipF32, float, float, clip(v, p, q))

UNARY(isFiniteF32, float, uint8_t, fabsf(v) <= 3.402823466e38f)
UNARY(isNanF32, float, uint8_t, v != v)
UNARY(isInfF32, float, uint8_t, fabsf(v) > 3.402823466e38f)

// Integers wrap around, as JavaScript's Int32Array does.
__device__ inline int32_t negate(int32_t v) { return (int32_t)(0u - (uint32_t)v); }
UNARY(absI32, int32_t, int32_t, v < 0 ? negate(v) : v)
UNARY(negI32, int32_t, int32_t, negate(v))
UNARY(reluI32, int32_t, int32_t, v < 0 ? 0 : v)
UNARY(signI32, int32_t, int32_t, (v > 0) - (v < 0))
UNARY(clipI32, int32_t, int32_t, v < p ? p : (v > q ? q : v))

UNARY(logicalNotU8, uint8_t, uint8_t, v == 0)
