/** Blocks as rows of `width` threads (a power of 2 up to 256), for rows of data that are shorter or longer than a warp. */
#pragma once

/** f(row, lane) for every row of the grid's; the lanes of a row go through its elements `width` at a time. */
template <class F>
__device__ inline void forRows(int64_t rows, int32_t width, F f) {
  const int64_t perBlock = blockDim.x / width;
  const int lane = threadIdx.x & (width - 1);
  for (int64_t row = blockIdx.x * perBlock + threadIdx.x / width; row < rows; row += gridDim.x * perBlock) f(row, lane);
}
