/** The tensors of AdamW and of the global norm as tables of pieces, with pointers of the device that `args` belongs to. */
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "binding.h"
#include "cpu/ops/optimizer.h"

namespace reasvqa {

template <class T>
const T* arrayArg(const Args& args, size_t index, size_t count) {
  size_t bytes = 0;
  const void* data = args.typedArray(index, bytes);
  check(bytes == count * sizeof(T), "optimizer: an argument array has the wrong length");
  return static_cast<const T*>(data);
}

inline size_t countOf(const Args& args, size_t index, size_t elementBytes) {
  size_t bytes = 0;
  args.typedArray(index, bytes);
  check(bytes % elementBytes == 0, "optimizer: an argument array has the wrong length");
  return bytes / elementBytes;
}

inline int64_t sizeOf(double value) {
  check(value >= 0 && value <= 9007199254740992.0 && value == std::floor(value), "optimizer: bad tensor size");
  return static_cast<int64_t>(value);
}

inline AdamW adamwOf(const AdamWCall& call) {
  check(call.step >= 1, "adamw: the step counts from 1");
  return {static_cast<float>(call.beta1),
          static_cast<float>(call.beta2),
          static_cast<float>(1 - call.beta1),
          static_cast<float>(1 - call.beta2),
          static_cast<float>(call.eps),
          static_cast<float>(1 / std::sqrt(1 - std::pow(call.beta2, call.step))),
          static_cast<float>(call.gradScale)};
}

inline std::vector<AdamWPiece> adamwPieces(const AdamWCall& call, const Args& args) {
  const size_t tensors = countOf(args, 1, sizeof(double));
  const auto* buffers = arrayArg<int32_t>(args, 0, 4 * tensors);
  const auto* sizes = arrayArg<double>(args, 1, tensors);
  const auto* rates = arrayArg<double>(args, 2, 2 * tensors);
  const double correction = 1 - std::pow(call.beta1, call.step);
  std::vector<AdamWPiece> pieces;
  for (size_t t = 0; t < tensors; ++t) {
    const int64_t n = sizeOf(sizes[t]);
    float* p = args.at<float>(buffers[4 * t], n);
    float* m = args.at<float>(buffers[4 * t + 1], n);
    float* v = args.at<float>(buffers[4 * t + 2], n);
    const float* g = args.at<float>(buffers[4 * t + 3], n);
    const double lr = rates[2 * t];
    const auto decay = static_cast<float>(1 - lr * rates[2 * t + 1]);
    const auto rate = static_cast<float>(lr / correction);
    for (int64_t at = 0; at < n; at += kPiece) {
      pieces.push_back({p + at, m + at, v + at, g + at, std::min(kPiece, n - at), decay, rate});
    }
  }
  return pieces;
}

inline std::vector<NormPiece> normPieces(const Args& args) {
  const size_t tensors = countOf(args, 1, sizeof(double));
  const auto* buffers = arrayArg<int32_t>(args, 0, tensors);
  const auto* sizes = arrayArg<double>(args, 1, tensors);
  std::vector<NormPiece> pieces;
  for (size_t t = 0; t < tensors; ++t) {
    const int64_t n = sizeOf(sizes[t]);
    const float* g = args.at<float>(buffers[t], n);
    for (int64_t at = 0; at < n; at += kPiece) pieces.push_back({g + at, std::min(kPiece, n - at)});
  }
  return pieces;
}

}  // namespace reasvqa
