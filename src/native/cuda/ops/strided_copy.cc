/**
 * copyStrided(element bytes, from, from offset, to, to offset, rank) on the CUDA device: layout {dims, strides from,
 * strides to}. A dense copy is one of the driver's; a permutation that exchanges the dense dimension goes by tiles.
 */
#include <string>

#include "cpu/runtime/layout_args.h"
#include "cuda/runtime/args.h"
#include "cuda/runtime/transfer.h"
#include "cuda/runtime/launch.h"
#include "cuda/runtime/layout.h"

namespace reasvqa::cuda {
namespace {

/** Below this a tile would be mostly empty. */
constexpr int64_t kLeastTile = 8;

/** Transposed of strided_copy.cu. */
struct Transposed {
  int64_t rows, columns, fromRow, toColumn;
  uint32_t tilesOfRows, tilesOfColumns;
};

/** The dimension that is dense in the source while the inner one is dense in the target, or -1. */
int exchangedDimension(const Layout<2>& layout) {
  if (layout.innerStride(1) != 1 || layout.innerStride(0) <= 1 || layout.inner() < kLeastTile) return -1;
  for (int i = 0; i + 1 < layout.rank; ++i) {
    if (layout.strides[0][i] == 1 && layout.dims[i] >= kLeastTile) return i;
  }
  return -1;
}

/** The layout without the exchanged and the inner dimension: one element a plane. */
Layout<2> planesOf(const Layout<2>& layout, int exchanged) {
  Layout<2> planes;
  planes.rank = 0;
  for (int i = 0; i + 1 < layout.rank; ++i) {
    if (i == exchanged) continue;
    planes.dims[planes.rank] = layout.dims[i];
    for (int o = 0; o < 2; ++o) planes.strides[o][planes.rank] = layout.strides[o][i];
    planes.rank += 1;
  }
  if (planes.rank == 0) planes = Layout<2>{};
  return planes;
}

template <class T>
void transpose(const Layout<2>& layout, int exchanged, const std::string& suffix, const T* from, T* to) {
  const int last = layout.rank - 1;
  const auto tiles = [](int64_t n) { return static_cast<uint32_t>(ceilDiv(n, 32)); };
  const Transposed plane = {layout.dims[last],          layout.dims[exchanged],         layout.strides[0][last],
                            layout.strides[1][exchanged], tiles(layout.dims[last]), tiles(layout.dims[exchanged])};
  const Layout<2> planes = planesOf(layout, exchanged);
  const auto count = static_cast<uint32_t>(planes.rows() * planes.inner());
  launch("strided_copy", ("transpose" + suffix).c_str(), {count * plane.tilesOfRows * plane.tilesOfColumns}, {256}, 0,
         stridedOf(planes), plane, from, to);
}

template <class T>
void copy(const Layout<2>& layout, const std::string& suffix, const T* from, int64_t fromOffset, T* to, int64_t toOffset) {
  if (layout.rank == 1 && layout.innerStride(0) == 1 && layout.innerStride(1) == 1) {
    return copyAsync(to + toOffset, from + fromOffset, static_cast<size_t>(layout.inner()) * sizeof(T));
  }
  forPieces(Piece<2>{layout, {fromOffset, toOffset}, 0}, [&](const Piece<2>& piece) {
    const T* source = from + piece.offsets[0];
    T* target = to + piece.offsets[1];
    const int exchanged = exchangedDimension(piece.layout);
    if (exchanged >= 0) return transpose(piece.layout, exchanged, suffix, source, target);
    const bool fours = movesInFours(piece);
    const int64_t group = fours ? 4 : 1;
    const uint32_t n = piece.size();
    const std::string kernel = "copy" + suffix + (fours ? "InFours" : "");
    launch("strided_copy", kernel.c_str(), gridFor(ceilDiv(n, group)), {256}, 0, stridedOf(piece.layout, group), n,
           source, target);
  });
}

void copyStrided(CudaArgs& args) {
  const int32_t elementBytes = args.i32(0);
  check(elementBytes == 1 || elementBytes == 4, "copyStrided: elements of 1 or 4 bytes are expected");
  const int64_t fromOffset = args.size(2);
  const int64_t toOffset = args.size(4);
  const Layout<2> layout = readLayout<2>(args, args.size(5));
  const Reach from = reachOf(layout, 0);
  const Reach to = reachOf(layout, 1);
  if (from.highest < from.lowest) return;
  check(fromOffset + from.lowest >= 0 && toOffset + to.lowest >= 0, "copyStrided: reaches before the buffer");
  check(args.i32(1) != args.i32(3), "copyStrided: two buffers are expected");
  const int64_t fromEnd = fromOffset + from.highest + 1;
  const int64_t toEnd = toOffset + to.highest + 1;
  if (elementBytes == 4) {
    return copy(layout, "U32", args.in<uint32_t>(1, fromEnd), fromOffset, args.out<uint32_t>(3, toEnd), toOffset);
  }
  copy(layout, "U8", args.in<uint8_t>(1, fromEnd), fromOffset, args.out<uint8_t>(3, toEnd), toOffset);
}

void registerCopyStrided(Napi::Env, Napi::Object cuda) { bindCuda<copyStrided>(cuda, "copyStrided"); }
REASVQA_CUDA_REGISTER(registerCopyStrided)

}  // namespace
}  // namespace reasvqa::cuda
