/** Layouts as kernels read them (layout.h makes them). */
#pragma once

namespace reasvqa::cuda {

/** Division by multiplication, for numbers below 2^31 (Granlund and Montgomery 1994). */
struct Divisor {
  uint32_t divisor, multiplier, shift;
};

/** Dimensions and strides (in elements), the innermost first; the outermost dimension is not needed. */
template <int Operands>
struct Strided {
  static constexpr int kMost = 8;  // kMaxRank

  int32_t rank;
  Divisor dims[kMost];
  int64_t strides[Operands][kMost];
};

}  // namespace reasvqa::cuda
