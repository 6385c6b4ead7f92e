/**
 * fusedLayerNorm(x, weight, bias, y, rows, d, eps); fusedLayerNormGradInput(dy, x, weight, addend, dx, rows, d, eps);
 * fusedLayerNormGradParameters(dy, x, dweight, dbias, rows, d, eps); fusedRmsNorm(x, weight, y, -1, rows, d, eps);
 * fusedRmsNormGradInput(dy, x, weight, addend, dx, rows, d, eps); fusedRmsNormGradWeight(dy, x, dweight, rows, d, eps).
 *
 * The fourth argument of fusedRmsNorm is for results in bf16 (cuda/ops/norm.cc).
 */
#include "cpu/ops/norm.h"

#include "binding.h"

namespace reasvqa {
namespace {

Norm normArgs(const Args& args, size_t index) { return {args.size(index), args.size(index + 1), args.f32(index + 2)}; }

size_t partialBytes(const Norm& n, int64_t sums) {
  return static_cast<size_t>((n.rows + kNormChunk - 1) / kNormChunk * sums * n.d) * sizeof(float);
}

void layerNorm(Args& args) {
  const Norm n = normArgs(args, 4);
  normKernels().layerNorm(n, args.in<float>(0, n.rows * n.d), args.in<float>(1, n.d), args.in<float>(2, n.d),
                               args.out<float>(3, n.rows * n.d));
}
void gradInput(Args& args, NormGradInput kernel) {
  const Norm n = normArgs(args, 5);
  kernel(n, args.in<float>(0, n.rows * n.d), args.in<float>(1, n.rows * n.d), args.in<float>(2, n.d),
         args.inOrNull<float>(3, n.rows * n.d), args.out<float>(4, n.rows * n.d));
}
void layerNormGradInput(Args& args) {
  gradInput(args, normKernels().layerNormInput);
}
void layerNormGradParameters(Args& args) {
  const Norm n = normArgs(args, 4);
  const Scratch partial(partialBytes(n, 2));
  normKernels().layerNormParameters(n, args.in<float>(0, n.rows * n.d), args.in<float>(1, n.rows * n.d),
                                         partial.as<float>(), args.out<float>(2, n.d), args.out<float>(3, n.d));
}
void rmsNorm(Args& args) {
  const Norm n = normArgs(args, 4);
  check(args.i32(3) == -1, "rmsNorm: the inverses are for a result in bf16");
  normKernels().rmsNorm(n, args.in<float>(0, n.rows * n.d), args.in<float>(1, n.d),
                             args.out<float>(2, n.rows * n.d));
}
void rmsNormGradInput(Args& args) {
  gradInput(args, normKernels().rmsNormInput);
}
void rmsNormGradWeight(Args& args) {
  const Norm n = normArgs(args, 3);
  const Scratch partial(partialBytes(n, 1));
  normKernels().rmsNormWeight(n, args.in<float>(0, n.rows * n.d), args.in<float>(1, n.rows * n.d),
                                   partial.as<float>(), args.out<float>(2, n.d));
}

void registerFusedNorm(Napi::Env, Napi::Object exports) {
  bind<layerNorm>(exports, "fusedLayerNorm");
  bind<layerNormGradInput>(exports, "fusedLayerNormGradInput");
  bind<layerNormGradParameters>(exports, "fusedLayerNormGradParameters");
  bind<rmsNorm>(exports, "fusedRmsNorm");
  bind<rmsNormGradInput>(exports, "fusedRmsNormGradInput");
  bind<rmsNormGradWeight>(exports, "fusedRmsNormGradWeight");
}
REASVQA_REGISTER(registerFusedNorm)

}  // namespace
}  // namespace reasvqa
