/**
 * 2-D convolution of NHWC images as matrix products over patches (im2col): forward and both gradients.
 */
#pragma once

#include "cpu/runtime/dispatch.h"

#include "cpu/ops/conv_args.h"

namespace reasvqa {

struct Conv : ConvSizes {
  int64_t patch() const { return filterHeight * filterWidth * inChannels; }
  int64_t pixels() const { return outHeight * outWidth; }
};

struct ConvKernels {
  /** Patches of image `item`: out (outHeight * outWidth, patch), zero where a patch leaves the image. */
  void (*patches)(const Conv& conv, const float* x, int64_t item, float* out);
  /** Adds patches back to the image they came from: x (inHeight, inWidth, inChannels) is set. */
  void (*unpatch)(const Conv& conv, const float* patches, float* x);
};

REASVQA_KERNELS(ConvKernels, conv)

}  // namespace reasvqa
