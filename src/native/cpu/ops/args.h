/** Arguments that several fused bindings share. */
#pragma once

#include "binding.h"
#include "cpu/ops/dropout.h"

namespace reasvqa {

/** How many arguments dropoutArgs reads from `index` on: rate (0: none), threshold, seed, step, call. */
constexpr size_t kDropoutArgs = 5;

inline uint32_t wordArg(const Args& args, size_t index) {
  const int64_t value = args.size(index);
  check(value <= 0xffffffffLL, "dropout: seed, step, call and threshold are 32-bit words");
  return static_cast<uint32_t>(value);
}

inline Dropout dropoutArgs(const Args& args, size_t index) {
  const double rate = args.number(index);
  check(rate >= 0 && rate < 1, "dropout: the rate is outside [0, 1)");
  Dropout d;
  d.on = rate > 0;
  d.scale = static_cast<float>(1.0 / (1.0 - rate));
  d.threshold = wordArg(args, index + 1);
  uint32_t key0 = wordArg(args, index + 2);
  uint32_t key1 = 0x5ea5;
  d.step = wordArg(args, index + 3);
  d.call = wordArg(args, index + 4);
  for (int round = 0; round < 10; ++round) {
    d.key0[round] = key0;
    d.key1[round] = key1;
    key0 += 0x9e3779b9u;
    key1 += 0xbb67ae85u;
  }
  return d;
}

}  // namespace reasvqa
