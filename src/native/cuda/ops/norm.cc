/**
 * fusedLayerNorm(x, weight, bias, y, rows, d, eps); fusedLayerNormGradInput(dy, x, weight, addend, dx, rows, d, eps);
 * fusedLayerNormGradParameters(dy, x, dweight, dbias, rows, d, eps); fusedRmsNorm(x, weight, y, inverses, rows, d, eps);
 * fusedRmsNormGradInput(dy, x, weight, addend, dx, rows, d, eps); fusedRmsNormGradWeight(dy, x, dweight, rows, d, eps);
 * fusedRmsNormGradFromResult(dy, y, weight, inverses, addend, dx, rows, d).
 *
 * y may be stored in bf16. inverses (rows): 1 / sqrt(mean(x^2) + eps), or -1. With them an RMSNorm's gradient to its input
 * needs y alone, in bf16, which the product that reads y may keep anyway; no weight may be 0 then. Parameter gradients are
 * column sums in two stages (chunks of rows, then the chunks in order): the same bits in every run.
 */
#include <optional>

#include "cuda/ops/dropout_args.h"
#include "cuda/runtime/stored.h"
#include "cuda/runtime/scratch.h"

namespace reasvqa::cuda {
namespace {

struct Norm {
  int64_t rows;
  int64_t d;
  float eps;

  uint32_t grid() const { return d == 0 ? 0 : blocks(rows); }
  /** Four columns a thread, at most 256 threads. */
  uint32_t threads() const {
    return static_cast<uint32_t>(std::clamp<int64_t>(ceilDiv(ceilDiv(d, 4), 32) * 32, 32, 256));
  }
};

Norm normArgs(const CudaArgs& args, size_t index) {
  return {args.size(index), args.size(index + 1), args.f32(index + 2)};
}

void layerNorm(CudaArgs& args) {
  const Norm n = normArgs(args, 4);
  const StoredResult y = storedResult(args, 3, n.rows * n.d);
  launch("norm", variant("layerNorm", y.type).c_str(), {n.grid()}, {n.threads()}, 0,
         args.in<float>(0, n.rows * n.d), args.in<float>(1, n.d), args.in<float>(2, n.d), y.data, n.d, n.eps);
}

void rmsNorm(CudaArgs& args) {
  const Norm n = normArgs(args, 4);
  const StoredResult y = storedResult(args, 2, n.rows * n.d);
  launch("norm", variant("rmsNorm", y.type).c_str(), {n.grid()}, {n.threads()}, 0,
         args.in<float>(0, n.rows * n.d), args.in<float>(1, n.d), y.data, args.outOrNull<float>(3, n.rows), n.d, n.eps);
}

void gradInput(CudaArgs& args, const char* kernel) {
  const Norm n = normArgs(args, 5);
  launch("norm", kernel, {n.grid()}, {n.threads()}, 0, args.in<float>(0, n.rows * n.d),
         args.in<float>(1, n.rows * n.d), args.in<float>(2, n.d), args.inOrNull<float>(3, n.rows * n.d),
         args.out<float>(4, n.rows * n.d), n.d, n.eps);
}
void layerNormGradInput(CudaArgs& args) { gradInput(args, "layerNormInput"); }
void rmsNormGradInput(CudaArgs& args) { gradInput(args, "rmsNormInput"); }

void rmsNormGradFromResult(CudaArgs& args) {
  const Norm n = {args.size(6), args.size(7), 0.0f};
  launch("norm", "rmsNormFromResult", {n.grid()}, {n.threads()}, 0, args.in<float>(0, n.rows * n.d),
         args.in<uint16_t>(1, n.rows * n.d), args.in<float>(2, n.d), args.in<float>(3, n.rows),
         args.inOrNull<float>(4, n.rows * n.d), args.out<float>(5, n.rows * n.d), n.d);
}

/** dbias is nullptr for RMSNorm. */
void parameterGradients(const Norm& n, const float* dy, const float* x, float* dweight, float* dbias) {
  const int64_t chunk = std::max<int64_t>(32, ceilDiv(n.rows, 128));
  const int64_t chunks = ceilDiv(n.rows, chunk);
  const Scratch statistics(floats(2 * n.rows));
  const Scratch partial(floats(chunks * n.d));
  std::optional<Scratch> biasPartial;
  if (dbias) biasPartial.emplace(floats(chunks * n.d));
  launch("norm", "normStatistics", {n.grid()}, {n.threads()}, 0, x, statistics.as<float>(), n.d, n.eps,
         int32_t{dbias != nullptr});
  launch("norm", "normPartials", {blocks(ceilDiv(n.d, 128)), blocks(chunks)}, {128}, 0, dy, x,
         static_cast<const float*>(statistics.as<float>()), partial.as<float>(),
         biasPartial ? biasPartial->as<float>() : static_cast<float*>(nullptr), n.rows, n.d, chunk);
  const auto sum = [&](const Scratch& from, float* to) {
    launch("norm", "sumPartials", gridFor(n.d, 64), {64}, 0, static_cast<const float*>(from.as<float>()), to,
           chunks, n.d);
  };
  sum(partial, dweight);
  if (dbias) sum(*biasPartial, dbias);
}

void layerNormGradParameters(CudaArgs& args) {
  const Norm n = normArgs(args, 4);
  parameterGradients(n, args.in<float>(0, n.rows * n.d), args.in<float>(1, n.rows * n.d), args.out<float>(2, n.d),
                     args.out<float>(3, n.d));
}
void rmsNormGradWeight(CudaArgs& args) {
  const Norm n = normArgs(args, 3);
  parameterGradients(n, args.in<float>(0, n.rows * n.d), args.in<float>(1, n.rows * n.d), args.out<float>(2, n.d),
                     nullptr);
}

void registerFusedNorm(Napi::Env, Napi::Object cuda) {
  bindCuda<layerNorm>(cuda, "fusedLayerNorm");
  bindCuda<layerNormGradInput>(cuda, "fusedLayerNormGradInput");
  bindCuda<layerNormGradParameters>(cuda, "fusedLayerNormGradParameters");
  bindCuda<rmsNorm>(cuda, "fusedRmsNorm");
  bindCuda<rmsNormGradInput>(cuda, "fusedRmsNormGradInput");
  bindCuda<rmsNormGradWeight>(cuda, "fusedRmsNormGradWeight");
  bindCuda<rmsNormGradFromResult>(cuda, "fusedRmsNormGradFromResult");
}
REASVQA_CUDA_REGISTER(registerFusedNorm)

}  // namespace
}  // namespace reasvqa::cuda
