/**
 * copyStrided(element bytes, from, from offset, to, to offset, rank), on every device: layout {dims, strides from, strides
 * to}.
 */
#pragma once

#include "cpu/runtime/layout.h"

namespace reasvqa {

struct StridedCopy {
  int32_t elementBytes;
  int64_t fromOffset;  // in elements
  int64_t toOffset;
  Layout<2> layout;
  const std::byte* from;  // nullptr: there is nothing to copy
  std::byte* to;
};

inline StridedCopy stridedCopy(const Args& args) {
  const int32_t elementBytes = args.i32(0);
  check(elementBytes == 1 || elementBytes == 4, "copyStrided: elements of 1 or 4 bytes are expected");
  StridedCopy copy = {elementBytes, args.size(2), args.size(4), readLayout<2>(args, args.size(5)), nullptr, nullptr};
  const Reach from = reachOf(copy.layout, 0);
  const Reach to = reachOf(copy.layout, 1);
  if (from.highest < from.lowest) return copy;
  check(copy.fromOffset + from.lowest >= 0 && copy.toOffset + to.lowest >= 0, "copyStrided: reaches before the buffer");
  check(args.i32(1) != args.i32(3), "copyStrided: two buffers are expected");
  copy.from = args.in<std::byte>(1, (copy.fromOffset + from.highest + 1) * elementBytes);
  copy.to = args.out<std::byte>(3, (copy.toOffset + to.highest + 1) * elementBytes);
  return copy;
}

}  // namespace reasvqa
