#include "cpu/fused_dropout.h"

#include "cpu/fused_philox.h"
#include "cpu/simd.h"

namespace reasvqa::REASVQA_ISA_NS {
namespace {

template <bool Add>
void apply(const float* x, float* y, int64_t firstRow, int64_t rows, int64_t columns, const Dropout& dropout) {
  for (int64_t r = 0; r < rows; ++r) {
    const float* from = x + r * columns;
    float* to = y + r * columns;
    forDropout(dropout, static_cast<uint32_t>(firstRow + r), columns, [&](int64_t j, vf multiplier, int lanes) {
      const vf value = loadN(from + j, lanes) * multiplier;
      storeN(to + j, Add ? loadN(to + j, lanes) + value : value, lanes);
    });
  }
}

}  // namespace

const FusedDropoutKernels fusedDropout = {apply<false>, apply<true>};

}  // namespace reasvqa::REASVQA_ISA_NS
