/** Dense elements from numbers alone: one value everywhere, or an arithmetic sequence. */
#include "cuda/runtime/strided.cuh"

template <class T>
__device__ void fillWith(T* out, int64_t n, T value) {
  const Four<T> four = {{value, value, value, value}};
  for (int64_t group = globalThread(); group * 4 < n; group += globalThreads()) {
    const int64_t i = group * 4;
    if (i + 4 <= n) {
      storeFour(out + i, four);
    } else {
      for (int64_t k = i; k < n; ++k) out[k] = value;
    }
  }
}

extern "C" __global__ void fillU32(uint32_t* out, int64_t n, uint32_t bits) { fillWith(out, n, bits); }
extern "C" __global__ void fillU8(uint8_t* out, int64_t n, uint8_t value) { fillWith(out, n, value); }

/** out[i] = start + i * step, each from i in double. */
extern "C" __global__ void rangeF32(float* out, int64_t n, double start, double step) {
  for (int64_t i = globalThread(); i < n; i += globalThreads()) out[i] = (float)(start + (double)i * step);
}
extern "C" __global__ void rangeI32(int32_t* out, int64_t n, double start, double step) {
  for (int64_t i = globalThread(); i < n; i += globalThreads()) out[i] = (int32_t)(int64_t)(start + (double)i * step);
}
