/** cast(from dtype, to dtype, x, y, n) on the CUDA device; see cpu/ops/copy.h. */
#include "cuda/runtime/args.h"
#include "cuda/runtime/launch.h"

namespace reasvqa::cuda {
namespace {

template <class T, class U>
void convert(CudaArgs& args, const char* kernel) {
  const int64_t n = args.size(4);
  launch("cast", kernel, gridFor(n), {256}, 0, args.in<T>(2, n), args.out<U>(3, n), n);
}

void cast(CudaArgs& args) {
  const Dtype from = args.dtype(0);
  const Dtype to = args.dtype(1);
  check(from != to, "cast: two different dtypes are expected");
  if (from == Dtype::f32) {
    return to == Dtype::i32 ? convert<float, int32_t>(args, "f32ToI32") : convert<float, uint8_t>(args, "f32ToU8");
  }
  if (from == Dtype::i32) {
    return to == Dtype::f32 ? convert<int32_t, float>(args, "i32ToF32") : convert<int32_t, uint8_t>(args, "i32ToU8");
  }
  return to == Dtype::f32 ? convert<uint8_t, float>(args, "u8ToF32") : convert<uint8_t, int32_t>(args, "u8ToI32");
}

void registerCast(Napi::Env, Napi::Object cuda) { bindCuda<cast>(cuda, "cast"); }
REASVQA_CUDA_REGISTER(registerCast)

}  // namespace
}  // namespace reasvqa::cuda
