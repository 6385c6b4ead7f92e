#include "cuda/ops/dropout.h"

#include "cpu/ops/dropout.h"
#include "cuda/runtime/launch.h"
#include "cuda/runtime/stored.h"

namespace reasvqa::cuda {
namespace {

/** y may be stored in bf16. */
void dropout(const DropoutCall& call) {
  const int64_t rows = call.x.rows();
  const int64_t columns = call.x.columns();
  const float* x = call.x.in<float>(rows * columns);
  const float* addend = call.addend.in<float>(rows * columns);
  const StoredResult y = storedOut(call.y, rows * columns);
  launch("dropout", variant("dropoutRows", y.type).c_str(), gridFor(rows * ceilDiv(columns, 4)), {256}, 0, x, addend, y.data,
         rows, columns, kernelDropout(call.dropout));
}

void registerDropout(Napi::Env, Napi::Object cuda) { bindCudaCall<dropout>(cuda); }
REASVQA_CUDA_REGISTER(registerDropout)

}  // namespace
}  // namespace reasvqa::cuda
