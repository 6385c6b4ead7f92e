/** The sizes of a convolution, for both devices and the kernels' texts. */
#pragma once

namespace reasvqa {

struct ConvSizes {
  int64_t batch, inHeight, inWidth, inChannels;
  int64_t outHeight, outWidth, outChannels;
  int64_t filterHeight, filterWidth;
  int64_t strideHeight, strideWidth;
  int64_t dilationHeight, dilationWidth;
  int64_t padTop, padLeft;
};

}  // namespace reasvqa
