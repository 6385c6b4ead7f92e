/** Comparisons and logic of two operands with broadcasting (pairs.cuh); the result is bool. */
#include "cuda/ops/pairs.cuh"

#define COMPARISONS(suffix, T)                          \
  PAIRS(equal##suffix, T, uint8_t, x == y)              \
  PAIRS(notEqual##suffix, T, uint8_t, x != y)           \
  PAIRS(greater##suffix, T, uint8_t, x > y)             \
  PAIRS(greaterEqual##suffix, T, uint8_t, x >= y)       \
  PAIRS(less##suffix, T, uint8_t, x < y)                \
  PAIRS(lessEqual##suffix, T, uint8_t, x <= y)

COMPARISONS(F32, float)
COMPARISONS(I32, int32_t)
COMPARISONS(U8, uint8_t)
PAIRS(logicalAndU8, uint8_t, uint8_t, x != 0 && y != 0)
PAIRS(logicalOrU8, uint8_t, uint8_t, x != 0 || y != 0)
