/**
 * gather(element bytes, x, indices, out, batch, outer, dim, slice, count),
 * segmentSum(dtype, x, ids, out, rows, inner, segments), oneHot(dtype, indices, out, n, depth, on, off),
 * draw(probabilities, uniform, out, rows, outcomes, samples). See index.h.
 */
#include "cpu/ops/index.h"

#include "binding.h"

namespace reasvqa {
namespace {

void gather(Args& args) {
  const int32_t elementBytes = args.i32(0);
  check(elementBytes == 1 || elementBytes == 4, "gather: elements of 1 or 4 bytes are expected");
  const Gather s = {args.size(4), args.size(5), args.size(6), args.size(7), args.size(8)};
  const auto* x = args.in<std::byte>(1, s.batch * s.outer * s.dim * s.slice * elementBytes);
  const auto* indices = args.in<int32_t>(2, s.batch * s.count);
  auto* out = args.out<std::byte>(3, s.batch * s.outer * s.count * s.slice * elementBytes);
  const int64_t outside = indexKernels().firstOutside(indices, s.batch * s.count, s.dim);
  if (outside >= 0) {
    throw std::invalid_argument("GatherV2: the index value " + std::to_string(indices[outside]) + " is not in [0, " +
                                std::to_string(s.dim - 1) + "]");
  }
  indexKernels().gather(s, elementBytes, x, indices, out);
}

void segmentSum(Args& args) {
  const Dtype dtype = args.dtype(0);
  const int64_t rows = args.size(4);
  const int64_t inner = args.size(5);
  const int64_t segments = args.size(6);
  const auto* ids = args.in<int32_t>(2, rows);
  if (dtype == Dtype::f32) {
    indexKernels().segmentSumF32(args.in<float>(1, rows * inner), ids, args.out<float>(3, segments * inner), rows, inner,
                                 segments);
    return;
  }
  check(dtype == Dtype::i32, "segmentSum: float32 or int32 is expected");
  indexKernels().segmentSumI32(args.in<int32_t>(1, rows * inner), ids, args.out<int32_t>(3, segments * inner), rows, inner,
                               segments);
}

void oneHot(Args& args) {
  const Dtype dtype = args.dtype(0);
  check(dtype != Dtype::u8, "oneHot: float32 or int32 is expected");
  const int64_t n = args.size(3);
  const int64_t depth = args.size(4);
  indexKernels().oneHot(args.in<int32_t>(1, n), args.out<uint32_t>(2, n * depth), n, depth, args.bits(5, dtype),
                        args.bits(6, dtype));
}

void draw(Args& args) {
  const int64_t rows = args.size(3);
  const int64_t outcomes = args.size(4);
  const int64_t samples = args.size(5);
  check(outcomes > 0, "draw: no outcomes");
  indexKernels().draw(args.in<float>(0, rows * outcomes), args.in<float>(1, rows * samples), args.out<int32_t>(2, rows * samples),
                      rows, outcomes, samples);
}

void registerIndex(Napi::Env, Napi::Object exports) {
  bind<gather>(exports, "gather");
  bind<segmentSum>(exports, "segmentSum");
  bind<oneHot>(exports, "oneHot");
  bind<draw>(exports, "draw");
}
REASVQA_REGISTER(registerIndex)

}  // namespace
}  // namespace reasvqa
