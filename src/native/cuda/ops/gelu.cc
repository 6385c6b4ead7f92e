/**
 * fusedGelu(form, x, y, n); fusedGeluGrad(form, dy, x, dx, n); fusedGatedGelu(form, gate, up, y, rows, columns, ...dropout);
 * fusedGatedGeluGrad(form, dy, gate, up, dgate, dup, rows, columns, ...dropout). form: 0 erf, 1 tanh. x and the results may
 * be stored in bf16, gate and up alike, dgate and dup alike. Why with dropout: T5 drops from what the unit gives, and each is
 * one pass over the widest tensors of the model.
 */
#include "cuda/ops/dropout_args.h"
#include "cuda/runtime/stored.h"

namespace reasvqa::cuda {
namespace {

int32_t formArg(const CudaArgs& args) {
  const int32_t form = args.i32(0);
  check(form == 0 || form == 1, "gelu: unknown form");
  return form;
}

Grid gridOf(int64_t n) { return gridFor(ceilDiv(n, 4)); }

/** Name of the variant of a kernel for operands and results stored so. */
std::string variantOf(const char* kernel, Type from, Type to) {
  return variant((kernel + std::string(from == Type::bf16 ? "FromBf16" : "")).c_str(), to);
}

void gelu(CudaArgs& args) {
  const int64_t n = args.size(3);
  const Stored x = storedArg(args, 1, n);
  const StoredResult y = storedResult(args, 2, n);
  launch("gelu", variantOf("gelu", x.type, y.type).c_str(), gridOf(n), {256}, 0, formArg(args), x.data, y.data, n);
}
void geluGrad(CudaArgs& args) {
  const int64_t n = args.size(4);
  const Stored x = storedArg(args, 2, n);
  const StoredResult dx = storedResult(args, 3, n);
  launch("gelu", variantOf("geluGrad", x.type, dx.type).c_str(), gridOf(n), {256}, 0, formArg(args),
         args.in<float>(1, n), x.data, dx.data, n);
}

/** The last arguments of a gated unit: its tensors are (rows, columns), dropout is on its result. */
struct Gated {
  int64_t rows;
  int64_t columns;
  Dropout dropout;

  int64_t elements() const { return rows * columns; }
  Grid grid() const { return gridFor(rows * ceilDiv(columns, 4)); }
};
Gated gatedArgs(const CudaArgs& args, size_t index) {
  return {args.size(index), args.size(index + 1), dropoutArgs(args, index + 2)};
}

/** Operand `index` and the next one, which is stored alike. */
std::pair<Stored, Stored> gateAndUp(const CudaArgs& args, size_t index, int64_t n) {
  const Stored gate = storedArg(args, index, n);
  const Stored up = storedArg(args, index + 1, n);
  check(gate.type == up.type, "gatedGelu: gate and up are stored alike");
  return {gate, up};
}

void gatedGelu(CudaArgs& args) {
  const Gated unit = gatedArgs(args, 4);
  const int64_t n = unit.elements();
  const auto [gate, up] = gateAndUp(args, 1, n);
  const StoredResult y = storedResult(args, 3, n);
  launch("gelu", variantOf("gatedGelu", gate.type, y.type).c_str(), unit.grid(), {256}, 0, formArg(args), gate.data,
         up.data, y.data, unit.rows, unit.columns, unit.dropout);
}
void gatedGeluGrad(CudaArgs& args) {
  const Gated unit = gatedArgs(args, 6);
  const int64_t n = unit.elements();
  const auto [gate, up] = gateAndUp(args, 2, n);
  const StoredResult dgate = storedResult(args, 4, n);
  const StoredResult dup = storedResult(args, 5, n);
  check(dgate.type == dup.type, "gatedGelu: dgate and dup are stored alike");
  launch("gelu", variantOf("gatedGeluGrad", gate.type, dgate.type).c_str(), unit.grid(), {256}, 0, formArg(args),
         args.in<float>(1, n), gate.data, up.data, dgate.data, dup.data, unit.rows, unit.columns, unit.dropout);
}

void registerFusedGelu(Napi::Env, Napi::Object cuda) {
  bindCuda<gelu>(cuda, "fusedGelu");
  bindCuda<geluGrad>(cuda, "fusedGeluGrad");
  bindCuda<gatedGelu>(cuda, "fusedGatedGelu");
  bindCuda<gatedGeluGrad>(cuda, "fusedGatedGeluGrad");
}
REASVQA_CUDA_REGISTER(registerFusedGelu)

}  // namespace
}  // namespace reasvqa::cuda
