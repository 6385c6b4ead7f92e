/**
 * binary(op, dtype, a, b, out, rank) on the CUDA device: out = f(a, b) over the layout {dims, strides of a, strides of b};
 * see cpu/ops/binary.h.
 */
#include "cpu/ops/binary.h"

#include <string>

#include "cpu/runtime/layout.h"
#include "cuda/runtime/args.h"
#include "cuda/runtime/launch.h"
#include "cuda/runtime/layout.h"

namespace reasvqa::cuda {
namespace {

bool isKnown(BinaryOp op, Dtype dtype) {
  if (op >= BinaryOp::logicalAnd) return dtype == Dtype::u8;
  if (op >= BinaryOp::equal) return true;
  if (dtype == Dtype::f32) return op != BinaryOp::floorDiv;
  return dtype == Dtype::i32 && op != BinaryOp::div && op != BinaryOp::pow;
}

template <class T, class U>
void run(CudaArgs& args, const char* source, const std::string& kernel, const Layout<2>& layout) {
  const Reach reachA = reachOf(layout, 0);
  const Reach reachB = reachOf(layout, 1);
  check(reachA.lowest == 0 && reachB.lowest == 0, "binary: a stride is negative");
  const T* a = args.in<T>(2, reachA.highest + 1);
  const T* b = args.in<T>(3, reachB.highest + 1);
  U* out = args.out<U>(4, layout.rows() * layout.inner());
  forPieces(Piece<2>{layout}, [&](const Piece<2>& piece) {
    const bool fours = movesInFours(piece);
    const int64_t group = fours ? 4 : 1;
    const uint32_t n = piece.size();
    launch(source, (fours ? kernel + "InFours" : kernel).c_str(), gridFor(ceilDiv(n, group)), {256}, 0,
           stridedOf(piece.layout, group), n, a + piece.offsets[0], b + piece.offsets[1], out + piece.first);
  });
}

void binary(CudaArgs& args) {
  const int32_t code = args.i32(0);
  check(code >= 0 && code < static_cast<int32_t>(BinaryOp::count), "binary: unknown operation");
  const auto op = static_cast<BinaryOp>(code);
  const Dtype dtype = args.dtype(1);
  check(isKnown(op, dtype), "binary: no such operation on this dtype");
  const Layout<2> layout = readLayout<2>(args, args.size(5));
  static const std::vector<std::string> names = splitNames(namesOf(BinaryOp{}));
  const std::string& name = names[static_cast<size_t>(code)];
  const bool compares = op >= BinaryOp::equal;
  switch (dtype) {
    case Dtype::f32:
      if (compares) return run<float, uint8_t>(args, "compare", name + "F32", layout);
      return run<float, float>(args, "binary", name + "F32", layout);
    case Dtype::i32:
      if (compares) return run<int32_t, uint8_t>(args, "compare", name + "I32", layout);
      return run<int32_t, int32_t>(args, "binary_int", name + "I32", layout);
    default: return run<uint8_t, uint8_t>(args, "compare", name + "U8", layout);
  }
}

void registerBinary(Napi::Env, Napi::Object cuda) { bindCuda<binary>(cuda, "binary"); }
REASVQA_CUDA_REGISTER(registerBinary)

}  // namespace
}  // namespace reasvqa::cuda
