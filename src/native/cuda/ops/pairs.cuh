/**
 * out = f(a, b) with broadcasting, for binary.cu, binary_int.cu and compare.cu. out is dense in row-major order and may be
 * one of the operands.
 */
#pragma once
#include "cuda/runtime/strided.cuh"

/** One element at a time, for any strides. */
template <class T, class U, class F>
__device__ void pairs(const Strided<2>& layout, uint32_t n, const T* a, const T* b, U* out, F f) {
  for (uint32_t i = globalThread(); i < n; i += globalThreads()) {
    int64_t at[2] = {0, 0};
    locate(layout, i, at);
    out[i] = f(a[at[0]], b[at[1]]);
  }
}

/** Four neighbours at a time; the layout counts groups of four, the last of which can be short. */
template <class T, class U, class F>
__device__ void pairsOfFour(const Strided<2>& layout, uint32_t n, const T* a, const T* b, U* out, F f) {
  const bool repeatedA = layout.strides[0][0] == 0;
  const bool repeatedB = layout.strides[1][0] == 0;
  const uint32_t groups = (n + 3) / 4;
  for (uint32_t group = globalThread(); group < groups; group += globalThreads()) {
    int64_t at[2] = {0, 0};
    locate(layout, group, at);
    const uint32_t i = group * 4;
    if (i + 4 <= n) {
      const Four<T> x = loadFour(a + at[0], repeatedA);
      const Four<T> y = loadFour(b + at[1], repeatedB);
      Four<U> to;
      for (int k = 0; k < 4; ++k) to.at[k] = f(x.at[k], y.at[k]);
      storeFour(out + i, to);
    } else {
      for (uint32_t k = 0; i + k < n; ++k) {
        out[i + k] = f(a[at[0] + (repeatedA ? 0 : k)], b[at[1] + (repeatedB ? 0 : k)]);
      }
    }
  }
}

#define PAIRS(name, T, U, expression)                                                                         \
  extern "C" __global__ void name(Strided<2> layout, uint32_t n, const T* a, const T* b, U* out) {            \
    pairs(layout, n, a, b, out, [](T x, T y) -> U { return expression; });                                    \
  }                                                                                                           \
  extern "C" __global__ void name##InFours(Strided<2> layout, uint32_t n, const T* a, const T* b, U* out) {   \
    pairsOfFour(layout, n, a, b, out, [](T x, T y) -> U { return expression; });                              \
  }
