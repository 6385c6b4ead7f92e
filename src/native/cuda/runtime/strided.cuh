/**
 * Walking operands over one shape with their own strides, and moving four elements at a time.
 *
 * The host (layout.h) merges dimensions, cuts tensors of 2^31 elements and more into pieces, and turns divisions into
 * multiplications, so an index costs a few 32-bit instructions a dimension, and none for a dense tensor.
 */
#pragma once

#define MAX_RANK 8

/** n / divisor for n < 2^31 (Granlund and Montgomery 1994; the numbers are made in layout.h). */
struct Divisor {
  uint32_t divisor, multiplier, shift;

  __device__ uint32_t divide(uint32_t n) const {
    return ((uint32_t)(((uint64_t)n * multiplier) >> 32) + n) >> shift;
  }
};

/** Dimensions and strides (in elements), the innermost first; the outermost dimension is not needed. */
template <int Operands>
struct Strided {
  int32_t rank;
  Divisor dims[MAX_RANK];
  int64_t strides[Operands][MAX_RANK];

  /** Adds to `offsets` where element i (row-major) lies in each operand. */
  __device__ void locate(uint32_t i, int64_t (&offsets)[Operands]) const {
#pragma unroll
    for (int d = 0; d < MAX_RANK; ++d) {
      const bool outermost = d == rank - 1;
      const uint32_t rest = outermost ? 0 : dims[d].divide(i);
      const uint32_t at = outermost ? i : i - rest * dims[d].divisor;
      for (int o = 0; o < Operands; ++o) offsets[o] += at * strides[o][d];
      if (outermost) return;
      i = rest;
    }
  }
};

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
