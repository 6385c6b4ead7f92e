/** What the backward passes of attention know of a row beside its statistics. */

/** delta of every row, and the greatest |dy|, of bits 0 before; out is the forward pass's. A warp takes a row. */
extern "C" __global__ void attentionDelta(const float* dy, const float* out, float* delta, uint32_t* largest,
                                          int64_t batch, int64_t heads, int64_t Lq, int64_t Dv) {
  const int64_t row = globalThread() >> 5;  // (b Lq + i) H + h, the order of memory
  if (row >= batch * Lq * heads) return;
  float sum = 0.0f;
  uint32_t bits = 0;
  for (int64_t c = threadIdx.x & 31; c < Dv; c += 32) {
    const float gradient = dy[row * Dv + c];
    sum = fmaf(gradient, out[row * Dv + c], sum);
    bits = max(bits, __float_as_uint(gradient) & 0x7fffffffu);  // of positive floats, in the order of their values
  }
  sum = warpSum(sum);
  bits = warpMax(bits);
  // It only grows, so a value read late costs a needless atomic operation at most: most rows need none.
  if ((threadIdx.x & 31) == 0 && bits > *largest) atomicMax(largest, bits);
  const int64_t h = row % heads;
  const int64_t i = row / heads % Lq;
  const int64_t b = row / (heads * Lq);
  if ((threadIdx.x & 31) == 0) delta[(b * heads + h) * Lq + i] = sum;
}
