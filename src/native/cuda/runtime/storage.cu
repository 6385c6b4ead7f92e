/** Converting between f32 and 16 bits; what a product is then added to. */
#include "cuda/runtime/mma.cuh"
#include "cuda/runtime/vector4.cuh"

/** Four elements a thread. */
extern "C" __global__ void f32ToBf16(const float* x, unsigned short* y, int64_t n) {
  for (int64_t at = 4 * globalThread(); at < n; at += 4 * globalThreads()) {
    float value[4];
    loadFour(x + at, n - at, true, value);
    storeFour(y + at, n - at, true, value);
  }
}

/** Four elements a thread; infinite from 65520 on. */
extern "C" __global__ void f32ToF16(const float* x, unsigned short* y, int64_t n) {
  for (int64_t at = 4 * globalThread(); at < n; at += 4 * globalThreads()) {
    float value[4];
    loadFour(x + at, n - at, true, value);
    const uint32_t low = packF16(value[0], value[1]);
    const uint32_t high = packF16(value[2], value[3]);
    if (n - at >= 4) {
      *reinterpret_cast<uint2*>(y + at) = make_uint2(low, high);
      continue;
    }
    for (int i = 0; at + i < n; ++i) y[at + i] = (unsigned short)((i < 2 ? low : high) >> (i % 2 * 16));
  }
}

/** x may start anywhere in a buffer, so its elements are read one by one. */
extern "C" __global__ void bf16ToF32(const unsigned short* x, float* y, int64_t n) {
  for (int64_t i = globalThread(); i < n; i += globalThreads()) y[i] = bf16ToFloat(x[i]);
}

extern "C" __global__ void f16ToF32(const unsigned short* x, float* y, int64_t n) {
  for (int64_t i = globalThread(); i < n; i += globalThreads()) y[i] = f16ToFloat(x[i]);
}

/** y (n / width, width) = row in every row + addend; either may be nullptr (0). */
extern "C" __global__ void layOut(const float* row, const float* addend, float* y, int64_t n, int64_t width) {
  for (int64_t i = globalThread(); i < n; i += globalThreads()) {
    y[i] = (row ? row[i % width] : 0.0f) + (addend ? addend[i] : 0.0f);
  }
}
