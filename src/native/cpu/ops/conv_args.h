/** Reading a Conv from the parameter block: its fifteen sizes in order. For bindings (compiled once). */
#pragma once

#include "binding.h"
#include "cpu/ops/conv.h"

namespace reasvqa {

inline Conv readConv(const Args& args) {
  const int32_t* p = args.params(15);
  for (int i = 0; i < 13; ++i) check(p[i] >= (i < 11 ? 0 : 1), "conv2d: a size is negative");
  return {p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8], p[9], p[10], p[11], p[12], p[13], p[14]};
}

/** Elements of one image. */
inline int64_t inputSize(const Conv& c) { return c.inHeight * c.inWidth * c.inChannels; }
inline int64_t outputSize(const Conv& c) { return c.pixels() * c.outChannels; }

}  // namespace reasvqa
