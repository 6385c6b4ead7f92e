/** y[n] = x[n] in another type. */

/** ECMAScript ToInt32: modulo 2^32; NaN and infinities give 0. */
__device__ inline int32_t toInt32(float x) {
  if (x >= -2147483648.0f && x < 2147483648.0f) return (int32_t)x;
  if (!(fabsf(x) <= 3.402823466e38f)) return 0;
  return (int32_t)(uint32_t)(int64_t)fmodf(x, 4294967296.0f);
}

#define CAST(name, T, U, expression)                                                                     \
  extern "C" __global__ void name(const T* x, U* y, int64_t n) {                                         \
    for (int64_t i = globalThread(); i < n; i += globalThreads()) {                                      \
      const T v = x[i];                                                                                  \
      y[i] = expression;                                                                                 \
    }                                                                                                    \
  }

CAST(f32ToI32, float, int32_t, toInt32(v))
CAST(f32ToU8, float, uint8_t, v != 0.0f)
CAST(i32ToF32, int32_t, float, (float)v)
CAST(i32ToU8, int32_t, uint8_t, v != 0)
CAST(u8ToF32, uint8_t, float, (float)v)
CAST(u8ToI32, uint8_t, int32_t, (int32_t)v)
