/**
 * Norms on the CUDA device (cpu/ops/norm.h); y may be stored in bf16. Parameter gradients are column sums in two stages
 * (chunks of rows, then the chunks in order): the same bits in every run.
 */
#include "cpu/ops/norm.h"

#include <algorithm>
#include <optional>

#include "cuda/runtime/launch.h"
#include "cuda/runtime/scratch.h"
#include "cuda/runtime/stored.h"

namespace reasvqa::cuda {
namespace {

/** As the launches take it. */
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

template <class Call>
Norm normOf(const Call& call) {
  return {call.x.rows(), call.x.columns(), call.eps};
}

void layerNorm(const LayerNormCall& call) {
  const Norm n = normOf(call);
  const StoredResult y = storedOut(call.y, n.rows * n.d);
  launch("norm", variant("layerNorm", y.type).c_str(), {n.grid()}, {n.threads()}, 0, call.x.in<float>(n.rows * n.d),
         call.weight.in<float>(n.d), call.bias.in<float>(n.d), y.data, n.d, n.eps);
}

void rmsNorm(const RmsNormCall& call) {
  const Norm n = normOf(call);
  const StoredResult y = storedOut(call.y, n.rows * n.d);
  launch("norm", variant("rmsNorm", y.type).c_str(), {n.grid()}, {n.threads()}, 0, call.x.in<float>(n.rows * n.d),
         call.weight.in<float>(n.d), y.data, call.inverses.out<float>(n.rows), n.d, n.eps);
}

void gradInput(const NormGradInputCall& call, const char* kernel) {
  const Norm n = normOf(call);
  launch("norm", kernel, {n.grid()}, {n.threads()}, 0, call.dy.in<float>(n.rows * n.d), call.x.in<float>(n.rows * n.d),
         call.weight.in<float>(n.d), call.addend.in<float>(n.rows * n.d), call.dx.out<float>(n.rows * n.d), n.d, n.eps);
}
void layerNormGradInput(const LayerNormGradInputCall& call) { gradInput(call, "layerNormInput"); }
void rmsNormGradInput(const RmsNormGradInputCall& call) { gradInput(call, "rmsNormInput"); }

void rmsNormGradFromResult(const RmsNormGradFromResultCall& call) {
  const Norm n = {call.y.rows(), call.y.columns(), 0.0f};
  launch("norm", "rmsNormFromResult", {n.grid()}, {n.threads()}, 0, call.dy.in<float>(n.rows * n.d),
         call.y.in<uint16_t>(n.rows * n.d), call.weight.in<float>(n.d), call.inverses.in<float>(n.rows),
         call.addend.in<float>(n.rows * n.d), call.dx.out<float>(n.rows * n.d), n.d);
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

void layerNormGradParameters(const LayerNormGradParametersCall& call) {
  const Norm n = normOf(call);
  parameterGradients(n, call.dy.in<float>(n.rows * n.d), call.x.in<float>(n.rows * n.d), call.dweight.out<float>(n.d),
                     call.dbias.out<float>(n.d));
}
void rmsNormGradWeight(const RmsNormGradWeightCall& call) {
  const Norm n = normOf(call);
  parameterGradients(n, call.dy.in<float>(n.rows * n.d), call.x.in<float>(n.rows * n.d), call.dweight.out<float>(n.d),
                     nullptr);
}

void registerNorm(Napi::Env, Napi::Object cuda) {
  bindCudaCall<layerNorm>(cuda);
  bindCudaCall<rmsNorm>(cuda);
  bindCudaCall<layerNormGradInput>(cuda);
  bindCudaCall<rmsNormGradInput>(cuda);
  bindCudaCall<layerNormGradParameters>(cuda);
  bindCudaCall<rmsNormGradWeight>(cuda);
  bindCudaCall<rmsNormGradFromResult>(cuda);
}
REASVQA_CUDA_REGISTER(registerNorm)

}  // namespace
}  // namespace reasvqa::cuda
