/**
 * fusedGelu(form, x, y, n); fusedGeluGrad(form, dy, x, dx, n); fusedGatedGelu(form, gate, up, y, rows, columns, ...dropout);
 * fusedGatedGeluGrad(form, dy, gate, up, dgate, dup, rows, columns, ...dropout). form: 0 erf, 1 tanh. Results may be stored
 * in bf16, dgate and dup alike. Why with dropout: T5 drops from what the unit gives, and each is one pass over the widest
 * tensors of the model.
 */
#include "cuda/fused_args.h"
#include "cuda/fused_storage.h"

namespace reasvqa::cuda {
namespace {

int32_t formArg(const CudaArgs& args) {
  const int32_t form = args.i32(0);
  check(form == 0 || form == 1, "gelu: unknown form");
  return form;
}

Grid gridOf(int64_t n) { return gridFor(ceilDiv(n, 4)); }

void gelu(CudaArgs& args) {
  const int64_t n = args.size(3);
  const StoredResult y = storedResult(args, 2, n);
  launch("fused_gelu", variant("gelu", y.type).c_str(), gridOf(n), {256}, 0, formArg(args), args.in<float>(1, n), y.data,
         n);
}
void geluGrad(CudaArgs& args) {
  const int64_t n = args.size(4);
  const StoredResult dx = storedResult(args, 3, n);
  launch("fused_gelu", variant("geluGrad", dx.type).c_str(), gridOf(n), {256}, 0, formArg(args), args.in<float>(1, n),
         args.in<float>(2, n), dx.data, n);
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

void gatedGelu(CudaArgs& args) {
  const Gated unit = gatedArgs(args, 4);
  const int64_t n = unit.elements();
  const StoredResult y = storedResult(args, 3, n);
  launch("fused_gelu", variant("gatedGelu", y.type).c_str(), unit.grid(), {256}, 0, formArg(args), args.in<float>(1, n),
         args.in<float>(2, n), y.data, unit.rows, unit.columns, unit.dropout);
}
void gatedGeluGrad(CudaArgs& args) {
  const Gated unit = gatedArgs(args, 6);
  const int64_t n = unit.elements();
  const StoredResult dgate = storedResult(args, 4, n);
  const StoredResult dup = storedResult(args, 5, n);
  check(dgate.type == dup.type, "gatedGelu: dgate and dup are stored alike");
  launch("fused_gelu", variant("gatedGeluGrad", dgate.type).c_str(), unit.grid(), {256}, 0, formArg(args),
         args.in<float>(1, n), args.in<float>(2, n), args.in<float>(3, n), dgate.data, dup.data, unit.rows, unit.columns,
         unit.dropout);
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
