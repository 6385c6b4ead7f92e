/**
 * gather(element bytes, x, indices, out, batch, outer, dim, slice, count),
 * segmentSum(dtype, x, ids, out, rows, inner, segments), oneHot(dtype, indices, out, n, depth, on, off),
 * draw(probabilities, uniform, out, rows, outcomes, samples) on the CUDA device; see cpu/ops/index.h. An index of gather that is
 * outside its range throws at the next read (fault.h), not in the call.
 */
#include "cpu/ops/index.h"

#include <algorithm>

#include "cuda/runtime/args.h"
#include "cuda/runtime/fault.h"
#include "cuda/runtime/launch.h"
#include "cuda/runtime/rows.h"

namespace reasvqa::cuda {
namespace {

template <class T>
void gatherRows(const char* kernel, const Gather& s, const void* x, const int32_t* indices, void* out) {
  const int32_t width = powerOfTwo(s.slice);
  launch("index", kernel, gridForRows(s.batch * s.outer * s.count, width), {256}, 0, s, width, static_cast<const T*>(x), indices,
         static_cast<T*>(out), faultRecord());
}

void gather(CudaArgs& args) {
  const int32_t elementBytes = args.i32(0);
  check(elementBytes == 1 || elementBytes == 4, "gather: elements of 1 or 4 bytes are expected");
  Gather s = {args.size(4), args.size(5), args.size(6), args.size(7), args.size(8)};
  const auto* x = args.in<std::byte>(1, s.batch * s.outer * s.dim * s.slice * elementBytes);
  const auto* indices = args.in<int32_t>(2, s.batch * s.count);
  auto* out = args.out<std::byte>(3, s.batch * s.outer * s.count * s.slice * elementBytes);
  if (elementBytes == 1) return gatherRows<uint8_t>("gatherU8", s, x, indices, out);
  if (s.slice % 4 != 0) return gatherRows<uint32_t>("gatherU32", s, x, indices, out);
  s.slice /= 4;
  gatherRows<uint32_t>("gatherU32InFours", s, x, indices, out);
}

void segmentSum(CudaArgs& args) {
  const Dtype dtype = args.dtype(0);
  check(dtype != Dtype::u8, "segmentSum: float32 or int32 is expected");
  const int64_t rows = args.size(4);
  const int64_t inner = args.size(5);
  const int64_t segments = args.size(6);
  const auto* ids = args.in<int32_t>(2, rows);
  const Grid grid = gridFor(segments * ((inner + 127) / 128) * 32);
  if (dtype == Dtype::f32) {
    return launch("index", "segmentSumF32", grid, {256}, 0, args.in<float>(1, rows * inner), ids,
                  args.out<float>(3, segments * inner), rows, inner, segments);
  }
  launch("index", "segmentSumI32", grid, {256}, 0, args.in<uint32_t>(1, rows * inner), ids,
         args.out<uint32_t>(3, segments * inner), rows, inner, segments);
}

void oneHot(CudaArgs& args) {
  const Dtype dtype = args.dtype(0);
  check(dtype != Dtype::u8, "oneHot: float32 or int32 is expected");
  const int64_t n = args.size(3);
  const int64_t depth = args.size(4);
  const int32_t width = powerOfTwo(depth);
  const auto* indices = args.in<int32_t>(1, n);
  launch("index", "oneHot", gridForRows(n, width), {256}, 0, indices, args.out<uint32_t>(2, n * depth), n, depth,
         args.bits(5, dtype), args.bits(6, dtype), width);
}

void draw(CudaArgs& args) {
  const int64_t rows = args.size(3);
  const int64_t outcomes = args.size(4);
  const int64_t samples = args.size(5);
  check(outcomes > 0, "draw: no outcomes");
  const auto* probabilities = args.in<float>(0, rows * outcomes);
  const auto* uniform = args.in<float>(1, rows * samples);
  const auto blocks = static_cast<uint32_t>(std::min<int64_t>(rows * samples, INT32_MAX));
  launch("index", "draw", {blocks}, {256}, 0, probabilities, uniform, args.out<int32_t>(2, rows * samples), rows, outcomes,
         samples);
}

void registerIndex(Napi::Env, Napi::Object cuda) {
  bindCuda<gather>(cuda, "gather");
  bindCuda<segmentSum>(cuda, "segmentSum");
  bindCuda<oneHot>(cuda, "oneHot");
  bindCuda<draw>(cuda, "draw");
}
REASVQA_CUDA_REGISTER(registerIndex)

}  // namespace
}  // namespace reasvqa::cuda
