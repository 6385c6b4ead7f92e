/** Attention's backward pass in f32: attention_backward_f32.cuh, and the gradient of the bias. */
#include "cuda/ops/attention_backward_f32.cuh"

/**
 * dbias (biasHeads, Lq, Lk) = ds summed over the batch, and over the heads when they share the bias. Grid: key tiles,
 * query tiles, biasHeads.
 */
extern "C" __global__ void __launch_bounds__(256) attentionGradBias(Attention a, RowTerms terms, float* dbias) {
  __shared__ Memory memory;
  const int64_t firstKey = kTile * (int64_t)blockIdx.x;
  const int64_t firstQuery = kTile * (int64_t)blockIdx.y;
  const int64_t firstHead = a.biasHeads == 1 ? 0 : blockIdx.z;
  const int64_t endHead = a.biasHeads == 1 ? a.heads : firstHead + 1;
  float sum[4][4] = {};
  for (int64_t h = firstHead; h < endHead; ++h) {
    for (int64_t b = 0; b < a.batch; ++b) {
      float ds[4][4];
      scoreGradientTile(a, WholeView(), terms, b, h, firstQuery, firstKey, memory, ds);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) sum[i][j] += ds[i][j];
      }
    }
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int64_t query = firstQuery + 4 * (threadIdx.x >> 4) + i;
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int64_t key = firstKey + 4 * (threadIdx.x & 15) + j;
      if (query < a.Lq && key < a.Lk) dbias[((int64_t)blockIdx.z * a.Lq + query) * a.Lk + key] = sum[i][j];
    }
  }
}

ATTENTION_BACKWARD(attention, Attention, 2)
ATTENTION_BACKWARD(attention, Attention, 3)
ATTENTION_BACKWARD(attention, Attention, 4)
