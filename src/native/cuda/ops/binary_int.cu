/** Arithmetic of two int32 operands with broadcasting (pairs.cuh). Integers wrap around, as in an Int32Array. */
#include "cuda/ops/pairs.cuh"

/** Rounds towards minus infinity; by zero it gives 0, as JavaScript's conversion of Infinity and NaN does. */
__device__ inline int32_t floorDivide(int32_t x, int32_t y) {
  if (y == 0) return 0;
  const int64_t quotient = (int64_t)x / y;
  return (int32_t)(uint32_t)(quotient - (((int64_t)x % y != 0) && ((x < 0) != (y < 0))));
}

__device__ inline int32_t modulo(int32_t x, int32_t y) {
  if (y == 0) return 0;
  const int64_t rest = (int64_t)x % y;
  return (int32_t)((x < 0) == (y < 0) ? rest : (rest + y) % y);
}

__device__ inline int32_t squaredDifference(int32_t x, int32_t y) {
  const uint32_t d = (uint32_t)x - (uint32_t)y;
  return (int32_t)(d * d);
}

PAIRS(addI32, int32_t, int32_t, (int32_t)((uint32_t)x + (uint32_t)y))
PAIRS(subI32, int32_t, int32_t, (int32_t)((uint32_t)x - (uint32_t)y))
PAIRS(mulI32, int32_t, int32_t, (int32_t)((uint32_t)x * (uint32_t)y))
PAIRS(maximumI32, int32_t, int32_t, x > y ? x : y)
PAIRS(minimumI32, int32_t, int32_t, x < y ? x : y)
PAIRS(squaredDifferenceI32, int32_t, int32_t, squaredDifference(x, y))
PAIRS(modI32, int32_t, int32_t, modulo(x, y))
PAIRS(floorDivI32, int32_t, int32_t, floorDivide(x, y))
