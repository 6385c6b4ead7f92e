/** Rotary positions: reads the call and checks its shapes. */
#include "cpu/ops/rope.h"

#include "binding.h"

namespace reasvqa {
namespace {

void rope(const RopeCall& call) {
  const int64_t batch = call.x.axis(0, 3);
  const int64_t length = call.x.axis(1, 3);
  const int64_t width = call.x.axis(2, 3);
  check(call.heads > 0 && width % (2 * call.heads) == 0, "rope: a width that is no even multiple of the heads");
  Rope r;
  r.rows = batch * length;
  r.length = length;
  r.heads = call.heads;
  r.half = width / call.heads / 2;
  r.sign = call.back ? -1.0f : 1.0f;
  r.cos = call.cos.in<float>(length * r.half);
  r.sin = call.sin.in<float>(length * r.half);
  const int64_t n = r.rows * width;
  ropeKernels().run(r, call.x.in<float>(n), call.y.out<float>(n));
}

void registerRope(Napi::Env, Napi::Object exports) { bindCall<rope>(exports); }
REASVQA_REGISTER(registerRope)

}  // namespace
}  // namespace reasvqa
