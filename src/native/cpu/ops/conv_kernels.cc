/**
 * Patches in and out of an image (see conv.h); the arithmetic of a convolution is in the matrix product.
 */
#include "cpu/ops/conv.h"

#include "cpu/runtime/parallel.h"
#include "cpu/runtime/simd.h"

namespace reasvqa::REASVQA_ISA_NS {
namespace {

/** body(image row, image column or -1, position in the patch) for each filter tap of one output pixel. */
template <class F>
void forTaps(const Conv& c, int64_t y, int64_t x, const F& body) {
  for (int64_t i = 0; i < c.filterHeight; ++i) {
    const int64_t row = y * c.strideHeight - c.padTop + i * c.dilationHeight;
    for (int64_t j = 0; j < c.filterWidth; ++j) {
      const int64_t col = x * c.strideWidth - c.padLeft + j * c.dilationWidth;
      const bool inside = row >= 0 && row < c.inHeight && col >= 0 && col < c.inWidth;
      body(inside ? (row * c.inWidth + col) * c.inChannels : int64_t{-1}, (i * c.filterWidth + j) * c.inChannels);
    }
  }
}

void patches(const Conv& c, const float* x, int64_t item, float* out) {
  const float* image = x + item * c.inHeight * c.inWidth * c.inChannels;
  const size_t bytes = static_cast<size_t>(c.inChannels) * sizeof(float);
  parallelFor(c.pixels(), 1 + 16384 / (c.patch() + 1), [&](int64_t begin, int64_t end) {
    for (int64_t pixel = begin; pixel < end; ++pixel) {
      float* target = out + pixel * c.patch();
      forTaps(c, pixel / c.outWidth, pixel % c.outWidth, [&](int64_t from, int64_t at) {
        if (from < 0) {
          __builtin_memset(target + at, 0, bytes);
        } else {
          __builtin_memcpy(target + at, image + from, bytes);
        }
      });
    }
  });
}

void unpatch(const Conv& c, const float* patches, float* x) {
  __builtin_memset(x, 0, static_cast<size_t>(c.inHeight * c.inWidth * c.inChannels) * sizeof(float));
  for (int64_t pixel = 0; pixel < c.pixels(); ++pixel) {
    const float* source = patches + pixel * c.patch();
    forTaps(c, pixel / c.outWidth, pixel % c.outWidth, [&](int64_t to, int64_t at) {
      if (to < 0) return;
      for (int64_t channel = 0; channel < c.inChannels; ++channel) x[to + channel] += source[at + channel];
    });
  }
}

}  // namespace

const ConvKernels conv = {patches, unpatch};

}  // namespace reasvqa::REASVQA_ISA_NS
