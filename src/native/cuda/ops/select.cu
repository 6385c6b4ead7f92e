/** out = condition ? a : b, one condition for each element or for each row of `inner` elements. */
#include "cuda/runtime/rows.cuh"

template <class T>
__device__ void selectElements(const uint8_t* condition, const T* a, const T* b, T* out, int64_t n) {
  for (int64_t i = globalThread(); i < n; i += globalThreads()) {
    const T x = a[i];
    const T y = b[i];
    out[i] = condition[i] != 0 ? x : y;
  }
}

template <class T>
__device__ void selectRows(const uint8_t* condition, const T* a, const T* b, T* out, int64_t n, int64_t inner, int32_t width) {
  forRows(n, width, [=](int64_t row, int lane) {
    const T* from = (condition[row] != 0 ? a : b) + row * inner;
    for (int64_t i = lane; i < inner; i += width) out[row * inner + i] = from[i];
  });
}

#define SELECTS(suffix, T)                                                                                       \
  extern "C" __global__ void select##suffix(const uint8_t* condition, const T* a, const T* b, T* out, int64_t n) {  \
    selectElements(condition, a, b, out, n);                                                                     \
  }                                                                                                              \
  extern "C" __global__ void selectRows##suffix(const uint8_t* condition, const T* a, const T* b, T* out, int64_t n, \
                                                int64_t inner, int32_t width) {                                  \
    selectRows(condition, a, b, out, n, inner, width);                                                           \
  }

SELECTS(U32, uint32_t)
SELECTS(U8, uint8_t)
