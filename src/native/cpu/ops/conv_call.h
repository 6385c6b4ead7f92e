/**
 * The operands of conv2d(x, filter, y), conv2dFilterGrad(x, dy, dfilter) and conv2dInputGrad(dy, filter, dx), on every
 * device; the fifteen sizes of ConvSizes come in the parameter block.
 */
#pragma once

#include "binding.h"
#include "cpu/ops/conv.h"

namespace reasvqa {

/** Elements of one image. */
inline int64_t inputSize(const Conv& c) { return c.inHeight * c.inWidth * c.inChannels; }
inline int64_t outputSize(const Conv& c) { return c.pixels() * c.outChannels; }

inline int64_t inputsOf(const Conv& c) { return c.batch * inputSize(c); }
inline int64_t outputsOf(const Conv& c) { return c.batch * outputSize(c); }
inline int64_t filterOf(const Conv& c) { return c.patch() * c.outChannels; }

struct ConvOperands {
  Conv c;
  const float* first;
  const float* second;
  float* result;
};

/** The sizes give the elements of each operand. */
inline ConvOperands convOperands(const Args& args, int64_t (*first)(const Conv&), int64_t (*second)(const Conv&),
                                 int64_t (*result)(const Conv&)) {
  const int32_t* p = args.params(15);
  for (int i = 0; i < 13; ++i) check(p[i] >= (i < 11 ? 0 : 1), "conv2d: a size is negative");
  const Conv c = {{p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8], p[9], p[10], p[11], p[12], p[13], p[14]}};
  return {c, args.in<float>(0, first(c)), args.in<float>(1, second(c)), args.out<float>(2, result(c))};
}

}  // namespace reasvqa
