/** unary(op, dtype, x, y, n, p, q): y[n] = f(x[n]); see unary.h. x and y may be the same buffer. */
#include "cpu/ops/unary.h"

#include "binding.h"

namespace reasvqa {
namespace {

void unaryCall(Args& args) {
  const int32_t code = args.i32(0);
  check(code >= 0 && code < static_cast<int32_t>(UnaryOp::count), "unary: unknown operation");
  const auto op = static_cast<UnaryOp>(code);
  const Dtype dtype = args.dtype(1);
  const int64_t n = args.size(4);
  if (dtype == Dtype::i32) {
    const bool known = unaryKernels().i32(op, args.in<int32_t>(2, n), args.out<int32_t>(3, n), n, args.i32(5), args.i32(6));
    check(known, "unary: no such operation on int32");
  } else if (dtype == Dtype::u8) {
    check(op == UnaryOp::logicalNot, "unary: no such operation on bool");
    unaryKernels().logicalNot(args.in<uint8_t>(2, n), args.out<uint8_t>(3, n), n);
  } else if (op >= UnaryOp::isFinite) {
    check(op != UnaryOp::logicalNot, "unary: no such operation on float32");
    unaryKernels().test(op, args.in<float>(2, n), args.out<uint8_t>(3, n), n);
  } else {
    unaryKernels().f32(op, args.in<float>(2, n), args.out<float>(3, n), n, args.f32(5), args.f32(6));
  }
}

void registerUnary(Napi::Env, Napi::Object exports) {
  bind<unaryCall>(exports, "unary");
  nameEnum<UnaryOp>(exports, "unary");
}
REASVQA_REGISTER(registerUnary)

}  // namespace
}  // namespace reasvqa
