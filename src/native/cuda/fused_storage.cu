/** Rounding activations to bf16 for products with bf16 weights. */
#include "vector4.cuh"

/** y = x as bf16; four elements a thread. */
extern "C" __global__ void toBf16(const float* x, unsigned short* y, int64_t n) {
  for (int64_t at = 4 * globalThread(); at < n; at += 4 * globalThreads()) {
    float value[4];
    loadFour(x + at, n - at, true, value);
    if (n - at >= 4) {
      const uint2 packed = make_uint2(floatToBf16(value[0]) | (unsigned int)floatToBf16(value[1]) << 16,
                                      floatToBf16(value[2]) | (unsigned int)floatToBf16(value[3]) << 16);
      *reinterpret_cast<uint2*>(y + at) = packed;
    } else {
      for (int i = 0; at + i < n; ++i) y[at + i] = floatToBf16(value[i]);
    }
  }
}
