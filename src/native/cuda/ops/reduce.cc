/** reduce(op, dtype, x, y, outer, reduced, inner, scale) on the CUDA device; see cpu/ops/reduce.h. */
#include "cpu/ops/reduce.h"

#include <algorithm>
#include <string>

#include "cuda/ops/reduce_args.h"
#include "cuda/runtime/args.h"
#include "cuda/runtime/launch.h"
#include "cuda/runtime/rows.h"
#include "cuda/runtime/scratch.h"

namespace reasvqa::cuda {
namespace {

constexpr int64_t kThreads = 256;
/** Up to this length a warp reduces a row as fast as a block. */
constexpr int64_t kWarpRow = 1024;
/** Elements a chunk has at least, so that the second pass stays small beside the first. */
constexpr int64_t kLeastChunk = 4096;
/** Blocks that fill the largest of GPUs. */
constexpr int64_t kBlocks = 1024;
constexpr int64_t kMaxGrid = INT32_MAX;

/** Cuts the reduced dimension when the other two give too few blocks. */
Chunked chunked(const Reduction& s) {
  const int64_t outputs = s.outer * ceilDiv(s.inner, 32);
  const int64_t wanted = ceilDiv(kBlocks, std::max<int64_t>(outputs, 1));
  const int64_t perOutput = s.reduced * std::min<int64_t>(s.inner, 32);
  const int64_t chunks = std::max<int64_t>(1, std::min(wanted, perOutput / kLeastChunk));
  const int64_t chunk = std::max<int64_t>(1, ceilDiv(s.reduced, chunks));
  return {s.outer, s.reduced, s.inner, chunk, std::max<int64_t>(1, ceilDiv(s.reduced, chunk))};
}

/** y (outer, chunks, inner) from one launch. */
template <class T>
void pass(const std::string& kernel, const Chunked& s, const T* x, T* y, T scale) {
  const auto blocks = [](int64_t n) { return Grid{static_cast<uint32_t>(std::min(n, kMaxGrid))}; };
  const int64_t items = s.outer * s.chunks;
  if (s.inner == 1 && s.chunk <= kWarpRow) {
    launch("reduce", (kernel + "ByWarps").c_str(), gridFor(items * 32), {kThreads}, 0, s, x, y, scale);
  } else if (s.inner == 1) {
    launch("reduce", (kernel + "ByBlocks").c_str(), blocks(items), {kThreads}, 0, s, x, y, scale);
  } else {
    const int32_t width = powerOfTwo(s.inner, 32);
    launch("reduce", (kernel + "Columns").c_str(), blocks(items * ceilDiv(s.inner, width)), {kThreads}, 0, s, width, x, y,
           scale);
  }
}

template <class T>
void reduceValues(CudaArgs& args, const std::string& kernel, const Reduction& shape, T scale) {
  const T* x = args.in<T>(2, shape.outer * shape.reduced * shape.inner);
  T* y = args.out<T>(3, shape.outer * shape.inner);
  const Chunked s = chunked(shape);
  if (s.chunks == 1) return pass(kernel, s, x, y, scale);
  const Scratch partial(static_cast<size_t>(s.outer * s.chunks * s.inner) * sizeof(T));
  pass(kernel, s, x, partial.as<T>(), T{1});
  pass(kernel, Chunked{s.outer, s.chunks, s.inner, s.chunks, 1}, static_cast<const T*>(partial.as<T>()), y, scale);
}

template <class T>
void reducePositions(CudaArgs& args, const char* kernel, const Reduction& s) {
  const T* x = args.in<T>(2, s.outer * s.reduced * s.inner);
  auto* y = args.out<int32_t>(3, s.outer * s.inner);
  const int32_t width = powerOfTwo(s.inner, 32);
  const auto block = static_cast<uint32_t>(width * powerOfTwo(s.reduced, static_cast<int32_t>(kThreads) / width));
  const int64_t blocks = std::min(s.outer * ceilDiv(s.inner, width), kMaxGrid);
  launch("arg_reduce", kernel, {static_cast<uint32_t>(blocks)}, {block}, 0, s.outer, s.reduced, s.inner, width, x, y);
}

void reduce(CudaArgs& args) {
  const int32_t code = args.i32(0);
  check(code >= 0 && code < static_cast<int32_t>(ReduceOp::count), "reduce: unknown operation");
  const auto op = static_cast<ReduceOp>(code);
  const Dtype dtype = args.dtype(1);
  const Reduction shape = {args.size(4), args.size(5), args.size(6)};
  if (op == ReduceOp::any || op == ReduceOp::all) {
    check(dtype == Dtype::u8, "reduce: bool is expected");
    return reduceValues<uint8_t>(args, op == ReduceOp::any ? "anyU8" : "allU8", shape, 1);
  }
  check(dtype != Dtype::u8, "reduce: float32 or int32 is expected");
  if (op == ReduceOp::argMax || op == ReduceOp::argMin) {
    check(shape.reduced > 0, "reduce: argMax of nothing");
    const bool largest = op == ReduceOp::argMax;
    if (dtype == Dtype::f32) return reducePositions<float>(args, largest ? "argMaxF32" : "argMinF32", shape);
    return reducePositions<int32_t>(args, largest ? "argMaxI32" : "argMinI32", shape);
  }
  static const std::vector<std::string> names = splitNames(namesOf(ReduceOp{}));
  const std::string& name = names[static_cast<size_t>(code)];
  if (dtype == Dtype::f32) {
    return reduceValues<float>(args, name + "F32", shape, op == ReduceOp::sum ? args.f32(7) : 1.0f);
  }
  if (op == ReduceOp::sum || op == ReduceOp::prod) return reduceValues<uint32_t>(args, name + "I32", shape, 1u);
  reduceValues<int32_t>(args, name + "I32", shape, 1);
}

void registerReduce(Napi::Env, Napi::Object cuda) { bindCuda<reduce>(cuda, "reduce"); }
REASVQA_CUDA_REGISTER(registerReduce)

}  // namespace
}  // namespace reasvqa::cuda
