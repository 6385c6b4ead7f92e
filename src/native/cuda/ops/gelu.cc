/**
 * GELU, gated GELU and gated SiLU on the CUDA device (cpu/ops/gelu.h). x and the results may be stored in bf16, gate and up
 * alike, dgate and dup alike.
 */
#include "cpu/ops/gelu.h"

#include "cuda/ops/dropout.h"
#include "cuda/ops/gelu_args.h"
#include "cuda/runtime/launch.h"
#include "cuda/runtime/stored.h"

namespace reasvqa::cuda {
namespace {

Grid gridOf(int64_t n) { return gridFor(ceilDiv(n, 4)); }

/** As the kernels take it. */
int32_t numberOf(GeluForm form) { return form == GeluForm::erf ? kErf : kTanh; }

/** Name of the variant of a kernel for operands and results stored so. */
std::string variantOf(const char* kernel, Type from, Type to) {
  return variant((kernel + std::string(from == Type::bf16 ? "FromBf16" : "")).c_str(), to);
}

void gelu(const GeluCall& call) {
  const int64_t n = call.x.elements();
  const Stored x = storedIn(call.x, n);
  const StoredResult y = storedOut(call.y, n);
  launch("gelu", variantOf("gelu", x.type, y.type).c_str(), gridOf(n), {256}, 0, numberOf(call.form), x.data, y.data, n);
}
void geluGrad(const GeluGradCall& call) {
  const int64_t n = call.x.elements();
  const Stored x = storedIn(call.x, n);
  const StoredResult dx = storedOut(call.dx, n);
  launch("gelu", variantOf("geluGrad", x.type, dx.type).c_str(), gridOf(n), {256}, 0, numberOf(call.form),
         call.dy.in<float>(n), x.data, dx.data, n);
}

/** gate and up of a call, which are stored alike; a thread takes four columns. */
struct Gated {
  template <class Call>
  explicit Gated(const Call& call)
      : rows(call.gate.rows()),
        columns(call.gate.columns()),
        gate(storedIn(call.gate, rows * columns)),
        up(storedIn(call.up, rows * columns)) {
    check(gate.type == up.type, "a gated unit: gate and up are stored alike");
  }
  int64_t elements() const { return rows * columns; }
  Grid grid() const { return gridFor(rows * ceilDiv(columns, 4)); }

  int64_t rows;
  int64_t columns;
  Stored gate;
  Stored up;
};

template <class Call>
void gated(int32_t form, const Call& call) {
  const Gated unit(call);
  const StoredResult y = storedOut(call.y, unit.elements());
  launch("gelu", variantOf("gated", unit.gate.type, y.type).c_str(), unit.grid(), {256}, 0, form, unit.gate.data,
         unit.up.data, y.data, unit.rows, unit.columns, kernelDropout(call.dropout));
}
template <class Call>
void gatedGrad(int32_t form, const Call& call) {
  const Gated unit(call);
  const int64_t n = unit.elements();
  const StoredResult dgate = storedOut(call.dgate, n);
  const StoredResult dup = storedOut(call.dup, n);
  check(dgate.type == dup.type, "a gated unit: dgate and dup are stored alike");
  launch("gelu", variantOf("gatedGrad", unit.gate.type, dgate.type).c_str(), unit.grid(), {256}, 0, form,
         call.dy.template in<float>(n), unit.gate.data, unit.up.data, dgate.data, dup.data, unit.rows, unit.columns,
         kernelDropout(call.dropout));
}

void gatedGelu(const GatedGeluCall& call) { gated(numberOf(call.form), call); }
void gatedGeluGrad(const GatedGeluGradCall& call) { gatedGrad(numberOf(call.form), call); }
void gatedSilu(const GatedSiluCall& call) { gated(int32_t{kSilu}, call); }
void gatedSiluGrad(const GatedSiluGradCall& call) { gatedGrad(int32_t{kSilu}, call); }

void registerGelu(Napi::Env, Napi::Object cuda) {
  bindCudaCall<gelu>(cuda);
  bindCudaCall<geluGrad>(cuda);
  bindCudaCall<gatedGelu>(cuda);
  bindCudaCall<gatedGeluGrad>(cuda);
  bindCudaCall<gatedSilu>(cuda);
  bindCudaCall<gatedSiluGrad>(cuda);
}
REASVQA_CUDA_REGISTER(registerGelu)

}  // namespace
}  // namespace reasvqa::cuda
