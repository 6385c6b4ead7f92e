/** fill(dtype, out, n, value), range(dtype, out, n, start, step) on the CUDA device; see cpu/ops/copy.h. */
#include "cuda/runtime/args.h"
#include "cuda/runtime/launch.h"

namespace reasvqa::cuda {
namespace {

void fill(CudaArgs& args) {
  const Dtype dtype = args.dtype(0);
  const int64_t n = args.size(2);
  const Grid grid = gridFor((n + 3) / 4);
  if (dtype == Dtype::u8) {
    return launch("fill", "fillU8", grid, {256}, 0, args.out<uint8_t>(1, n), n, static_cast<uint8_t>(args.i32(3)));
  }
  launch("fill", "fillU32", grid, {256}, 0, args.out<uint32_t>(1, n), n, args.bits(3, dtype));
}

void range(CudaArgs& args) {
  const Dtype dtype = args.dtype(0);
  const int64_t n = args.size(2);
  check(dtype != Dtype::u8, "range: float32 or int32 is expected");
  if (dtype == Dtype::f32) {
    return launch("fill", "rangeF32", gridFor(n), {256}, 0, args.out<float>(1, n), n, args.number(3), args.number(4));
  }
  launch("fill", "rangeI32", gridFor(n), {256}, 0, args.out<int32_t>(1, n), n, args.number(3), args.number(4));
}

void registerFill(Napi::Env, Napi::Object cuda) {
  bindCuda<fill>(cuda, "fill");
  bindCuda<range>(cuda, "range");
}
REASVQA_CUDA_REGISTER(registerFill)

}  // namespace
}  // namespace reasvqa::cuda
