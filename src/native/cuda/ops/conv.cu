/** Patches in and out of NHWC images (cpu/ops/conv.h); the arithmetic of a convolution is in the matrix product. */
#include "cpu/ops/conv_args.h"
#include "cuda/runtime/rows.cuh"

/**
 * out (items, outHeight, outWidth, filterHeight, filterWidth * inChannels) from x (items, inHeight, inWidth, inChannels), zero
 * where a patch leaves the image. Threads share the rows of patches.
 */
extern "C" __global__ void patches(ConvSizes c, int64_t items, int32_t width, const float* x, float* out) {
  const int length = (int)(c.filterWidth * c.inChannels);
  forRows(items * c.outHeight * c.outWidth * c.filterHeight, width, [=](int64_t row, int lane) {
    const int64_t pixel = row / c.filterHeight;
    const int64_t line = pixel / c.outWidth;  // (item, output row)
    const int64_t y = line % c.outHeight * c.strideHeight - c.padTop + row % c.filterHeight * c.dilationHeight;
    const int64_t left = pixel % c.outWidth * c.strideWidth - c.padLeft;
    const float* from = x + (line / c.outHeight * c.inHeight + y) * c.inWidth * c.inChannels;
    for (int i = lane; i < length; i += width) {
      const int tap = i / (int)c.inChannels;
      const int64_t column = left + tap * c.dilationWidth;
      const bool inside = y >= 0 && y < c.inHeight && column >= 0 && column < c.inWidth;
      out[row * length + i] = inside ? from[column * c.inChannels + i % (int)c.inChannels] : 0.0f;
    }
  });
}

/** The output position that tap `tap` reads `at` for, or -1. */
__device__ inline int64_t outputOf(int64_t at, int64_t tap, int64_t pad, int64_t stride, int64_t dilation, int64_t outputs) {
  const int64_t from = at + pad - tap * dilation;
  return from >= 0 && from % stride == 0 && from / stride < outputs ? from / stride : -1;
}

/** x (items, inHeight, inWidth, inChannels) = sum of the elements of `patches` that were read from each place. */
extern "C" __global__ void unpatch(ConvSizes c, int64_t items, int32_t width, const float* patches, float* x) {
  forRows(items * c.inHeight * c.inWidth, width, [=](int64_t place, int lane) {
    const int64_t row = place / c.inWidth % c.inHeight;
    const int64_t column = place % c.inWidth;
    const int64_t item = place / c.inWidth / c.inHeight;
    for (int64_t channel = lane; channel < c.inChannels; channel += width) {
      float sum = 0.0f;
      for (int64_t i = 0; i < c.filterHeight; ++i) {
        const int64_t outRow = outputOf(row, i, c.padTop, c.strideHeight, c.dilationHeight, c.outHeight);
        for (int64_t j = 0; j < c.filterWidth && outRow >= 0; ++j) {
          const int64_t outColumn = outputOf(column, j, c.padLeft, c.strideWidth, c.dilationWidth, c.outWidth);
          if (outColumn < 0) continue;
          const int64_t pixel = (item * c.outHeight + outRow) * c.outWidth + outColumn;
          sum += patches[((pixel * c.filterHeight + i) * c.filterWidth + j) * c.inChannels + channel];
        }
      }
      x[place * c.inChannels + channel] = sum;
    }
  });
}
