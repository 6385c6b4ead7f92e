/** Pieces of tensors that AdamW and the global norm work on, for both devices and the kernels' texts. */
#pragma once

namespace reasvqa {

constexpr int64_t kPiece = 16384;

/** One piece of one tensor. */
struct AdamWPiece {
  float* p;
  float* m;
  float* v;
  const float* g;
  int64_t n;
  float decay;  // 1 - lr wd
  float rate;   // lr / (1 - beta1^t)
};

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

}  // namespace reasvqa
