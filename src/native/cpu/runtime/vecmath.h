/**
 * Elementary functions on vectors: exp, log, tanh, sigmoid, erf. Within 2 units in the last place of the correctly
 * rounded value with FMA (4 without), right at infinities, NaN and the ends of the range (test/native/math.test.ts).
 *
 * Sources: exp, log and tanh follow Cephes (S. Moshier, expf.c, logf.c, tanhf.c); erf is the two-interval fit of
 * N. Juffa (1 ulp).
 */
#pragma once

#include "cpu/runtime/simd.h"

namespace reasvqa::REASVQA_ISA_NS {
namespace {

[[maybe_unused]] inline vf vexp(vf x) {
  // Beyond these the result is 0 or infinity anyway; NaN passes both.
  x = maxOrSecond(splat(-104.0f), x);
  x = minOrSecond(splat(89.0f), x);
  const vf magic = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer in the low bits
  const vf shifted = fma(x, splat(1.44269504088896341f), magic);
  const vf n = shifted - magic;
  vf r = fma(n, splat(-0.693359375f), x);
  r = fma(n, splat(2.12194440e-4f), r);
  vf p = splat(1.9875691500e-4f);
  p = fma(p, r, splat(1.3981999507e-3f));
  p = fma(p, r, splat(8.3334519073e-3f));
  p = fma(p, r, splat(4.1665795894e-2f));
  p = fma(p, r, splat(1.6666665459e-1f));
  p = fma(p, r, splat(5.0000001201e-1f));
  p = fma(p, r * r, r) + splat(1.0f);
#if REASVQA_ISA_LEVEL == 2
  return (vf)_mm512_scalef_ps((__m512)p, (__m512)n);
#else
  // 2^n in two factors, so that results below 2^-126 and above 2^127 come out right.
  const vi exponent = bitsOf(shifted) - bitsOf(magic);
  const vi half = exponent >> 1;
  const vf first = fromBits((half + splatInt(127)) << 23);
  const vf second = fromBits((exponent - half + splatInt(127)) << 23);
  // A NaN gives nonsense exponents; p is NaN already and stays so, because the factors are finite or NaN.
  return p * first * second;
#endif
}

[[maybe_unused]] inline vf vlog(vf x) {
  const vi tiny = x < splat(1.17549435e-38f);
  const vf scaled = select(tiny, x * splat(8388608.0f), x);
  const vi bits = bitsOf(scaled);
  vi exponent = ((bits >> 23) & splatInt(0xff)) - splatInt(126) - (tiny & splatInt(23));
  vf m = fromBits((bits & splatInt(0x007fffff)) | splatInt(0x3f000000));  // [0.5, 1)
  const vi small = m < splat(0.707106781186547524f);
  exponent += small;  // the mask is -1
  m = select(small, m + m, m) - splat(1.0f);
  const vf e = toFloat(exponent);
  const vf z = m * m;
  vf p = splat(7.0376836292e-2f);
  p = fma(p, m, splat(-1.1514610310e-1f));
  p = fma(p, m, splat(1.1676998740e-1f));
  p = fma(p, m, splat(-1.2420140846e-1f));
  p = fma(p, m, splat(1.4249322787e-1f));
  p = fma(p, m, splat(-1.6668057665e-1f));
  p = fma(p, m, splat(2.0000714765e-1f));
  p = fma(p, m, splat(-2.4999993993e-1f));
  p = fma(p, m, splat(3.3333331174e-1f));
  vf y = m * z * p;
  y = fma(e, splat(-2.12194440e-4f), y);
  y = fma(z, splat(-0.5f), y);
  vf result = fma(e, splat(0.693359375f), m + y);
  const vf infinity = splat(__builtin_inff());
  result = select(x == infinity, infinity, result);
  result = select(x == splat(0.0f), -infinity, result);
  return select((x < splat(0.0f)) | (x != x), splat(__builtin_nanf("")), result);
}

[[maybe_unused]] inline vf copySign(vf magnitude, vf sign) {
  const vi mask = splatInt(INT32_MIN);
  return fromBits((bitsOf(magnitude) & ~mask) | (bitsOf(sign) & mask));
}

[[maybe_unused]] inline vf vtanh(vf x) {
  const vf a = absolute(x);
  const vf z = x * x;
  vf p = splat(-5.70498872745e-3f);
  p = fma(p, z, splat(2.06390887954e-2f));
  p = fma(p, z, splat(-5.37397155531e-2f));
  p = fma(p, z, splat(1.33314422036e-1f));
  p = fma(p, z, splat(-3.33332819422e-1f));
  const vf near = fma(p * z, x, x);
  const vf far = splat(1.0f) - splat(2.0f) / (vexp(a + a) + splat(1.0f));
  return select(a < splat(0.625f), near, copySign(far, x));
}

[[maybe_unused]] inline vf vsigmoid(vf x) { return splat(1.0f) / (splat(1.0f) + vexp(-x)); }

[[maybe_unused]] inline vf verf(vf x) {
  vf t = absolute(x);
  t = select(t > splat(4.0f), splat(4.0f), t);
  const vf s = t * t;
  vf far = fma(splat(-1.72853470e-5f), t, splat(3.83197126e-4f));
  const vf u = fma(splat(-3.88396438e-3f), t, splat(2.42546219e-2f));
  far = fma(far, s, u);
  far = fma(far, t, splat(-1.06777877e-1f));
  far = fma(far, t, splat(-6.34846687e-1f));
  far = fma(far, t, splat(-1.28717512e-1f));
  far = fma(far, t, -t);
  far = copySign(splat(1.0f) - vexp(far), x);
  vf near = splat(-5.96761703e-4f);
  near = fma(near, s, splat(4.99119423e-3f));
  near = fma(near, s, splat(-2.67681349e-2f));
  near = fma(near, s, splat(1.12819925e-1f));
  near = fma(near, s, splat(-3.76125336e-1f));
  near = fma(near, s, splat(1.28379166e-1f));
  near = fma(near, x, x);
  return select(t > splat(0.927734375f), far, near);
}

}  // namespace
}  // namespace reasvqa::REASVQA_ISA_NS
