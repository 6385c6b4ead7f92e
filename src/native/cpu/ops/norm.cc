#include "cpu/ops/norm.h"

#include "binding.h"

namespace reasvqa {
namespace {

size_t partialBytes(const Norm& n, int64_t sums) {
  return static_cast<size_t>((n.rows + kNormChunk - 1) / kNormChunk * sums * n.d) * sizeof(float);
}

void layerNorm(const LayerNormCall& call) {
  const Norm n = {call.x.rows(), call.x.columns(), call.eps};
  normKernels().layerNorm(n, call.x.in<float>(n.rows * n.d), call.weight.in<float>(n.d), call.bias.in<float>(n.d),
                          call.y.out<float>(n.rows * n.d));
}
void gradInput(const NormGradInputCall& call, NormGradInput kernel) {
  const Norm n = {call.x.rows(), call.x.columns(), call.eps};
  kernel(n, call.dy.in<float>(n.rows * n.d), call.x.in<float>(n.rows * n.d), call.weight.in<float>(n.d),
         call.addend.in<float>(n.rows * n.d), call.dx.out<float>(n.rows * n.d));
}
void layerNormGradInput(const LayerNormGradInputCall& call) { gradInput(call, normKernels().layerNormInput); }
void layerNormGradParameters(const LayerNormGradParametersCall& call) {
  const Norm n = {call.x.rows(), call.x.columns(), call.eps};
  const Scratch partial(partialBytes(n, 2));
  normKernels().layerNormParameters(n, call.dy.in<float>(n.rows * n.d), call.x.in<float>(n.rows * n.d),
                                    partial.as<float>(), call.dweight.out<float>(n.d), call.dbias.out<float>(n.d));
}
void rmsNorm(const RmsNormCall& call) {
  const Norm n = {call.x.rows(), call.x.columns(), call.eps};
  check(!call.inverses, "rmsNorm: the inverses are for a result in bf16");
  normKernels().rmsNorm(n, call.x.in<float>(n.rows * n.d), call.weight.in<float>(n.d), call.y.out<float>(n.rows * n.d));
}
void rmsNormGradInput(const RmsNormGradInputCall& call) { gradInput(call, normKernels().rmsNormInput); }
void rmsNormGradWeight(const RmsNormGradWeightCall& call) {
  const Norm n = {call.x.rows(), call.x.columns(), call.eps};
  const Scratch partial(partialBytes(n, 1));
  normKernels().rmsNormWeight(n, call.dy.in<float>(n.rows * n.d), call.x.in<float>(n.rows * n.d), partial.as<float>(),
                              call.dweight.out<float>(n.d));
}

void registerNorm(Napi::Env, Napi::Object exports) {
  bindCall<layerNorm>(exports);
  bindCall<layerNormGradInput>(exports);
  bindCall<layerNormGradParameters>(exports);
  bindCall<rmsNorm>(exports);
  bindCall<rmsNormGradInput>(exports);
  bindCall<rmsNormGradWeight>(exports);
}
REASVQA_REGISTER(registerNorm)

}  // namespace
}  // namespace reasvqa
