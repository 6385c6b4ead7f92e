/**
 * fusedGelu(form, x, y, n); fusedGeluGrad(form, dy, x, dx, n); fusedGatedGelu(form, gate, up, y, rows, columns, ...dropout);
 * fusedGatedGeluGrad(form, dy, gate, up, dgate, dup, rows, columns, ...dropout). form: 0 erf, 1 tanh. Why with dropout: T5
 * drops from what the unit gives, and each is one pass over the widest tensors of the model.
 */
#include "cpu/ops/gelu.h"

#include "cpu/ops/args.h"

namespace reasvqa {
namespace {

GeluForm formArg(const Args& args) {
  const int32_t form = args.i32(0);
  check(form == 0 || form == 1, "gelu: unknown form");
  return static_cast<GeluForm>(form);
}

void gelu(Args& args) {
  const int64_t n = args.size(3);
  geluKernels().forward(formArg(args), args.in<float>(1, n), args.out<float>(2, n), n);
}
void geluGrad(Args& args) {
  const int64_t n = args.size(4);
  geluKernels().backward(formArg(args), args.in<float>(1, n), args.in<float>(2, n), args.out<float>(3, n), n);
}
Gated gatedArgs(const Args& args, size_t index) {
  return {formArg(args), args.size(index), args.size(index + 1), dropoutArgs(args, index + 2)};
}
void gatedGelu(Args& args) {
  const Gated unit = gatedArgs(args, 4);
  const int64_t n = unit.rows * unit.columns;
  geluKernels().gated(unit, args.in<float>(1, n), args.in<float>(2, n), args.out<float>(3, n));
}
void gatedGeluGrad(Args& args) {
  const Gated unit = gatedArgs(args, 6);
  const int64_t n = unit.rows * unit.columns;
  geluKernels().gatedBackward(unit, args.in<float>(1, n), args.in<float>(2, n), args.in<float>(3, n),
                                   args.out<float>(4, n), args.out<float>(5, n));
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
