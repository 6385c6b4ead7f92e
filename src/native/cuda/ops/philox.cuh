/**
 * Dropout's random bits: Philox4x32-10 (Salmon et al., SC 2011) with key (seed, 0x5EA5) and counter
 * (column >> 2, row, call, step), word column & 3. The same bits as philoxKeepMask in src/ops/philox.ts, which is the
 * truth for every engine. One block of Philox covers four columns of a row, so a thread should own four.
 */
#pragma once
#include "cuda/ops/dropout_args.h"

/** Which of the columns 4 block to 4 block + 3 of a row are kept: bit i for column i. */
__device__ inline uint32_t dropoutKept(const Dropout& dropout, uint32_t row, uint32_t block) {
  uint32_t c0 = block;
  uint32_t c1 = row;
  uint32_t c2 = dropout.call;
  uint32_t c3 = dropout.step;
  uint32_t key0 = dropout.seed;
  uint32_t key1 = 0x5ea5u;
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = (uint64_t)0xd2511f53u * c0;
    const uint64_t p1 = (uint64_t)0xcd9e8d57u * c2;
    c0 = (uint32_t)(p1 >> 32) ^ c1 ^ key0;
    c2 = (uint32_t)(p0 >> 32) ^ c3 ^ key1;
    c1 = (uint32_t)p1;
    c3 = (uint32_t)p0;
    key0 += 0x9e3779b9u;
    key1 += 0xbb67ae85u;
  }
  return (uint32_t)(c0 >= dropout.threshold) | (uint32_t)(c1 >= dropout.threshold) << 1 |
         (uint32_t)(c2 >= dropout.threshold) << 2 | (uint32_t)(c3 >= dropout.threshold) << 3;
}

/** Multipliers (0 or scale) of the same columns. */
__device__ inline void dropoutMultipliers(const Dropout& dropout, uint32_t row, uint32_t block, float (&multiplier)[4]) {
  const uint32_t kept = dropoutKept(dropout, row, block);
#pragma unroll
  for (int i = 0; i < 4; ++i) multiplier[i] = kept >> i & 1 ? dropout.scale : 0.0f;
}

/**
 * Calls body(first element, how many of its four exist, whether they may be loaded at once, multipliers) over all elements
 * of (rows, columns), four columns of a row at a time; multipliers are 1 without dropout.
 */
template <class Body>
__device__ inline void forDropped(int64_t rows, int64_t columns, const Dropout& dropout, const Body& body) {
  const int64_t perRow = (columns + 3) / 4;
  for (int64_t at = globalThread(); at < rows * perRow; at += globalThreads()) {
    const int64_t row = at / perRow;
    const int64_t block = at - row * perRow;
    float multiplier[4] = {1.0f, 1.0f, 1.0f, 1.0f};
    if (dropout.scale != 0.0f) dropoutMultipliers(dropout, (uint32_t)row, (uint32_t)block, multiplier);
    body(row * columns + 4 * block, columns - 4 * block, columns % 4 == 0, multiplier);
  }
}
