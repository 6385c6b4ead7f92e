#include "cpu/ops/loss.h"

#include "cpu/runtime/parallel.h"
#include "cpu/runtime/simd.h"
#include "cpu/runtime/vecmath.h"

namespace reasvqa::REASVQA_ISA_NS {
namespace {

float logOf(float x) { return vlog(splat(x))[0]; }

float largestOf(const float* x, int64_t n) {
  vf first = splat(x[0]);
  vf second = first;
  int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    first = maxNan(first, load(x + i));
    second = maxNan(second, load(x + i + kLanes));
  }
  for (; i + kLanes <= n; i += kLanes) first = maxNan(first, load(x + i));
  if (i < n) first = maxNan(first, loadPartial(x + i, static_cast<int>(n - i), x[0]));
  return horizontalMax(maxNan(first, second));
}

void softmaxRow(float* x, int64_t V, int32_t label, float* loss, float* inverse) {
  const float largest = largestOf(x, V);
  const float picked = x[label];
  const vf shift = splat(largest);
  vf first = {};
  vf second = {};
  int64_t i = 0;
  for (; i + 2 * kLanes <= V; i += 2 * kLanes) {
    const vf a = vexp(load(x + i) - shift);
    const vf b = vexp(load(x + i + kLanes) - shift);
    store(x + i, a);
    store(x + i + kLanes, b);
    first += a;
    second += b;
  }
  float rest = 0.0f;
  for (; i < V; i += kLanes) {
    const int lanes = V - i < kLanes ? static_cast<int>(V - i) : kLanes;
    const vf a = vexp(loadN(x + i, lanes) - shift);
    storeN(x + i, a, lanes);
    for (int k = 0; k < lanes; ++k) rest += a[k];
  }
  const float sum = horizontalSum(first + second) + rest;
  *inverse = 1.0f / sum;
  if (loss) *loss = logOf(sum) + (largest - picked);
}

void softmaxRows(float* logits, int64_t rows, int64_t V, const int32_t* labels, float* loss, float* inverse) {
  parallelFor(rows, 8192 / V + 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      softmaxRow(logits + r * V, V, labels[r], loss ? loss + r : nullptr, inverse + r);
    }
  });
}

void scaleMinus(const float* x, float a, const float* b, float* y, int64_t d) {
  const vf factor = splat(a);
  forVectors(0, d, [&](int64_t i, int lanes) {
    storeN(y + i, loadN(x + i, lanes) * factor - loadN(b + i, lanes), lanes);
  });
}

void addScaled(const float* x, float a, float* y, int64_t d) {
  const vf factor = splat(a);
  forVectors(0, d, [&](int64_t i, int lanes) {
    storeN(y + i, fma(factor, loadN(x + i, lanes), loadN(y + i, lanes)), lanes);
  });
}

}  // namespace

const LossKernels loss = {softmaxRows, scaleMinus, addScaled};

}  // namespace reasvqa::REASVQA_ISA_NS
