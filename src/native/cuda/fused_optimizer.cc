/**
 * AdamW and the global norm over many tensors in one launch: a step updates a few hundred small tensors, and launches per
 * tensor would cost more than the arithmetic. The tensors are cut into pieces of at most kPiece elements, one block each;
 * their table is uploaded with the call.
 *
 * fusedAdamW(buffers, sizes, rates, beta1, beta2, eps, step, gradScale): `buffers` Int32Array of 4 ids a tensor (p, m,
 * v, g; the first three are updated in place), `sizes` Float64Array of element counts, `rates` Float64Array of 2
 * numbers a tensor (learning rate, weight decay).
 *
 * fusedGlobalNorm(buffers, sizes, result): sqrt of the sum of all squares, written to the one float of `result`.
 */
#include <cmath>
#include <vector>

#include "cuda/copy.h"
#include "cuda/fused_args.h"
#include "cuda/scratch.h"

namespace reasvqa::cuda {
namespace {

constexpr int64_t kPiece = 16384;

// The same structs as in fused_optimizer.cu.
struct AdamWPiece {
  float* p;
  float* m;
  float* v;
  const float* g;
  int64_t n;
  float decay;  // 1 - lr wd
  float rate;   // lr / (1 - beta1^t)
};
static_assert(sizeof(AdamWPiece) == 48, "the kernels read this layout");

struct AdamW {
  float beta1;
  float beta2;
  float oneMinusBeta1;
  float oneMinusBeta2;
  float eps;
  float rootCorrection;  // 1 / sqrt(1 - beta2^t)
  float gradScale;
};

struct NormPiece {
  const float* g;
  int64_t n;
};
static_assert(sizeof(NormPiece) == 16, "the kernels read this layout");

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

/** A table of pieces on the device. */
template <class Piece>
class Table {
 public:
  explicit Table(const std::vector<Piece>& pieces) : memory_(pieces.size() * sizeof(Piece)) {
    upload(memory_.as<void>(), pieces.data(), pieces.size() * sizeof(Piece));
  }
  const Piece* data() const { return memory_.as<Piece>(); }

 private:
  Scratch memory_;
};

AdamW hyperArgs(const CudaArgs& args) {
  const double beta1 = args.number(3);
  const double beta2 = args.number(4);
  const double step = args.number(6);
  check(step >= 1, "adamw: the step counts from 1");
  return {static_cast<float>(beta1),
          static_cast<float>(beta2),
          static_cast<float>(1 - beta1),
          static_cast<float>(1 - beta2),
          args.f32(5),
          static_cast<float>(1 / std::sqrt(1 - std::pow(beta2, step))),
          args.f32(7)};
}

void adamw(CudaArgs& args) {
  const size_t tensors = countOf(args, 1, sizeof(double));
  const auto* buffers = arrayArg<int32_t>(args, 0, 4 * tensors);
  const auto* sizes = arrayArg<double>(args, 1, tensors);
  const auto* rates = arrayArg<double>(args, 2, 2 * tensors);
  const AdamW hyper = hyperArgs(args);
  const double correction = 1 - std::pow(args.number(3), args.number(6));

  std::vector<AdamWPiece> pieces;
  for (size_t t = 0; t < tensors; ++t) {
    const int64_t n = sizeOf(sizes[t]);
    float* p = CudaArgs::at<float>(buffers[4 * t], n);
    float* m = CudaArgs::at<float>(buffers[4 * t + 1], n);
    float* v = CudaArgs::at<float>(buffers[4 * t + 2], n);
    const float* g = CudaArgs::at<float>(buffers[4 * t + 3], n);
    const double lr = rates[2 * t];
    const auto decay = static_cast<float>(1 - lr * rates[2 * t + 1]);
    const auto rate = static_cast<float>(lr / correction);
    for (int64_t at = 0; at < n; at += kPiece) {
      pieces.push_back({p + at, m + at, v + at, g + at, std::min(kPiece, n - at), decay, rate});
    }
  }
  if (pieces.empty()) return;
  const Table<AdamWPiece> table(pieces);
  launch("fused_optimizer", "adamw", {blocks(static_cast<int64_t>(pieces.size()))}, {256}, 0, table.data(),
         hyper);
}

void globalNorm(CudaArgs& args) {
  float* result = args.out<float>(2, 1);
  const size_t tensors = countOf(args, 1, sizeof(double));
  const auto* buffers = arrayArg<int32_t>(args, 0, tensors);
  const auto* sizes = arrayArg<double>(args, 1, tensors);
  std::vector<NormPiece> pieces;
  for (size_t t = 0; t < tensors; ++t) {
    const int64_t n = sizeOf(sizes[t]);
    const float* g = CudaArgs::at<float>(buffers[t], n);
    for (int64_t at = 0; at < n; at += kPiece) pieces.push_back({g + at, std::min(kPiece, n - at)});
  }
  const auto count = static_cast<int64_t>(pieces.size());
  const Table<NormPiece> table(pieces);
  const Scratch sums(pieces.size() * sizeof(double));
  launch("fused_optimizer", "squares", {blocks(count)}, {256}, 0, table.data(), sums.as<double>());
  launch("fused_optimizer", "rootOfSum", {1}, {256}, 0, sums.as<double>(), count, result);
}

void registerFusedOptimizer(Napi::Env, Napi::Object cuda) {
  bindCuda<adamw>(cuda, "fusedAdamW");
  bindCuda<globalNorm>(cuda, "fusedGlobalNorm");
}
REASVQA_CUDA_REGISTER(registerFusedOptimizer)

}  // namespace
}  // namespace reasvqa::cuda
