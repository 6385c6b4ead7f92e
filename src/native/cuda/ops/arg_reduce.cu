/**
 * Position of the largest or smallest of (outer, reduced, inner) along the middle dimension; the first of equal ones. As on
 * the CPU a NaN is never better, and at position 0 nothing is better than it.
 */

struct Larger {
  template <class T>
  __device__ bool operator()(T a, T b) const {
    return a > b;
  }
};
struct Smaller {
  template <class T>
  __device__ bool operator()(T a, T b) const {
    return a < b;
  }
};

/**
 * A block takes `width` columns (a power of 2); its rows of threads (a power of 2) share the reduced dimension. Every
 * thread starts from element 0, so that a NaN there stays.
 */
template <class T, class Better>
__device__ void argColumns(int64_t outer, int64_t reduced, int64_t inner, int32_t width, const T* x, int32_t* y, Better better) {
  __shared__ T values[256];
  __shared__ int32_t positions[256];
  const int t = threadIdx.x;
  const int row = t / width;
  const int rows = blockDim.x / width;
  const int64_t strips = (inner + width - 1) / width;
  for (int64_t item = blockIdx.x; item < outer * strips; item += gridDim.x) {
    const int64_t at = item % strips * width + t % width;
    if (at < inner) {
      const T* from = x + item / strips * reduced * inner + at;
      T value = from[0];
      int32_t position = 0;
      for (int64_t r = row; r < reduced; r += rows) {
        const T candidate = from[r * inner];
        if (better(candidate, value)) {
          value = candidate;
          position = (int32_t)r;
        }
      }
      values[t] = value;
      positions[t] = position;
    }
    __syncthreads();
    for (int half = rows / 2; half > 0; half /= 2) {
      const int other = t + half * width;
      if (row < half && at < inner) {
        if (better(values[other], values[t]) || (values[other] == values[t] && positions[other] < positions[t])) {
          values[t] = values[other];
          positions[t] = positions[other];
        }
      }
      __syncthreads();
    }
    if (row == 0 && at < inner) y[item / strips * inner + at] = positions[t];
    __syncthreads();
  }
}

#define ARG_REDUCTION(name, T, Better)                                                                            \
  extern "C" __global__ void name(int64_t outer, int64_t reduced, int64_t inner, int32_t width, const T* x, int32_t* y) { \
    argColumns(outer, reduced, inner, width, x, y, Better());                                                     \
  }

ARG_REDUCTION(argMaxF32, float, Larger)
ARG_REDUCTION(argMinF32, float, Smaller)
ARG_REDUCTION(argMaxI32, int32_t, Larger)
ARG_REDUCTION(argMinI32, int32_t, Smaller)
