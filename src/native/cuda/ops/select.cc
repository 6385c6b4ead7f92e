/** select(element bytes, condition, a, b, out, n, inner) on the CUDA device; see cpu/ops/copy.h. */
#include <string>

#include "cuda/runtime/args.h"
#include "cuda/runtime/launch.h"
#include "cuda/runtime/rows.h"

namespace reasvqa::cuda {
namespace {

template <class T>
void run(CudaArgs& args, const std::string& suffix) {
  const int64_t n = args.size(5);
  const int64_t inner = args.size(6);
  const auto* condition = args.in<uint8_t>(1, n);
  const T* a = args.in<T>(2, n * inner);
  const T* b = args.in<T>(3, n * inner);
  T* out = args.out<T>(4, n * inner);
  if (inner == 1) return launch("select", ("select" + suffix).c_str(), gridFor(n), {256}, 0, condition, a, b, out, n);
  const int32_t width = powerOfTwo(inner);
  launch("select", ("selectRows" + suffix).c_str(), gridForRows(n, width), {256}, 0, condition, a, b, out, n, inner, width);
}

void select(CudaArgs& args) {
  const int32_t elementBytes = args.i32(0);
  check(elementBytes == 1 || elementBytes == 4, "select: elements of 1 or 4 bytes are expected");
  if (elementBytes == 4) return run<uint32_t>(args, "U32");
  run<uint8_t>(args, "U8");
}

void registerSelect(Napi::Env, Napi::Object cuda) { bindCuda<select>(cuda, "select"); }
REASVQA_CUDA_REGISTER(registerSelect)

}  // namespace
}  // namespace reasvqa::cuda
