/**
 * fusedAdamW(buffers, sizes, rates, beta1, beta2, eps, step, gradScale): `buffers` Int32Array of 4 ids a tensor (p, m,
 * v, g; the first three are updated in place), `sizes` Float64Array of element counts, `rates` Float64Array of 2
 * numbers a tensor (learning rate, weight decay).
 *
 * fusedGlobalNorm(buffers, sizes, result): sqrt of the sum of all squares, written to the one float of `result`.
 */
#include "cpu/fused_optimizer.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "binding.h"

namespace reasvqa {
namespace {

template <class T>
const T* arrayArg(const Args& args, size_t index, size_t count) {
  size_t bytes = 0;
  const void* data = args.typedArray(index, bytes);
  check(bytes == count * sizeof(T), "optimizer: an argument array has the wrong length");
  return static_cast<const T*>(data);
}

size_t countOf(const Args& args, size_t index, size_t elementBytes) {
  size_t bytes = 0;
  args.typedArray(index, bytes);
  check(bytes % elementBytes == 0, "optimizer: an argument array has the wrong length");
  return bytes / elementBytes;
}

int64_t sizeOf(double value) {
  check(value >= 0 && value <= 9007199254740992.0 && value == std::floor(value), "optimizer: bad tensor size");
  return static_cast<int64_t>(value);
}

float* bufferOf(BufferId id, int64_t n) {
  return static_cast<float*>(Pool::instance().data(id, static_cast<size_t>(n) * sizeof(float)));
}

void adamw(Args& args) {
  const size_t tensors = countOf(args, 1, sizeof(double));
  const auto* buffers = arrayArg<int32_t>(args, 0, 4 * tensors);
  const auto* sizes = arrayArg<double>(args, 1, tensors);
  const auto* rates = arrayArg<double>(args, 2, 2 * tensors);
  const double beta1 = args.number(3);
  const double beta2 = args.number(4);
  const double step = args.number(6);
  check(step >= 1, "adamw: the step counts from 1");
  AdamW hyper;
  hyper.beta1 = static_cast<float>(beta1);
  hyper.beta2 = static_cast<float>(beta2);
  hyper.oneMinusBeta1 = static_cast<float>(1 - beta1);
  hyper.oneMinusBeta2 = static_cast<float>(1 - beta2);
  hyper.eps = args.f32(5);
  hyper.rootCorrection = static_cast<float>(1 / std::sqrt(1 - std::pow(beta2, step)));
  hyper.gradScale = args.f32(7);

  std::vector<AdamWPiece> pieces;
  for (size_t t = 0; t < tensors; ++t) {
    const int64_t n = sizeOf(sizes[t]);
    float* p = bufferOf(buffers[4 * t], n);
    float* m = bufferOf(buffers[4 * t + 1], n);
    float* v = bufferOf(buffers[4 * t + 2], n);
    const float* g = bufferOf(buffers[4 * t + 3], n);
    const double lr = rates[2 * t];
    const auto decay = static_cast<float>(1 - lr * rates[2 * t + 1]);
    const auto rate = static_cast<float>(lr / (1 - std::pow(beta1, step)));
    for (int64_t at = 0; at < n; at += kPiece) {
      pieces.push_back({p + at, m + at, v + at, g + at, std::min(kPiece, n - at), decay, rate});
    }
  }
  fusedOptimizerKernels().adamw(hyper, pieces.data(), static_cast<int64_t>(pieces.size()));
}

void globalNorm(Args& args) {
  float* result = args.out<float>(2, 1);
  const size_t tensors = countOf(args, 1, sizeof(double));
  const auto* buffers = arrayArg<int32_t>(args, 0, tensors);
  const auto* sizes = arrayArg<double>(args, 1, tensors);
  std::vector<NormPiece> pieces;
  for (size_t t = 0; t < tensors; ++t) {
    const int64_t n = sizeOf(sizes[t]);
    const float* g = bufferOf(buffers[t], n);
    for (int64_t at = 0; at < n; at += kPiece) pieces.push_back({g + at, std::min(kPiece, n - at)});
  }
  std::vector<double> sums(pieces.size());
  fusedOptimizerKernels().squares(pieces.data(), static_cast<int64_t>(pieces.size()), sums.data());
  double total = 0;
  for (const double sum : sums) total += sum;
  *result = static_cast<float>(std::sqrt(total));
}

void registerFusedOptimizer(Napi::Env, Napi::Object exports) {
  bind<adamw>(exports, "fusedAdamW");
  bind<globalNorm>(exports, "fusedGlobalNorm");
}
REASVQA_REGISTER(registerFusedOptimizer)

}  // namespace
}  // namespace reasvqa
