/** Rotary positions on the CUDA device. */
#include "cpu/ops/rope.h"

#include "cuda/runtime/args.h"
#include "cuda/runtime/launch.h"

namespace reasvqa::cuda {
namespace {

void rope(const RopeCall& call) {
  const Rope r = ropeOf(call);
  const int64_t n = call.x.elements();
  const float* x = call.x.in<float>(n);
  float* y = call.y.out<float>(n);
  launch("rope", "rope", gridFor(r.rows * r.heads * ceilDiv(r.half, 4)), {256}, 0, r, x, y);
}

void registerRope(Napi::Env, Napi::Object cuda) { bindCudaCall<rope>(cuda); }
REASVQA_CUDA_REGISTER(registerRope)

}  // namespace
}  // namespace reasvqa::cuda
