/** Arithmetic of two float operands with broadcasting (pairs.cuh); NaN rules as in cpu/ops/binary_kernels.cc. */
#include "cuda/ops/pairs.cuh"

/** JavaScript's Math.pow: 1 to a power that is not finite is NaN (C says 1). Powers of 1, 2 and 3 are products. */
__device__ inline float power(float x, float y) {
  if (y == 1.0f) return x;
  if (y == 2.0f) return x * x;
  if (y == 3.0f) return x * x * x;
  if (y != y || (x == 1.0f && fabsf(y) == INFINITY)) return NAN;
  return powf(x, y);
}

/** The sign of y, as in tfjs. */
__device__ inline float modulo(float x, float y) {
  const float rest = fmodf(x, y);
  if ((x < 0 && y < 0) || (x >= 0 && y >= 0)) return rest;
  return fmodf(rest + y, y);
}

PAIRS(addF32, float, float, x + y)
PAIRS(subF32, float, float, x - y)
PAIRS(mulF32, float, float, x * y)
PAIRS(divF32, float, float, x / y)
PAIRS(maximumF32, float, float, (x > y || x != x) ? x : y)
PAIRS(minimumF32, float, float, (x < y || x != x) ? x : y)
PAIRS(squaredDifferenceF32, float, float, (x - y) * (x - y))
PAIRS(powF32, float, float, power(x, y))
PAIRS(modF32, float, float, modulo(x, y))
