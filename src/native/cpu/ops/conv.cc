/**
 * conv2d(x, filter, y), conv2dFilterGrad(x, dy, dfilter), conv2dInputGrad(dy, filter, dx); the fifteen sizes of Conv
 * follow from the parameter block. x is (batch, inHeight, inWidth, inChannels), the filter (filterHeight,
 * filterWidth, inChannels, outChannels), y (batch, outHeight, outWidth, outChannels). One image's patches at a time.
 */
#include "cpu/ops/conv.h"

#include "cpu/ops/conv_call.h"
#include "cpu/ops/gemm.h"

namespace reasvqa {
namespace {

void conv2d(Args& args) {
  const auto [c, x, filter, y] = convOperands(args, inputsOf, filterOf, outputsOf);
  const Scratch scratch(static_cast<size_t>(c.pixels() * c.patch()) * sizeof(float));
  for (int64_t item = 0; item < c.batch; ++item) {
    convKernels().patches(c, x, item, scratch.as<float>());
    Gemm g;
    g.m = c.pixels();
    g.n = c.outChannels;
    g.k = c.patch();
    g.a = scratch.as<float>();
    g.lda = c.patch();
    g.b = {filter};
    g.ldb = c.outChannels;
    g.c = y + item * outputSize(c);
    g.ldc = c.outChannels;
    gemm(g);
  }
}

void conv2dFilterGrad(Args& args) {
  const auto [c, x, dy, dfilter] = convOperands(args, inputsOf, outputsOf, filterOf);
  const Scratch scratch(static_cast<size_t>(c.pixels() * c.patch()) * sizeof(float));
  for (int64_t item = 0; item < c.batch; ++item) {
    convKernels().patches(c, x, item, scratch.as<float>());
    Gemm g;
    g.transA = true;
    g.m = c.patch();
    g.n = c.outChannels;
    g.k = c.pixels();
    g.a = scratch.as<float>();
    g.lda = c.patch();
    g.b = {dy + item * outputSize(c)};
    g.ldb = c.outChannels;
    g.c = dfilter;
    g.ldc = c.outChannels;
    g.accumulate = item > 0;
    gemm(g);
  }
}

void conv2dInputGrad(Args& args) {
  const auto [c, dy, filter, dx] = convOperands(args, outputsOf, filterOf, inputsOf);
  const Scratch scratch(static_cast<size_t>(c.pixels() * c.patch()) * sizeof(float));
  for (int64_t item = 0; item < c.batch; ++item) {
    Gemm g;
    g.transB = true;
    g.m = c.pixels();
    g.n = c.patch();
    g.k = c.outChannels;
    g.a = dy + item * outputSize(c);
    g.lda = c.outChannels;
    g.b = {filter};
    g.ldb = c.outChannels;
    g.c = scratch.as<float>();
    g.ldc = c.patch();
    gemm(g);
    convKernels().unpatch(c, scratch.as<float>(), dx + item * inputSize(c));
  }
}

void registerConv(Napi::Env, Napi::Object exports) {
  bind<conv2d>(exports, "conv2d");
  bind<conv2dFilterGrad>(exports, "conv2dFilterGrad");
  bind<conv2dInputGrad>(exports, "conv2dInputGrad");
}
REASVQA_REGISTER(registerConv)

}  // namespace
}  // namespace reasvqa
