/** binary(op, dtype, a, b, out, rank): out = f(a, b) over the layout {dims, strides of a, strides of b}; see binary.h. */
#include "cpu/ops/binary.h"

#include "binding.h"
#include "cpu/runtime/layout.h"

namespace reasvqa {
namespace {

template <class T, class U, class Kernel>
bool apply(Args& args, BinaryOp op, const Layout<2>& layout, Kernel kernel) {
  const int64_t n = layout.rows() * layout.inner();
  const Reach a = reachOf(layout, 0);
  const Reach b = reachOf(layout, 1);
  check(a.lowest == 0 && b.lowest == 0, "binary: a stride is negative");
  return kernel(op, layout, args.in<T>(2, a.highest + 1), args.in<T>(3, b.highest + 1), args.out<U>(4, n));
}

void binaryCall(Args& args) {
  const int32_t code = args.i32(0);
  check(code >= 0 && code < static_cast<int32_t>(BinaryOp::count), "binary: unknown operation");
  const auto op = static_cast<BinaryOp>(code);
  const Dtype dtype = args.dtype(1);
  const Layout<2> layout = readLayout<2>(args, args.size(5));
  const BinaryKernels& kernels = binaryKernels();
  const bool compares = op >= BinaryOp::equal;
  bool known = false;
  if (dtype == Dtype::f32) {
    known = compares ? apply<float, uint8_t>(args, op, layout, kernels.compareF32)
                     : apply<float, float>(args, op, layout, kernels.f32);
  } else if (dtype == Dtype::i32) {
    known = compares ? apply<int32_t, uint8_t>(args, op, layout, kernels.compareI32)
                     : apply<int32_t, int32_t>(args, op, layout, kernels.i32);
  } else if (compares) {
    known = apply<uint8_t, uint8_t>(args, op, layout, kernels.compareU8);
  }
  check(known, "binary: no such operation on this dtype");
}

void registerBinary(Napi::Env, Napi::Object exports) {
  bind<binaryCall>(exports, "binary");
  nameEnum<BinaryOp>(exports, "binary");
}
REASVQA_REGISTER(registerBinary)

}  // namespace
}  // namespace reasvqa
