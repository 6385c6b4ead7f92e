/**
 * fusedAdamW(buffers, sizes, rates, beta1, beta2, eps, step, gradScale): `buffers` Int32Array of 4 ids a tensor (p, m,
 * v, g; the first three are updated in place), `sizes` Float64Array of element counts, `rates` Float64Array of 2
 * numbers a tensor (learning rate, weight decay).
 *
 * fusedGlobalNorm(buffers, sizes, result): sqrt of the sum of all squares, written to the one float of `result`.
 */
#include "cpu/ops/optimizer_args.h"

namespace reasvqa {
namespace {

void adamw(Args& args) {
  const AdamW hyper = adamwArgs(args);
  const std::vector<AdamWPiece> pieces = adamwPieces(args);
  optimizerKernels().adamw(hyper, pieces.data(), static_cast<int64_t>(pieces.size()));
}

void globalNorm(Args& args) {
  float* result = args.out<float>(2, 1);
  const std::vector<NormPiece> pieces = normPieces(args);
  std::vector<double> sums(pieces.size());
  optimizerKernels().squares(pieces.data(), static_cast<int64_t>(pieces.size()), sums.data());
  double total = 0;
  for (const double sum : sums) total += sum;
  *result = static_cast<float>(std::sqrt(total));
}

void registerFusedOptimizer(Napi::Env, Napi::Object exports) {
  bind<adamw>(exports, "fusedAdamW");
  bind<globalNorm>(exports, "fusedGlobalNorm");
}
REASVQA_REGISTER(registerFusedOptimizer)

}  // namespace
}  // namespace reasvqa
