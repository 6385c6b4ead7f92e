/** Converting a buffer between its two storage types, f32 and bf16. */

extern "C" __global__ void f32ToBf16(const float* x, unsigned short* y, int64_t n) {
  for (int64_t i = globalThread(); i < n; i += globalThreads()) y[i] = floatToBf16(x[i]);
}

extern "C" __global__ void bf16ToF32(const unsigned short* x, float* y, int64_t n) {
  for (int64_t i = globalThread(); i < n; i += globalThreads()) y[i] = bf16ToFloat(x[i]);
}
