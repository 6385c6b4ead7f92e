/**
 * Softmax over rows: y = exp(x - max) / sum. x and y may be the same. A row with a NaN or +infinity becomes NaN, and so does
 * one of nothing but -infinity, as on the CPU.
 */

/** Rows of up to about a thousand: a warp a row. */
extern "C" __global__ void softmaxByWarps(const float* x, float* y, int64_t rows, int64_t length) {
  const int lane = threadIdx.x & 31;
  for (int64_t row = globalThread() / 32; row < rows; row += globalThreads() / 32) {
    const float* from = x + row * length;
    float* to = y + row * length;
    float top = -INFINITY;
    for (int64_t i = lane; i < length; i += 32) top = MaxOf()(top, from[i]);
    top = warpMax(top);
    float total = 0.0f;
    for (int64_t i = lane; i < length; i += 32) total += expf(from[i] - top);
    const float factor = 1.0f / warpSum(total);
    for (int64_t i = lane; i < length; i += 32) to[i] = expf(from[i] - top) * factor;
  }
}

/** Longer rows: a block a row. */
extern "C" __global__ void softmaxByBlocks(const float* x, float* y, int64_t rows, int64_t length) {
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    const float* from = x + row * length;
    float* to = y + row * length;
    float top = -INFINITY;
    for (int64_t i = threadIdx.x; i < length; i += blockDim.x) top = MaxOf()(top, from[i]);
    top = blockMax(top);
    float total = 0.0f;
    for (int64_t i = threadIdx.x; i < length; i += blockDim.x) total += expf(from[i] - top);
    const float factor = 1.0f / blockSum(total);
    for (int64_t i = threadIdx.x; i < length; i += blockDim.x) to[i] = expf(from[i] - top) * factor;
  }
}
