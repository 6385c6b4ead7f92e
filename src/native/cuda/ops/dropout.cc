/**
 * fusedDropout(x, addend, y, rows, columns, ...dropout): y = addend + x * (0 or 1 / (1 - rate)); addend may be -1 (0), y may
 * be x or addend, or be stored in bf16. Why fused: a residual connection reads and writes its tensors once.
 */
#include "cuda/ops/dropout_args.h"
#include "cuda/runtime/stored.h"

namespace reasvqa::cuda {
namespace {

void dropout(CudaArgs& args) {
  const int64_t rows = args.size(3);
  const int64_t columns = args.size(4);
  const float* x = args.in<float>(0, rows * columns);
  const float* addend = args.inOrNull<float>(1, rows * columns);
  const StoredResult y = storedResult(args, 2, rows * columns);
  launch("dropout", variant("dropoutRows", y.type).c_str(), gridFor(rows * ceilDiv(columns, 4)), {256}, 0, x, addend,
         y.data, rows, columns, dropoutArgs(args, 5));
}

void registerFusedDropout(Napi::Env, Napi::Object cuda) { bindCuda<dropout>(cuda, "fusedDropout"); }
REASVQA_CUDA_REGISTER(registerFusedDropout)

}  // namespace
}  // namespace reasvqa::cuda
