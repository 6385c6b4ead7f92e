/**
 * fusedGelu(form, x, y, n); fusedGeluGrad(form, dy, x, dx, n); fusedGatedGelu(form, gate, up, y, n);
 * fusedGatedGeluGrad(form, dy, gate, up, dgate, dup, n). form: 0 erf, 1 tanh.
 */
#include "cpu/fused_gelu.h"

#include "binding.h"

namespace reasvqa {
namespace {

GeluForm formArg(const Args& args) {
  const int32_t form = args.i32(0);
  check(form == 0 || form == 1, "gelu: unknown form");
  return static_cast<GeluForm>(form);
}

void gelu(Args& args) {
  const int64_t n = args.size(3);
  fusedGeluKernels().forward(formArg(args), args.in<float>(1, n), args.out<float>(2, n), n);
}
void geluGrad(Args& args) {
  const int64_t n = args.size(4);
  fusedGeluKernels().backward(formArg(args), args.in<float>(1, n), args.in<float>(2, n), args.out<float>(3, n), n);
}
void gatedGelu(Args& args) {
  const int64_t n = args.size(4);
  fusedGeluKernels().gated(formArg(args), args.in<float>(1, n), args.in<float>(2, n), args.out<float>(3, n), n);
}
void gatedGeluGrad(Args& args) {
  const int64_t n = args.size(6);
  fusedGeluKernels().gatedBackward(formArg(args), args.in<float>(1, n), args.in<float>(2, n), args.in<float>(3, n),
                                   args.out<float>(4, n), args.out<float>(5, n), n);
}

void registerFusedGelu(Napi::Env, Napi::Object exports) {
  bind<gelu>(exports, "fusedGelu");
  bind<geluGrad>(exports, "fusedGeluGrad");
  bind<gatedGelu>(exports, "fusedGatedGelu");
  bind<gatedGeluGrad>(exports, "fusedGatedGeluGrad");
}
REASVQA_REGISTER(registerFusedGelu)

}  // namespace
}  // namespace reasvqa
