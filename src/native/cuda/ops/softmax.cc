/** softmax(x, y, rows, length) on the CUDA device; see cpu/ops/reduce.h. */
#include <algorithm>

#include "cuda/runtime/args.h"
#include "cuda/runtime/launch.h"

namespace reasvqa::cuda {
namespace {

/** Up to this length a warp takes a row. */
constexpr int64_t kWarpRow = 1024;

void softmax(CudaArgs& args) {
  const int64_t rows = args.size(2);
  const int64_t length = args.size(3);
  const auto* x = args.in<float>(0, rows * length);
  auto* y = args.out<float>(1, rows * length);
  if (length <= kWarpRow) return launch("softmax", "softmaxByWarps", gridFor(rows * 32), {256}, 0, x, y, rows, length);
  const auto blocks = static_cast<uint32_t>(std::min<int64_t>(rows, INT32_MAX));
  launch("softmax", "softmaxByBlocks", {blocks}, {512}, 0, x, y, rows, length);
}

void registerSoftmax(Napi::Env, Napi::Object cuda) { bindCuda<softmax>(cuda, "softmax"); }
REASVQA_CUDA_REGISTER(registerSoftmax)

}  // namespace
}  // namespace reasvqa::cuda
