/** Running sums along rows, one block a row, in double for floats; exclusive leaves the element itself out. */

/** Sum of the values of the threads up to and with this one (all of the block's), which is a power of 2 wide. */
template <class Sum>
__device__ Sum inclusiveScan(Sum value, Sum* sums) {
  const int t = threadIdx.x;
  sums[t] = value;
  __syncthreads();
  for (int step = 1; step < blockDim.x; step *= 2) {
    const Sum before = t >= step ? sums[t - step] : (Sum)0;
    __syncthreads();
    sums[t] += before;
    __syncthreads();
  }
  return sums[t];
}

template <class T, class Sum>
__device__ void cumsumRows(const T* x, T* y, int64_t rows, int64_t length, int32_t exclusive, int32_t reverse) {
  __shared__ Sum sums[256];
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    Sum before = 0;
    for (int64_t tile = 0; tile < length; tile += blockDim.x) {
      const int64_t i = tile + threadIdx.x;
      const int64_t at = row * length + (reverse ? length - 1 - i : i);
      const Sum own = i < length ? (Sum)x[at] : (Sum)0;
      const Sum sum = before + inclusiveScan(own, sums);
      // Not sum - own: an infinity or a NaN must not reach back.
      const Sum earlier = before + (threadIdx.x > 0 ? sums[threadIdx.x - 1] : (Sum)0);
      if (i < length) y[at] = (T)(exclusive ? earlier : sum);
      before += sums[blockDim.x - 1];
      __syncthreads();
    }
  }
}

extern "C" __global__ void cumsumF32(const float* x, float* y, int64_t rows, int64_t length, int32_t exclusive, int32_t reverse) {
  cumsumRows<float, double>(x, y, rows, length, exclusive, reverse);
}
extern "C" __global__ void cumsumI32(const uint32_t* x, uint32_t* y, int64_t rows, int64_t length, int32_t exclusive,
                                     int32_t reverse) {
  cumsumRows<uint32_t, uint32_t>(x, y, rows, length, exclusive, reverse);
}
