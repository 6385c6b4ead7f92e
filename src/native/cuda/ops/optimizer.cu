/**
 * AdamW and sums of squares over many tensors in one launch: block i works on piece i of a table.
 */
#include "cpu/ops/optimizer_args.h"
#include "cuda/runtime/vector4.cuh"

extern "C" __global__ void adamw(const AdamWPiece* pieces, AdamW s) {
  const AdamWPiece piece = pieces[blockIdx.x];
  for (int64_t at = 4 * threadIdx.x; at < piece.n; at += 4 * blockDim.x) {
    const int64_t left = piece.n - at;
    float p[4];
    float m[4];
    float v[4];
    float g[4];
    loadFour(piece.p + at, left, true, p);
    loadFour(piece.m + at, left, true, m);
    loadFour(piece.v + at, left, true, v);
    loadFour(piece.g + at, left, true, g);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float gradient = g[i] * s.gradScale;
      m[i] = m[i] * s.beta1 + gradient * s.oneMinusBeta1;
      v[i] = v[i] * s.beta2 + gradient * gradient * s.oneMinusBeta2;
      p[i] = p[i] * piece.decay - piece.rate * m[i] / (sqrtf(v[i]) * s.rootCorrection + s.eps);
    }
    storeFour(piece.m + at, left, true, m);
    storeFour(piece.v + at, left, true, v);
    storeFour(piece.p + at, left, true, p);
  }
}

/** sums[i] = sum of squares of piece i: a thread's few dozen in f32, then f64. */
extern "C" __global__ void squares(const NormPiece* pieces, double* sums) {
  const NormPiece piece = pieces[blockIdx.x];
  float part[4] = {0.0f, 0.0f, 0.0f, 0.0f};
  for (int64_t at = 4 * threadIdx.x; at < piece.n; at += 4 * blockDim.x) {
    float g[4];
    loadFour(piece.g + at, piece.n - at, true, g);
#pragma unroll
    for (int i = 0; i < 4; ++i) part[i] = fmaf(g[i], g[i], part[i]);
  }
  const double total = blockSum((double)part[0] + (double)part[1] + (double)part[2] + (double)part[3]);
  if (threadIdx.x == 0) sums[blockIdx.x] = total;
}

/** One block: result = sqrt of the sum of the pieces' sums. */
extern "C" __global__ void rootOfSum(const double* sums, int64_t count, float* result) {
  double part = 0.0;
  for (int64_t i = threadIdx.x; i < count; i += blockDim.x) part += sums[i];
  const double total = blockSum(part);
  if (threadIdx.x == 0) result[0] = (float)sqrt(total);
}
