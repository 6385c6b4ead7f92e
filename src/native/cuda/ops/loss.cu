/** Row passes of the chunked cross-entropy (loss.cc); one block a row of logits. */
#include "cpu/ops/loss_args.h"
#include "cuda/runtime/vector4.cuh"

/** Largest logit and sum of exp(logit - largest), gathered in one reading. */
struct Exponentials {
  float largest;
  float sum;
};

/** A row's Exponentials, for all threads of its block. */
__device__ Exponentials exponentialsOf(const float* row, int64_t V) {
  Exponentials mine = {-INFINITY, 0.0f};
  const bool aligned = V % 4 == 0;
  for (int64_t at = 4 * threadIdx.x; at < V; at += 4 * blockDim.x) {
    float value[4];
    loadFour(row + at, V - at, aligned, value);
    float largest = mine.largest;
    for (int i = 0; i < 4; ++i) {
      if (at + i < V && value[i] > largest) largest = value[i];
    }
    const float shift = largest == -INFINITY ? 0.0f : largest;
    if (largest != mine.largest) mine.sum *= expf(mine.largest - shift);
    mine.largest = largest;
    for (int i = 0; i < 4; ++i) {
      if (at + i < V) mine.sum += expf(value[i] - shift);
    }
  }
  const float largest = blockMax(mine.largest);
  const float shift = largest == -INFINITY ? 0.0f : largest;
  return {largest, blockSum(mine.sum * expf(mine.largest - shift))};
}

/**
 * loss[i] = log(sum of exp(logits)) - logit of the label, 0 where the label is -100; then, unless `gradient` is nullptr,
 * gradient[i] = factor[i] (softmax - onehot), zeros where the label is -100; factor nullptr: 1. Either output may be left
 * out. A label outside the vocabulary (the operation refuses it) gives NaN. gradient may be the logits themselves.
 */
template <class Element>
__device__ void crossEntropy(const float* logits, const int32_t* labels, const float* factor, float* loss,
                             Element* gradient, int64_t V) {
  const int64_t i = blockIdx.x;
  const float* row = logits + i * V;
  const int32_t label = labels[i];
  if (label == kIgnored) {
    if (loss && threadIdx.x == 0) loss[i] = 0.0f;
    if (gradient) {
      for (int64_t at = threadIdx.x; at < V; at += blockDim.x) storeFloat(gradient, i * V + at, 0.0f);
    }
    return;
  }
  const bool known = label >= 0 && label < V;
  const Exponentials e = exponentialsOf(row, V);
  if (loss && threadIdx.x == 0) loss[i] = known ? logf(e.sum) + (e.largest - row[label]) : NAN;
  if (!gradient) return;
  __syncthreads();  // the label's logit is read before it is written over
  const float scale = factor ? factor[i] : 1.0f;
  const float inverse = known ? 1.0f / e.sum : NAN;
  for (int64_t at = threadIdx.x; at < V; at += blockDim.x) {
    const float p = expf(row[at] - e.largest) * inverse;
    storeFloat(gradient, i * V + at, scale * (at == label ? p - 1.0f : p));
  }
}

extern "C" __global__ void crossEntropyF32(const float* logits, const int32_t* labels, const float* factor, float* loss,
                                           float* gradient, int64_t V) {
  crossEntropy(logits, labels, factor, loss, gradient, V);
}
extern "C" __global__ void crossEntropyBf16(const float* logits, const int32_t* labels, const float* factor, float* loss,
                                            unsigned short* gradient, int64_t V) {
  crossEntropy(logits, labels, factor, loss, gradient, V);
}

/** y = x, zeros in the rows whose label is -100: what is there must not reach a product, not even as 0 times NaN. */
template <class Element>
__device__ void countedRows(const float* x, const int32_t* labels, Element* y, int64_t rows, int64_t d) {
  for (int64_t at = globalThread(); at < rows * d; at += globalThreads()) {
    storeFloat(y, at, labels[at / d] == kIgnored ? 0.0f : x[at]);
  }
}

extern "C" __global__ void countedRowsF32(const float* x, const int32_t* labels, float* y, int64_t rows, int64_t d) {
  countedRows(x, labels, y, rows, d);
}
extern "C" __global__ void countedRowsBf16(const float* x, const int32_t* labels, unsigned short* y, int64_t rows,
                                           int64_t d) {
  countedRows(x, labels, y, rows, d);
}
