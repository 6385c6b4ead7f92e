/** GELU and SiLU by the formulas of cpu/ops/gelu.h; four elements a thread. form: an Activation. */
#include "cuda/ops/gelu_args.h"
#include "cuda/ops/philox.cuh"
#include "cuda/runtime/vector4.cuh"

/** An activation of a number. */
struct Active {
  float value;
  float derivative;
};

__device__ inline Active erfGelu(float x) {
  // Beyond 20 the tail is 0 in float32; the bound keeps a^2 of an infinity out.
  const float size = fabsf(x);
  const float a = size > 20.0f ? 20.0f : size;
  const float square = a * a;
  // exp(-a^2 / 2) with the rounding error of a^2 put back: 1e-6 at a = 5 without it.
  const float lost = fmaf(a, a, -square);
  const float e = expf(square * -0.5f);
  const float gauss = fmaf(e, lost * -0.5f, e);
  const float t = 1.0f / fmaf(a, 0.3f, 1.0f);
  float p = -0.02061283588409424f;
  p = fmaf(p, t, 0.11237581074237823f);
  p = fmaf(p, t, -0.2280675768852234f);
  p = fmaf(p, t, 0.19158178567886353f);
  p = fmaf(p, t, -0.07924740761518478f);
  p = fmaf(p, t, 0.09605786204338074f);
  p = fmaf(p, t, 0.0784255713224411f);
  p = fmaf(p, t, 0.1102273240685463f);
  p = fmaf(p, t, 0.11957284063100815f);
  p = fmaf(p, t, 0.11968663334846497f);
  const float tail = gauss * (t * p);
  const float phi = x > 0.0f ? 1.0f - tail : tail;
  return {x * phi, fmaf(x, gauss * 0.3989422804014327f, phi)};
}

__device__ inline Active tanhGelu(float x) {
  // Beyond 20 the sigmoid is 0 or 1 to the last bit; the bound keeps x^2 finite.
  float b = x > 20.0f ? 20.0f : x;
  b = b < -20.0f ? -20.0f : b;
  const float square = b * b;
  const float two = 1.5957691216057308f;  // 2 sqrt(2 / pi)
  const float u = two * b * fmaf(square, 0.044715f, 1.0f);
  const float s = 1.0f / (1.0f + expf(-u));
  const float slope = two * fmaf(square, 3 * 0.044715f, 1.0f);
  return {x * s, fmaf(b * s * (1.0f - s), slope, s)};
}

__device__ inline Active silu(float x) {
  // Below -80 the sigmoid is 0 beside every x; the bound keeps an infinity out.
  const float b = x < -80.0f ? -80.0f : x;
  const float s = 1.0f / (1.0f + expf(-b));
  return {b * s, s * fmaf(b, 1.0f - s, 1.0f)};
}

__device__ inline Active activeOf(int32_t form, float x) {
  return form == kErf ? erfGelu(x) : form == kTanh ? tanhGelu(x) : silu(x);
}

/** Calls body(first element, how many of its four exist) over n elements; buffers are aligned. */
template <class Body>
__device__ inline void forFours(int64_t n, const Body& body) {
  for (int64_t at = 4 * globalThread(); at < n; at += 4 * globalThreads()) body(at, n - at);
}

template <class In, class Out>
__device__ inline void geluForward(int32_t form, const In* x, Out* y, int64_t n) {
  forFours(n, [&](int64_t at, int64_t left) {
    float value[4];
    loadFour(x + at, left, true, value);
    for (int i = 0; i < 4; ++i) value[i] = activeOf(form, value[i]).value;
    storeFour(y + at, left, true, value);
  });
}

template <class In, class Out>
__device__ inline void geluBackward(int32_t form, const float* dy, const In* x, Out* dx, int64_t n) {
  forFours(n, [&](int64_t at, int64_t left) {
    float value[4];
    float gradient[4];
    loadFour(x + at, left, true, value);
    loadFour(dy + at, left, true, gradient);
    for (int i = 0; i < 4; ++i) gradient[i] *= activeOf(form, value[i]).derivative;
    storeFour(dx + at, left, true, gradient);
  });
}

template <class In, class Out>
__device__ inline void gatedForward(int32_t form, const In* gate, const In* up, Out* y, int64_t rows, int64_t columns,
                                    const Dropout& dropout) {
  forDropped(rows, columns, dropout, [&](int64_t at, int64_t left, bool aligned, const float(&multiplier)[4]) {
    float value[4];
    float factor[4];
    loadFour(gate + at, left, aligned, value);
    loadFour(up + at, left, aligned, factor);
    for (int i = 0; i < 4; ++i) value[i] = activeOf(form, value[i]).value * factor[i] * multiplier[i];
    storeFour(y + at, left, aligned, value);
  });
}

/** With d = multiplier dy: dgate = d up f'(gate), dup = d f(gate). */
template <class In, class Out>
__device__ inline void gatedBackward(int32_t form, const float* dy, const In* gate, const In* up, Out* dgate, Out* dup,
                                     int64_t rows, int64_t columns, const Dropout& dropout) {
  forDropped(rows, columns, dropout, [&](int64_t at, int64_t left, bool aligned, const float(&multiplier)[4]) {
    float value[4];
    float factor[4];
    float gradient[4];
    loadFour(gate + at, left, aligned, value);
    loadFour(up + at, left, aligned, factor);
    loadFour(dy + at, left, aligned, gradient);
    for (int i = 0; i < 4; ++i) {
      const Active active = activeOf(form, value[i]);
      gradient[i] *= multiplier[i];
      factor[i] = gradient[i] * factor[i] * active.derivative;
      gradient[i] *= active.value;
    }
    storeFour(dgate + at, left, aligned, factor);
    storeFour(dup + at, left, aligned, gradient);
  });
}

/** Variants by how the operands and the results are stored; dy is f32. */
#define GELU(from, In, to, Out)                                                                                        \
  extern "C" __global__ void gelu##from##to(int32_t form, const In* x, Out* y, int64_t n) {                            \
    geluForward(form, x, y, n);                                                                                        \
  }                                                                                                                    \
  extern "C" __global__ void geluGrad##from##to(int32_t form, const float* dy, const In* x, Out* dx, int64_t n) {      \
    geluBackward(form, dy, x, dx, n);                                                                                  \
  }                                                                                                                    \
  extern "C" __global__ void gated##from##to(int32_t form, const In* gate, const In* up, Out* y, int64_t rows,         \
                                             int64_t columns, Dropout dropout) {                                       \
    gatedForward(form, gate, up, y, rows, columns, dropout);                                                           \
  }                                                                                                                    \
  extern "C" __global__ void gatedGrad##from##to(int32_t form, const float* dy, const In* gate, const In* up,          \
                                                 Out* dgate, Out* dup, int64_t rows, int64_t columns,                  \
                                                 Dropout dropout) {                                                    \
    gatedBackward(form, dy, gate, up, dgate, dup, rows, columns, dropout);                                             \
  }
GELU(, float, , float)
GELU(, float, Bf16, unsigned short)
GELU(FromBf16, unsigned short, , float)
GELU(FromBf16, unsigned short, Bf16, unsigned short)
