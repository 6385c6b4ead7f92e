/** unary(op, dtype, x, y, n, p, q) on the CUDA device; see cpu/ops/unary.h. x and y may be the same buffer. */
#include "cpu/ops/unary.h"

#include "cuda/runtime/args.h"
#include "cuda/runtime/launch.h"

namespace reasvqa::cuda {
namespace {

const char* i32Kernel(UnaryOp op) {
  switch (op) {
    case UnaryOp::abs: return "absI32";
    case UnaryOp::neg: return "negI32";
    case UnaryOp::relu: return "reluI32";
    case UnaryOp::sign: return "signI32";
    case UnaryOp::clip: return "clipI32";
    default: return nullptr;
  }
}

template <class T, class U>
void run(CudaArgs& args, const char* kernel, T p, T q) {
  const int64_t n = args.size(4);
  const T* x = args.in<T>(2, n);
  launch("unary", kernel, gridFor((n + 3) / 4), {256}, 0, x, args.out<U>(3, n), n, p, q);
}

void unary(CudaArgs& args) {
  const int32_t code = args.i32(0);
  check(code >= 0 && code < static_cast<int32_t>(UnaryOp::count), "unary: unknown operation");
  const auto op = static_cast<UnaryOp>(code);
  const Dtype dtype = args.dtype(1);
  if (dtype == Dtype::i32) {
    const char* kernel = i32Kernel(op);
    check(kernel != nullptr, "unary: no such operation on int32");
    return run<int32_t, int32_t>(args, kernel, args.i32(5), args.i32(6));
  }
  if (dtype == Dtype::u8) {
    check(op == UnaryOp::logicalNot, "unary: no such operation on bool");
    return run<uint8_t, uint8_t>(args, "logicalNotU8", 0, 0);
  }
  check(op != UnaryOp::logicalNot, "unary: no such operation on float32");
  static const std::vector<std::string> names = splitNames(namesOf(UnaryOp{}));
  const std::string kernel = names[static_cast<size_t>(code)] + "F32";
  if (op >= UnaryOp::isFinite) return run<float, uint8_t>(args, kernel.c_str(), 0.0f, 0.0f);
  run<float, float>(args, kernel.c_str(), args.f32(5), args.f32(6));
}

void registerUnary(Napi::Env, Napi::Object cuda) { bindCuda<unary>(cuda, "unary"); }
REASVQA_CUDA_REGISTER(registerUnary)

}  // namespace
}  // namespace reasvqa::cuda
