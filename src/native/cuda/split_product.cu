/**
 * Splits f32 into two bf16 for split_product.cc: high, the nearest bf16, and low, what it leaves, to the nearest again.
 */
#include "vector4.cuh"

/** The nearest finite bf16 of a finite number. */
__device__ inline float highOf(float x) {
  const float high = bf16ToFloat(floatToBf16(x));
  if (fabsf(high) == INFINITY && fabsf(x) != INFINITY) return x < 0.0f ? -0x1.fep127f : 0x1.fep127f;
  return high;
}

/**
 * x (rows, columns), rows `leading` apart, three times into y, dense: element (r, c) of copy p at r rowStride + p partStride
 * + c. Bit p of `lows` says that copy p is the low part. A thread takes four neighbours.
 */
extern "C" __global__ void splitBf16(const float* x, unsigned short* y, int64_t rows, int64_t columns, int64_t leading,
                                     int64_t rowStride, int64_t partStride, int32_t lows) {
  const int64_t groups = (columns + 3) / 4;
  const bool aligned = columns % 4 == 0 && leading % 4 == 0;
  for (int64_t i = globalThread(); i < rows * groups; i += globalThreads()) {
    const int64_t row = i / groups;
    const int64_t column = i % groups * 4;
    const int64_t left = columns - column;
    float value[4];
    loadFour(x + row * leading + column, left, aligned, value);
    float high[4];
    float low[4];
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      high[e] = highOf(value[e]);
      low[e] = fabsf(high[e]) == INFINITY ? 0.0f : value[e] - high[e];
    }
    unsigned short* to = y + row * rowStride + column;
#pragma unroll
    for (int part = 0; part < 3; ++part) {
      if (lows >> part & 1) storeFour(to + part * partStride, left, aligned, low);
      else storeFour(to + part * partStride, left, aligned, high);
    }
  }
}
