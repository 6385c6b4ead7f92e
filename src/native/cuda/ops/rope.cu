/** Rotary positions (cpu/ops/rope.h): a thread turns four pairs of a head, which lie D / 2 apart. */
#include "cpu/ops/rope_args.h"
#include "cuda/runtime/vector4.cuh"

extern "C" __global__ void rope(Rope r, const float* x, float* y) {
  const int64_t fours = (r.half + 3) / 4;
  const bool aligned = r.half % 4 == 0;
  for (int64_t i = globalThread(); i < r.rows * r.heads * fours; i += globalThreads()) {
    const int64_t head = i / fours;  // of all rows
    const int64_t pair = 4 * (i - head * fours);
    const int64_t left = r.half - pair;
    const int64_t angle = head / r.heads % r.length * r.half + pair;
    const int64_t at = head * 2 * r.half + pair;
    float cos[4];
    float sin[4];
    float first[4];
    float second[4];
    loadFour(r.cos + angle, left, aligned, cos);
    loadFour(r.sin + angle, left, aligned, sin);
    loadFour(x + at, left, aligned, first);
    loadFour(x + at + r.half, left, aligned, second);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const float s = sin[j] * r.sign;
      const float turned = first[j] * cos[j] - second[j] * s;
      second[j] = second[j] * cos[j] + first[j] * s;
      first[j] = turned;
    }
    storeFour(y + at, left, aligned, first);
    storeFour(y + at + r.half, left, aligned, second);
  }
}
