#include "cpu/ops/optimizer.h"

#include "cpu/runtime/parallel.h"
#include "cpu/runtime/simd.h"

namespace reasvqa::REASVQA_ISA_NS {
namespace {

void updatePiece(const AdamW& s, const AdamWPiece& piece) {
  const vf beta1 = splat(s.beta1);
  const vf beta2 = splat(s.beta2);
  const vf oneMinusBeta1 = splat(s.oneMinusBeta1);
  const vf oneMinusBeta2 = splat(s.oneMinusBeta2);
  const vf eps = splat(s.eps);
  const vf correction = splat(s.rootCorrection);
  const vf gradScale = splat(s.gradScale);
  const vf decay = splat(piece.decay);
  const vf rate = splat(piece.rate);
  forVectors(0, piece.n, [&](int64_t i, int lanes) {
    const vf g = loadN(piece.g + i, lanes) * gradScale;
    const vf m = loadN(piece.m + i, lanes) * beta1 + g * oneMinusBeta1;
    const vf v = loadN(piece.v + i, lanes) * beta2 + g * g * oneMinusBeta2;
    const vf p = loadN(piece.p + i, lanes) * decay - rate * m / (squareRoot(v) * correction + eps);
    storeN(piece.m + i, m, lanes);
    storeN(piece.v + i, v, lanes);
    storeN(piece.p + i, p, lanes);
  });
}

void adamw(const AdamW& step, const AdamWPiece* pieces, int64_t count) {
  parallelFor(count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) updatePiece(step, pieces[i]);
  });
}

double squaresOf(const NormPiece& piece) {
  vf first = {};
  vf second = {};
  int64_t i = 0;
  for (; i + 2 * kLanes <= piece.n; i += 2 * kLanes) {
    const vf a = load(piece.g + i);
    const vf b = load(piece.g + i + kLanes);
    first += a * a;
    second += b * b;
  }
  for (; i < piece.n; i += kLanes) {
    const vf a = loadN(piece.g + i, piece.n - i < kLanes ? static_cast<int>(piece.n - i) : kLanes);
    first += a * a;
  }
  return static_cast<double>(horizontalSum(first + second));
}

void squares(const NormPiece* pieces, int64_t count, double* sums) {
  parallelFor(count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) sums[i] = squaresOf(pieces[i]);
  });
}

}  // namespace

const OptimizerKernels optimizer = {adamw, squares};

}  // namespace reasvqa::REASVQA_ISA_NS
