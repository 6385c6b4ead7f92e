/**
 * Reading a Layout from the parameter block and checking it against the buffers. For bindings (compiled once).
 *
 * Block: dims[rank], then strides[rank] for each operand.
 */
#pragma once

#include "binding.h"
#include "cpu/runtime/strided.h"

namespace reasvqa {

/** Lowest and highest element offset that an operand touches; empty when some dimension is 0. */
struct Reach {
  int64_t lowest = 0;
  int64_t highest = -1;
};

template <int Operands>
Layout<Operands> readLayout(const Args& args, int64_t rank) {
  check(rank >= 1 && rank <= kMaxRank, "a rank from 1 to 8 is expected");
  const int32_t* block = args.params(static_cast<size_t>(rank * (1 + Operands)));
  Layout<Operands> layout;
  layout.rank = static_cast<int>(rank);
  for (int i = 0; i < rank; ++i) {
    check(block[i] >= 0, "a dimension is negative");
    layout.dims[i] = block[i];
    for (int o = 0; o < Operands; ++o) layout.strides[o][i] = block[rank * (1 + o) + i];
  }
  return layout;
}

template <int Operands>
Reach reachOf(const Layout<Operands>& layout, int operand) {
  Reach reach{0, 0};
  for (int i = 0; i < layout.rank; ++i) {
    if (layout.dims[i] == 0) return {};
    const int64_t span = (layout.dims[i] - 1) * layout.strides[operand][i];
    (span < 0 ? reach.lowest : reach.highest) += span;
  }
  return reach;
}

}  // namespace reasvqa
