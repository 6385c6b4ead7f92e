/**
 * copyStrided of cpu/ops/copy_call.h on the CUDA device. A dense copy is one of the driver's; a permutation that exchanges
 * the dense dimension goes by tiles.
 */
#include <string>

#include "cpu/ops/copy_call.h"
#include "cuda/ops/strided_copy_args.h"
#include "cuda/runtime/args.h"
#include "cuda/runtime/launch.h"
#include "cuda/runtime/layout.h"
#include "cuda/runtime/transfer.h"

namespace reasvqa::cuda {
namespace {

/** Below this a tile would be mostly empty. */
constexpr int64_t kLeastTile = 8;

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
  const StridedCopy c = stridedCopy(args);
  if (c.from == nullptr) return;
  const auto as = [&](auto element, const char* suffix) {
    using T = decltype(element);
    copy(c.layout, suffix, reinterpret_cast<const T*>(c.from), c.fromOffset, reinterpret_cast<T*>(c.to), c.toOffset);
  };
  if (c.elementBytes == 4) return as(uint32_t{}, "U32");
  as(uint8_t{}, "U8");
}

void registerCopyStrided(Napi::Env, Napi::Object cuda) { bindCuda<copyStrided>(cuda, "copyStrided"); }
REASVQA_CUDA_REGISTER(registerCopyStrided)

}  // namespace
}  // namespace reasvqa::cuda
