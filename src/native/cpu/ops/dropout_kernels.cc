#include "cpu/ops/dropout.h"

#include "cpu/ops/philox.h"
#include "cpu/runtime/simd.h"

namespace reasvqa::REASVQA_ISA_NS {
namespace {

template <bool Add>
void apply(const float* x, const float* addend, float* y, int64_t firstRow, int64_t rows, int64_t columns,
           const Dropout& dropout) {
  for (int64_t r = 0; r < rows; ++r) {
    const float* from = x + r * columns;
    const float* base = Add ? addend + r * columns : nullptr;
    float* to = y + r * columns;
    forDropout(dropout, static_cast<uint32_t>(firstRow + r), columns, [&](int64_t j, vf multiplier, int lanes) {
      const vf value = loadN(from + j, lanes) * multiplier;
      storeN(to + j, Add ? loadN(base + j, lanes) + value : value, lanes);
    });
  }
}

void rows(const float* x, const float* addend, float* y, int64_t firstRow, int64_t count, int64_t columns,
          const Dropout& dropout) {
  const auto run = addend ? apply<true> : apply<false>;
  run(x, addend, y, firstRow, count, columns, dropout);
}

}  // namespace

const DropoutKernels dropout = {rows};

}  // namespace reasvqa::REASVQA_ISA_NS
