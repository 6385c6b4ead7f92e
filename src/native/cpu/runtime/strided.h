/**
 * Walking several operands over one shape with their own strides. Only for *_kernels.cc.
 *
 * A Layout comes from TypeScript with dimensions of 1 dropped and neighbours merged where every operand allows it
 * (src/engine/native/strides.ts), so the last dimension is as long as it can be and is the inner loop.
 */
#pragma once

#include <stdint.h>

namespace reasvqa {

constexpr int kMaxRank = 8;

/** `dims` outer to inner; strides in elements, one row per operand, 0 for a broadcast dimension. */
template <int Operands>
struct Layout {
  int rank = 1;
  int64_t dims[kMaxRank] = {1};
  int64_t strides[Operands][kMaxRank] = {};

  int64_t inner() const { return dims[rank - 1]; }
  int64_t innerStride(int operand) const { return strides[operand][rank - 1]; }
  /** Product of all dimensions but the last. */
  int64_t rows() const {
    int64_t product = 1;
    for (int i = 0; i + 1 < rank; ++i) product *= dims[i];
    return product;
  }
};

#ifdef REASVQA_ISA_NS
namespace REASVQA_ISA_NS {
namespace {

/** Offsets of every operand at the start of row `row` (an index into the outer dimensions, row-major). */
template <int Operands>
struct Rows {
  const Layout<Operands>& layout;
  int64_t index[kMaxRank] = {};
  int64_t offset[Operands] = {};

  Rows(const Layout<Operands>& shape, int64_t row) : layout(shape) {
    for (int i = layout.rank - 2; i >= 0; --i) {
      index[i] = row % layout.dims[i];
      row /= layout.dims[i];
      for (int o = 0; o < Operands; ++o) offset[o] += index[i] * layout.strides[o][i];
    }
  }

  void next() {
    for (int i = layout.rank - 2; i >= 0; --i) {
      for (int o = 0; o < Operands; ++o) offset[o] += layout.strides[o][i];
      if (++index[i] < layout.dims[i]) return;
      for (int o = 0; o < Operands; ++o) offset[o] -= index[i] * layout.strides[o][i];
      index[i] = 0;
    }
  }
};

}  // namespace
}  // namespace REASVQA_ISA_NS
#endif
}  // namespace reasvqa
