/** topK(x, values, indices, rows, length, k) on the CUDA device; see cpu/ops/reduce.h. */
#include "cuda/runtime/args.h"
#include "cuda/runtime/launch.h"

namespace reasvqa::cuda {
namespace {

void topK(CudaArgs& args) {
  const int64_t rows = args.size(3);
  const int64_t length = args.size(4);
  const int64_t k = args.size(5);
  check(k <= length, "topK: k is larger than the row");
  const auto* x = args.in<float>(0, rows * length);
  auto* values = args.out<float>(1, rows * k);
  launch("top_k", "topK", gridFor(rows * length), {256}, 0, x, values, args.out<int32_t>(2, rows * k), rows, length, k);
}

void registerTopK(Napi::Env, Napi::Object cuda) { bindCuda<topK>(cuda, "topK"); }
REASVQA_CUDA_REGISTER(registerTopK)

}  // namespace
}  // namespace reasvqa::cuda
