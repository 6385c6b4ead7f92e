#include "cpu/ops/gelu.h"

#include "binding.h"

namespace reasvqa {
namespace {

void gelu(const GeluCall& call) {
  const int64_t n = call.x.elements();
  geluKernels().forward(call.form, call.x.in<float>(n), call.y.out<float>(n), n);
}
void geluGrad(const GeluGradCall& call) {
  const int64_t n = call.x.elements();
  geluKernels().backward(call.form, call.dy.in<float>(n), call.x.in<float>(n), call.dx.out<float>(n), n);
}
void gatedGelu(const GatedGeluCall& call) {
  const Gated unit = {call.form, call.gate.rows(), call.gate.columns(), dropoutOf(call.dropout)};
  const int64_t n = unit.rows * unit.columns;
  geluKernels().gated(unit, call.gate.in<float>(n), call.up.in<float>(n), call.y.out<float>(n));
}
void gatedGeluGrad(const GatedGeluGradCall& call) {
  const Gated unit = {call.form, call.gate.rows(), call.gate.columns(), dropoutOf(call.dropout)};
  const int64_t n = unit.rows * unit.columns;
  geluKernels().gatedBackward(unit, call.dy.in<float>(n), call.gate.in<float>(n), call.up.in<float>(n),
                              call.dgate.out<float>(n), call.dup.out<float>(n));
}

void gatedSilu(const GatedSiluCall& call) {
  const Gated unit = {GeluForm::erf, call.gate.rows(), call.gate.columns(), dropoutOf(call.dropout)};
  const int64_t n = unit.rows * unit.columns;
  geluKernels().gatedSilu(unit, call.gate.in<float>(n), call.up.in<float>(n), call.y.out<float>(n));
}
void gatedSiluGrad(const GatedSiluGradCall& call) {
  const Gated unit = {GeluForm::erf, call.gate.rows(), call.gate.columns(), dropoutOf(call.dropout)};
  const int64_t n = unit.rows * unit.columns;
  geluKernels().gatedSiluBackward(unit, call.dy.in<float>(n), call.gate.in<float>(n), call.up.in<float>(n),
                                  call.dgate.out<float>(n), call.dup.out<float>(n));
}

void registerGelu(Napi::Env, Napi::Object exports) {
  bindCall<gelu>(exports);
  bindCall<geluGrad>(exports);
  bindCall<gatedGelu>(exports);
  bindCall<gatedGeluGrad>(exports);
  bindCall<gatedSilu>(exports);
  bindCall<gatedSiluGrad>(exports);
}
REASVQA_REGISTER(registerGelu)

}  // namespace
}  // namespace reasvqa
