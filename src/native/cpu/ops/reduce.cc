/**
 * reduce(op, dtype, x, y, outer, reduced, inner, scale), softmax(x, y, rows, length),
 * cumsum(dtype, x, y, rows, length, exclusive, reverse), topK(x, values, indices, rows, length, k). See reduce.h.
 */
#include "cpu/ops/reduce.h"

#include <optional>

#include "binding.h"

namespace reasvqa {
namespace {

void reduceCall(Args& args) {
  const int32_t code = args.i32(0);
  check(code >= 0 && code < static_cast<int32_t>(ReduceOp::count), "reduce: unknown operation");
  const auto op = static_cast<ReduceOp>(code);
  const Dtype dtype = args.dtype(1);
  const Reduction shape = {args.size(4), args.size(5), args.size(6)};
  const int64_t from = shape.outer * shape.reduced * shape.inner;
  const int64_t to = shape.outer * shape.inner;
  const bool position = op == ReduceOp::argMax || op == ReduceOp::argMin;
  const bool logical = op == ReduceOp::any || op == ReduceOp::all;
  check(!position || shape.reduced > 0, "reduce: argMax of nothing");
  const ReduceKernels& kernels = reduceKernels();
  if (logical) {
    check(dtype == Dtype::u8, "reduce: bool is expected");
    kernels.boolean(op, shape, args.in<uint8_t>(2, from), args.out<uint8_t>(3, to));
  } else if (dtype == Dtype::f32 && position) {
    kernels.argF32(op, shape, args.in<float>(2, from), args.out<int32_t>(3, to));
  } else if (dtype == Dtype::f32) {
    const int64_t partials = reducePartials(shape);
    std::optional<Scratch> scratch;
    if (shape.reduced > kRowChunk) scratch.emplace(static_cast<size_t>(partials) * sizeof(float));
    kernels.f32(op, shape, args.in<float>(2, from), args.out<float>(3, to), args.f32(7),
                scratch ? scratch->as<float>() : nullptr);
  } else {
    check(dtype == Dtype::i32, "reduce: float32 or int32 is expected");
    if (position) return kernels.argI32(op, shape, args.in<int32_t>(2, from), args.out<int32_t>(3, to));
    kernels.i32(op, shape, args.in<int32_t>(2, from), args.out<int32_t>(3, to));
  }
}

void softmax(Args& args) {
  const int64_t rows = args.size(2);
  const int64_t length = args.size(3);
  reduceKernels().softmax(args.in<float>(0, rows * length), args.out<float>(1, rows * length), rows, length);
}

void cumsum(Args& args) {
  const Dtype dtype = args.dtype(0);
  const int64_t rows = args.size(3);
  const int64_t length = args.size(4);
  const int64_t n = rows * length;
  if (dtype == Dtype::f32) {
    reduceKernels().cumsumF32(args.in<float>(1, n), args.out<float>(2, n), rows, length, args.flag(5), args.flag(6));
    return;
  }
  check(dtype == Dtype::i32, "cumsum: float32 or int32 is expected");
  reduceKernels().cumsumI32(args.in<int32_t>(1, n), args.out<int32_t>(2, n), rows, length, args.flag(5), args.flag(6));
}

void topK(Args& args) {
  const int64_t rows = args.size(3);
  const int64_t length = args.size(4);
  const int64_t k = args.size(5);
  check(k <= length, "topK: k is larger than the row");
  reduceKernels().topK(args.in<float>(0, rows * length), args.out<float>(1, rows * k), args.out<int32_t>(2, rows * k), rows,
                       length, k);
}

void registerReduce(Napi::Env, Napi::Object exports) {
  bind<reduceCall>(exports, "reduce");
  nameEnum<ReduceOp>(exports, "reduce");
  bind<softmax>(exports, "softmax");
  bind<cumsum>(exports, "cumsum");
  bind<topK>(exports, "topK");
}
REASVQA_REGISTER(registerReduce)

}  // namespace
}  // namespace reasvqa
