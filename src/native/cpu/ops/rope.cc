/** Rotary positions: reads the call and checks its shapes. */
#include "cpu/ops/rope.h"

#include "binding.h"

namespace reasvqa {
Rope ropeOf(const RopeCall& call) {
  const int64_t batch = call.x.axis(0, 3);
  const int64_t length = call.x.axis(1, 3);
  const int64_t width = call.x.axis(2, 3);
  check(call.heads > 0 && width % (2 * call.heads) == 0, "rope: a width that is no even multiple of the heads");
  const int64_t half = width / call.heads / 2;
  return {batch * length,  length, call.heads, half, call.back ? -1.0f : 1.0f, call.cos.in<float>(length * half),
          call.sin.in<float>(length * half)};
}

namespace {

void rope(const RopeCall& call) {
  const Rope r = ropeOf(call);
  const int64_t n = call.x.elements();
  ropeKernels().run(r, call.x.in<float>(n), call.y.out<float>(n));
}

void registerRope(Napi::Env, Napi::Object exports) { bindCall<rope>(exports); }
REASVQA_REGISTER(registerRope)

}  // namespace
}  // namespace reasvqa
