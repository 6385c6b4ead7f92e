#include "cpu/ops/optimizer_pieces.h"

namespace reasvqa {
namespace {

void adamw(const AdamWCall& call, Args& args) {
  const AdamW step = adamwOf(call);
  const std::vector<AdamWPiece> pieces = adamwPieces(call, args);
  optimizerKernels().adamw(step, pieces.data(), static_cast<int64_t>(pieces.size()));
}

void globalNorm(const GlobalNormCall& call, Args& args) {
  float* result = call.norm.out<float>(1);
  const std::vector<NormPiece> pieces = normPieces(args);
  std::vector<double> sums(pieces.size());
  optimizerKernels().squares(pieces.data(), static_cast<int64_t>(pieces.size()), sums.data());
  double total = 0;
  for (const double sum : sums) total += sum;
  *result = static_cast<float>(std::sqrt(total));
}

void registerOptimizer(Napi::Env, Napi::Object exports) {
  bindCall<adamw>(exports);
  bindCall<globalNorm>(exports);
}
REASVQA_REGISTER(registerOptimizer)

}  // namespace
}  // namespace reasvqa
