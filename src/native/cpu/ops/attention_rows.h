/**
 * One row of attention scores, from raw products to probabilities, and where a head's rows lie: shared by the
 * attention kernels of many queries and of one.
 */
#pragma once

#include "cpu/ops/attention.h"
#include "cpu/runtime/simd.h"
#include "cpu/runtime/vecmath.h"

namespace reasvqa::REASVQA_ISA_NS {
namespace {

constexpr float kMasked = 1e30f;  // as in the composed form: exp(score - 1e30) is 0 beside any kept key

/** Rows of scores are padded to whole vectors. */
[[maybe_unused]] inline int64_t strideOf(const Attention& a) { return ceilDiv(a.Lk, kLanes) * kLanes; }

[[maybe_unused]] inline const float* headOf(const float* x, int64_t b, int64_t h, int64_t L, int64_t heads, int64_t width) {
  return x + (b * L * heads + h) * width;
}
[[maybe_unused]] inline float* headOf(float* x, int64_t b, int64_t h, int64_t L, int64_t heads, int64_t width) {
  return x + (b * L * heads + h) * width;
}

[[maybe_unused]] inline vi lanesBelow(int n) {
  vi lane;
  for (int i = 0; i < kLanes; ++i) lane[i] = i;
  return lane < splatInt(n);
}

/** Adds bias and mask to one row of scores, pads it with -infinity and returns its maximum, which may pass over NaN. */
[[maybe_unused]] inline float biasRow(const Attention& a, int64_t b, int64_t h, int64_t i, float* scores) {
  const int64_t biasHead = a.biasHeads == 1 ? 0 : h;
  const float* bias = a.bias ? a.bias + (biasHead * a.Lq + i) * a.Lk : nullptr;
  const float* keep = a.keyMask ? a.keyMask + b * a.Lk : nullptr;
  vf largest = splat(-__builtin_inff());
  forVectors(0, a.Lk, [&](int64_t j, int lanes) {
    vf value = load(scores + j);
    if (bias) value += loadN(bias + j, lanes);
    if (keep) value += (loadN(keep + j, lanes) - splat(1.0f)) * splat(kMasked);
    if (lanes < kLanes) value = select(lanesBelow(lanes), value, splat(-__builtin_inff()));
    store(scores + j, value);
    largest = maxOrSecond(value, largest);
  });
  return horizontalMaxOrAny(largest);
}

/** Scores of one row become probabilities, before dropout, all NaN when a score is (by the sum); the padding becomes 0. */
[[maybe_unused]] inline void softmaxRow(const Attention& a, int64_t b, int64_t h, int64_t i, float* scores) {
  const vf largest = splat(biasRow(a, b, h, i, scores));
  const int64_t stride = strideOf(a);
  vf total = {};
  for (int64_t j = 0; j < stride; j += kLanes) {
    const vf e = vexp(load(scores + j) - largest);
    store(scores + j, e);
    total += e;
  }
  const vf inverse = splat(1.0f / horizontalSum(total));
  const float* keep = a.keyMask ? a.keyMask + b * a.Lk : nullptr;
  forVectors(0, a.Lk, [&](int64_t j, int lanes) {
    vf p = load(scores + j) * inverse;
    if (keep) p *= loadN(keep + j, lanes);
    store(scores + j, p);
  });
}

}  // namespace
}  // namespace reasvqa::REASVQA_ISA_NS
