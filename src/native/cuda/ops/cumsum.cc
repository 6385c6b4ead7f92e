/** cumsum(dtype, x, y, rows, length, exclusive, reverse) on the CUDA device; see cpu/ops/reduce.h. */
#include <algorithm>

#include "cuda/runtime/args.h"
#include "cuda/runtime/launch.h"
#include "cuda/runtime/rows.h"

namespace reasvqa::cuda {
namespace {

template <class T>
void run(CudaArgs& args, const char* kernel) {
  const int64_t rows = args.size(3);
  const int64_t length = args.size(4);
  const int32_t exclusive = args.flag(5);
  const int32_t reverse = args.flag(6);
  const auto block = static_cast<uint32_t>(powerOfTwo(length));
  const auto blocks = static_cast<uint32_t>(std::min<int64_t>(rows, INT32_MAX));
  const T* x = args.in<T>(1, rows * length);
  launch("cumsum", kernel, {blocks}, {block}, 0, x, args.out<T>(2, rows * length), rows, length, exclusive, reverse);
}

void cumsum(CudaArgs& args) {
  const Dtype dtype = args.dtype(0);
  if (dtype == Dtype::f32) return run<float>(args, "cumsumF32");
  check(dtype == Dtype::i32, "cumsum: float32 or int32 is expected");
  run<uint32_t>(args, "cumsumI32");
}

void registerCumsum(Napi::Env, Napi::Object cuda) { bindCuda<cumsum>(cuda, "cumsum"); }
REASVQA_CUDA_REGISTER(registerCumsum)

}  // namespace
}  // namespace reasvqa::cuda
