/** Rotary positions, compiled once for each instruction set. */
#include "cpu/ops/rope.h"

#include "cpu/runtime/parallel.h"
#include "cpu/runtime/simd.h"

namespace reasvqa::REASVQA_ISA_NS {
namespace {

constexpr int64_t kGrain = 8192;

void run(const Rope& r, const float* x, float* y) {
  const int64_t width = 2 * r.heads * r.half;
  const vf sign = splat(r.sign);
  parallelFor(r.rows, width == 0 ? r.rows : kGrain / width + 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const float* cos = r.cos + row % r.length * r.half;
      const float* sin = r.sin + row % r.length * r.half;
      for (int64_t head = 0; head < r.heads; ++head) {
        const int64_t at = row * width + head * 2 * r.half;
        forVectors(0, r.half, [&](int64_t i, int lanes) {
          const vf c = loadN(cos + i, lanes);
          const vf s = loadN(sin + i, lanes) * sign;
          const vf first = loadN(x + at + i, lanes);
          const vf second = loadN(x + at + r.half + i, lanes);
          storeN(y + at + i, first * c - second * s, lanes);
          storeN(y + at + r.half + i, second * c + first * s, lanes);
        });
      }
    }
  });
}

}  // namespace

const RopeKernels rope = {run};

}  // namespace reasvqa::REASVQA_ISA_NS
