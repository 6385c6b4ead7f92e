/**
 * conv2d(x, filter, y), conv2dFilterGrad(x, dy, dfilter), conv2dInputGrad(dy, filter, dx) on the CUDA device, in f32; shapes
 * as in cpu/ops/conv.cc. Patches of as many images at a time as kPatchFloats allows, then one matrix product over them.
 */
#include <algorithm>

#include "cpu/ops/conv_call.h"
#include "cuda/runtime/args.h"
#include "cuda/runtime/blas.h"
#include "cuda/runtime/launch.h"
#include "cuda/runtime/rows.h"
#include "cuda/runtime/scratch.h"
#include "cuda/runtime/transfer.h"

namespace reasvqa::cuda {
namespace {

/** 256 MiB. */
constexpr int64_t kPatchFloats = int64_t{64} << 20;

/** run(first image, images, their patches (images * pixels, patch) as scratch) until all are done. */
template <class F>
void forImages(const Conv& c, const F& run) {
  const int64_t each = c.pixels() * c.patch();
  const int64_t atOnce = std::clamp<int64_t>(kPatchFloats / std::max<int64_t>(each, 1), 1, std::max<int64_t>(c.batch, 1));
  const Scratch scratch(static_cast<size_t>(atOnce * each) * sizeof(float));
  for (int64_t first = 0; first < c.batch; first += atOnce) {
    run(first, std::min(atOnce, c.batch - first), scratch.as<float>());
  }
}

void readPatches(const Conv& c, const float* x, int64_t first, int64_t images, float* patches) {
  const int32_t width = powerOfTwo(c.filterWidth * c.inChannels);
  launch("conv", "patches", gridForRows(images * c.pixels() * c.filterHeight, width), {256}, 0, c, images, width,
         x + first * inputSize(c), patches);
}

void conv2d(CudaArgs& args) {
  const auto [c, x, filter, y] = convOperands(args, inputsOf, filterOf, outputsOf);
  forImages(c, [&](int64_t first, int64_t images, float* patches) {
    readPatches(c, x, first, images, patches);
    Gemm g;
    g.m = images * c.pixels();
    g.n = c.outChannels;
    g.k = c.patch();
    g.a = patches;
    g.lda = c.patch();
    g.b = filter;
    g.ldb = c.outChannels;
    g.c = y + first * outputSize(c);
    g.ldc = c.outChannels;
    gemm(g);
  });
}

void conv2dFilterGrad(CudaArgs& args) {
  const auto [c, x, dy, dfilter] = convOperands(args, inputsOf, outputsOf, filterOf);
  if (c.batch == 0) fillZero(dfilter, static_cast<size_t>(c.patch() * c.outChannels) * sizeof(float));
  forImages(c, [&](int64_t first, int64_t images, float* patches) {
    readPatches(c, x, first, images, patches);
    Gemm g;
    g.transA = true;
    g.m = c.patch();
    g.n = c.outChannels;
    g.k = images * c.pixels();
    g.a = patches;
    g.lda = c.patch();
    g.b = dy + first * outputSize(c);
    g.ldb = c.outChannels;
    g.c = dfilter;
    g.ldc = c.outChannels;
    g.accumulate = first > 0;
    gemm(g);
  });
}

void conv2dInputGrad(CudaArgs& args) {
  const auto [c, dy, filter, dx] = convOperands(args, outputsOf, filterOf, inputsOf);
  forImages(c, [&](int64_t first, int64_t images, float* patches) {
    Gemm g;
    g.transB = true;
    g.m = images * c.pixels();
    g.n = c.patch();
    g.k = c.outChannels;
    g.a = dy + first * outputSize(c);
    g.lda = c.outChannels;
    g.b = filter;
    g.ldb = c.outChannels;
    g.c = patches;
    g.ldc = c.patch();
    gemm(g);
    const int32_t width = powerOfTwo(c.inChannels);
    launch("conv", "unpatch", gridForRows(images * c.inHeight * c.inWidth, width), {256}, 0, c, images, width,
           static_cast<const float*>(patches), dx + first * inputSize(c));
  });
}

void registerConv(Napi::Env, Napi::Object cuda) {
  bindCuda<conv2d>(cuda, "conv2d");
  bindCuda<conv2dFilterGrad>(cuda, "conv2dFilterGrad");
  bindCuda<conv2dInputGrad>(cuda, "conv2dInputGrad");
}
REASVQA_CUDA_REGISTER(registerConv)

}  // namespace
}  // namespace reasvqa::cuda
