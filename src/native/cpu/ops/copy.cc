/**
 * copyStrided of copy_call.h, fill(dtype, out, n, value), range(dtype, out, n, start, step), cast(from dtype, to dtype, x,
 * y, n), select(element bytes, condition, a, b, out, n, inner). See copy.h.
 */
#include "cpu/ops/copy.h"

#include "binding.h"
#include "cpu/ops/copy_call.h"

namespace reasvqa {
namespace {

void copyStrided(Args& args) {
  const StridedCopy c = stridedCopy(args);
  if (c.from == nullptr) return;
  copyKernels().strided(c.layout, c.elementBytes, c.from + c.fromOffset * c.elementBytes,
                        c.to + c.toOffset * c.elementBytes);
}

void fill(Args& args) {
  const Dtype dtype = args.dtype(0);
  const int64_t n = args.size(2);
  if (dtype == Dtype::u8) return copyKernels().fill8(args.out<uint8_t>(1, n), n, static_cast<uint8_t>(args.i32(3)));
  copyKernels().fill32(args.out<uint32_t>(1, n), n, args.bits(3, dtype));
}

void range(Args& args) {
  const Dtype dtype = args.dtype(0);
  const int64_t n = args.size(2);
  if (dtype == Dtype::f32) return copyKernels().rangeF32(args.out<float>(1, n), n, args.number(3), args.number(4));
  check(dtype == Dtype::i32, "range: float32 or int32 is expected");
  copyKernels().rangeI32(args.out<int32_t>(1, n), n, args.number(3), args.number(4));
}

void cast(Args& args) {
  const Dtype from = args.dtype(0);
  const Dtype to = args.dtype(1);
  const int64_t n = args.size(4);
  const CopyKernels& kernels = copyKernels();
  if (from == Dtype::f32 && to == Dtype::i32) {
    kernels.f32ToI32(args.in<float>(2, n), args.out<int32_t>(3, n), n);
  } else if (from == Dtype::f32 && to == Dtype::u8) {
    kernels.f32ToBool(args.in<float>(2, n), args.out<uint8_t>(3, n), n);
  } else if (from == Dtype::i32 && to == Dtype::f32) {
    kernels.i32ToF32(args.in<int32_t>(2, n), args.out<float>(3, n), n);
  } else if (from == Dtype::i32 && to == Dtype::u8) {
    kernels.i32ToBool(args.in<int32_t>(2, n), args.out<uint8_t>(3, n), n);
  } else if (from == Dtype::u8 && to == Dtype::f32) {
    kernels.u8ToF32(args.in<uint8_t>(2, n), args.out<float>(3, n), n);
  } else if (from == Dtype::u8 && to == Dtype::i32) {
    kernels.u8ToI32(args.in<uint8_t>(2, n), args.out<int32_t>(3, n), n);
  } else {
    check(false, "cast: two different dtypes are expected");
  }
}

void select(Args& args) {
  const int32_t elementBytes = args.i32(0);
  const int64_t n = args.size(5);
  const int64_t inner = args.size(6);
  const auto* condition = args.in<uint8_t>(1, n);
  if (elementBytes == 4) {
    copyKernels().select32(condition, args.in<uint32_t>(2, n * inner), args.in<uint32_t>(3, n * inner),
                           args.out<uint32_t>(4, n * inner), n, inner);
    return;
  }
  check(elementBytes == 1, "select: elements of 1 or 4 bytes are expected");
  copyKernels().select8(condition, args.in<uint8_t>(2, n * inner), args.in<uint8_t>(3, n * inner),
                        args.out<uint8_t>(4, n * inner), n, inner);
}

void registerCopy(Napi::Env, Napi::Object exports) {
  bind<copyStrided>(exports, "copyStrided");
  bind<fill>(exports, "fill");
  bind<range>(exports, "range");
  bind<cast>(exports, "cast");
  bind<select>(exports, "select");
}
REASVQA_REGISTER(registerCopy)

}  // namespace
}  // namespace reasvqa
