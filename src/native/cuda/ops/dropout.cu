#include "cuda/ops/philox.cuh"
#include "cuda/runtime/vector4.cuh"

/** y = addend + x * multiplier, all (rows, columns); addend may be null (0). One thread: four columns of a row. */
template <class Out>
__device__ inline void rowsOut(const float* x, const float* addend, Out* y, int64_t rows, int64_t columns,
                               const Dropout& dropout) {
  forDropped(rows, columns, dropout, [&](int64_t at, int64_t left, bool aligned, const float(&multiplier)[4]) {
    float value[4];
    loadFour(x + at, left, aligned, value);
#pragma unroll
    for (int i = 0; i < 4; ++i) value[i] *= multiplier[i];
    if (addend) {
      float base[4];
      loadFour(addend + at, left, aligned, base);
#pragma unroll
      for (int i = 0; i < 4; ++i) value[i] += base[i];
    }
    storeFour(y + at, left, aligned, value);
  });
}

extern "C" __global__ void dropoutRows(const float* x, const float* addend, float* y, int64_t rows, int64_t columns,
                                       Dropout dropout) {
  rowsOut(x, addend, y, rows, columns, dropout);
}
extern "C" __global__ void dropoutRowsBf16(const float* x, const float* addend, unsigned short* y, int64_t rows,
                                           int64_t columns, Dropout dropout) {
  rowsOut(x, addend, y, rows, columns, dropout);
}
