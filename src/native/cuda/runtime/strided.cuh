/**
 * Walking operands over one shape with their own strides, and moving four elements at a time.
 *
 * The host (layout.h) merges dimensions, cuts tensors of 2^31 elements and more into pieces, and turns divisions into
 * multiplications, so an index costs a few 32-bit instructions a dimension, and none for a dense tensor.
 */
#pragma once

#include "cuda/runtime/strided_args.h"

/** n / divisor for n < 2^31. */
__device__ inline uint32_t divide(uint32_t n, const Divisor& by) {
  return ((uint32_t)(((uint64_t)n * by.multiplier) >> 32) + n) >> by.shift;
}

/** Adds to `offsets` where element i (row-major) lies in each operand. */
template <int Operands>
__device__ inline void locate(const Strided<Operands>& layout, uint32_t i, int64_t (&offsets)[Operands]) {
#pragma unroll
  for (int d = 0; d < Strided<Operands>::kMost; ++d) {
    const bool outermost = d == layout.rank - 1;
    const uint32_t rest = outermost ? 0 : divide(i, layout.dims[d]);
    const uint32_t at = outermost ? i : i - rest * layout.dims[d].divisor;
    for (int o = 0; o < Operands; ++o) offsets[o] += at * layout.strides[o][d];
    if (outermost) return;
    i = rest;
  }
}

/** Four neighbours, moved by one instruction. */
template <class T>
struct alignas(4 * sizeof(T)) Four {
  T at[4];
};

/** Four elements from `x`: neighbours, or one element four times. */
template <class T>
__device__ inline Four<T> loadFour(const T* x, bool repeated) {
  if (!repeated) return *reinterpret_cast<const Four<T>*>(x);
  const T value = *x;
  return {{value, value, value, value}};
}

template <class T>
__device__ inline void storeFour(T* x, const Four<T>& values) {
  *reinterpret_cast<Four<T>*>(x) = values;
}
