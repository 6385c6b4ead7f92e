/**
 * The host's side of strided.cuh: layouts of the parameter block in the form that kernels take.
 *
 * A layout of 2^31 elements or more is cut along its outermost dimension, because kernels index with 32 bits.
 */
#pragma once

#include <cstdint>

#include "cpu/runtime/strided.h"
#include "cuda/runtime/strided_args.h"

namespace reasvqa::cuda {

/** For a divisor from 1 to 2^31 - 1. */
inline Divisor divisorOf(int64_t by) {
  Divisor d = {static_cast<uint32_t>(by), 1, 0};
  while ((uint64_t{1} << d.shift) < d.divisor) ++d.shift;
  d.multiplier = static_cast<uint32_t>((((uint64_t{1} << d.shift) - d.divisor) << 32) / d.divisor + 1);
  return d;
}

/** Part of a layout with fewer than 2^31 elements; the offsets say where it begins in each operand and in row order. */
template <int Operands>
struct Piece {
  Layout<Operands> layout;
  int64_t offsets[Operands] = {};
  int64_t first = 0;

  uint32_t size() const { return static_cast<uint32_t>(layout.rows() * layout.inner()); }
};

/** run(piece) for pieces that cover the layout; none for an empty one. */
template <int Operands, class F>
void forPieces(const Piece<Operands>& whole, const F& run) {
  const int64_t n = whole.layout.rows() * whole.layout.inner();
  if (n == 0) return;
  if (n <= INT32_MAX) return run(whole);
  int cut = 0;
  while (whole.layout.dims[cut] == 1) ++cut;
  const int64_t dim = whole.layout.dims[cut];
  Piece<Operands> head = whole;
  Piece<Operands> tail = whole;
  head.layout.dims[cut] = dim / 2;
  tail.layout.dims[cut] = dim - dim / 2;
  tail.first += n / dim * (dim / 2);
  for (int o = 0; o < Operands; ++o) tail.offsets[o] += dim / 2 * whole.layout.strides[o][cut];
  forPieces(head, run);
  forPieces(tail, run);
}

/**
 * True when four neighbours of the inner dimension can be moved at once: every operand is dense or constant in it, and
 * every group of four begins at a multiple of four elements (buffers begin at multiples of 256 bytes).
 */
template <int Operands>
bool movesInFours(const Piece<Operands>& piece) {
  const Layout<Operands>& layout = piece.layout;
  if (piece.first % 4 != 0 || (layout.rank > 1 && layout.inner() % 4 != 0)) return false;
  for (int o = 0; o < Operands; ++o) {
    if (layout.innerStride(o) == 0) continue;
    if (layout.innerStride(o) != 1 || piece.offsets[o] % 4 != 0) return false;
    for (int i = 0; i + 1 < layout.rank; ++i) {
      if (layout.strides[o][i] % 4 != 0) return false;
    }
  }
  return true;
}

/** The layout as a kernel takes it; with `group` 4 the inner dimension counts groups of four elements. */
template <int Operands>
Strided<Operands> stridedOf(const Layout<Operands>& layout, int64_t group = 1) {
  static_assert(Strided<Operands>::kMost == kMaxRank, "kernels take every rank");
  Strided<Operands> result = {};
  result.rank = layout.rank;
  for (int i = 0; i < layout.rank; ++i) {
    const int from = layout.rank - 1 - i;
    const int64_t scale = i == 0 ? group : 1;
    result.dims[i] = divisorOf((layout.dims[from] + scale - 1) / scale);
    for (int o = 0; o < Operands; ++o) result.strides[o][i] = layout.strides[o][from] * scale;
  }
  return result;
}

}  // namespace reasvqa::cuda
