/** Arguments and launch helpers that several fused launchers share. */
#pragma once

#include <algorithm>

#include "cpu/ops/args.h"
#include "cuda/runtime/args.h"
#include "cuda/runtime/launch.h"

namespace reasvqa::cuda {

/** One use of dropout as the kernels read it (the same bytes as Dropout in philox.cuh). scale 0: no dropout. */
struct Dropout {
  float scale = 0.0f;  // 1 / (1 - rate)
  uint32_t threshold = 0;
  uint32_t seed = 0;
  uint32_t step = 0;
  uint32_t call = 0;
};
static_assert(sizeof(Dropout) == 20, "philox.cuh declares the same struct");

inline Dropout dropoutArgs(const CudaArgs& args, size_t index) {
  const double rate = args.number(index);
  check(rate >= 0 && rate < 1, "dropout: the rate is outside [0, 1)");
  Dropout d;
  if (rate > 0) d.scale = static_cast<float>(1.0 / (1.0 - rate));
  d.threshold = wordArg(args, index + 1);
  d.seed = wordArg(args, index + 2);
  d.step = wordArg(args, index + 3);
  d.call = wordArg(args, index + 4);
  return d;
}

/** A count as one axis of a grid. */
inline uint32_t blocks(int64_t count, int64_t most = 0x7fffffff) {
  check(count >= 0 && count <= most, "a tensor has too many rows for one kernel launch");
  return static_cast<uint32_t>(count);
}

/** The largest y and z of a grid. */
constexpr int64_t kMostBlocksYZ = 65535;

inline size_t floats(int64_t n) { return static_cast<size_t>(n) * sizeof(float); }

}  // namespace reasvqa::cuda
