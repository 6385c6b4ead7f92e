/**
 * Elementwise functions of one operand (see unary.h), parallel over ranges of kGrain elements.
 */
#include "cpu/ops/unary.h"
#include "cpu/runtime/parallel.h"
#include "cpu/runtime/simd.h"
#include "cpu/runtime/vecmath.h"

namespace reasvqa::REASVQA_ISA_NS {
namespace {

constexpr int64_t kGrain = 16384;      // 64 KiB: below this a second thread costs more than it saves
constexpr int64_t kMathGrain = 4096;   // for exp and friends, about 1 ns an element without SIMD

template <class F>
void map(const float* x, float* y, int64_t n, int64_t grain, const F& f) {
  parallelFor(n, grain, [&](int64_t begin, int64_t end) {
    forVectors(begin, end, [&](int64_t i, int lanes) { storeN(y + i, f(loadN(x + i, lanes)), lanes); });
  });
}

template <class T, class U, class F>
void mapScalar(const T* x, U* y, int64_t n, const F& f) {
  parallelFor(n, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = f(x[i]);
  });
}

/** NaN gives 0, as in tfjs. */
vf signOf(vf v) {
  const vf positive = select(v > splat(0.0f), splat(1.0f), splat(0.0f));
  return select(v < splat(0.0f), splat(-1.0f), positive);
}

/** Rounds towards minus infinity; values of 2^23 and above, infinities and NaN are integers already or stay. */
vf floorOf(vf v) {
  const vi large = ~(absolute(v) < splat(8388608.0f));
  const vf safe = select(large, splat(0.0f), v);
  const vf truncated = toFloat(__builtin_convertvector(safe, vi));
  const vf floored = select(truncated > safe, truncated - splat(1.0f), truncated);
  return select(large, v, copySign(floored, v));
}

void f32(UnaryOp op, const float* x, float* y, int64_t n, float p, float q) {
  switch (op) {
    case UnaryOp::abs: return map(x, y, n, kGrain, [](vf v) { return absolute(v); });
    case UnaryOp::neg: return map(x, y, n, kGrain, [](vf v) { return -v; });
    case UnaryOp::exp: return map(x, y, n, kMathGrain, [](vf v) { return vexp(v); });
    case UnaryOp::log: return map(x, y, n, kMathGrain, [](vf v) { return vlog(v); });
    case UnaryOp::sqrt: return map(x, y, n, kGrain, [](vf v) { return squareRoot(v); });
    case UnaryOp::rsqrt: return map(x, y, n, kGrain, [](vf v) { return splat(1.0f) / squareRoot(v); });
    case UnaryOp::square: return map(x, y, n, kGrain, [](vf v) { return v * v; });
    case UnaryOp::reciprocal: return map(x, y, n, kGrain, [](vf v) { return splat(1.0f) / v; });
    case UnaryOp::relu: return map(x, y, n, kGrain, [](vf v) { return select(v < splat(0.0f), splat(0.0f), v); });
    case UnaryOp::sigmoid: return map(x, y, n, kMathGrain, [](vf v) { return vsigmoid(v); });
    case UnaryOp::tanh: return map(x, y, n, kMathGrain, [](vf v) { return vtanh(v); });
    case UnaryOp::erf: return map(x, y, n, kMathGrain, [](vf v) { return verf(v); });
    case UnaryOp::floor: return map(x, y, n, kGrain, [](vf v) { return floorOf(v); });
    case UnaryOp::ceil: return map(x, y, n, kGrain, [](vf v) { return -floorOf(-v); });
    case UnaryOp::sign: return map(x, y, n, kGrain, [](vf v) { return signOf(v); });
    case UnaryOp::step:
      return map(x, y, n, kGrain, [p](vf v) {
        return select(v != v, v, select(v > splat(0.0f), splat(1.0f), splat(p)));
      });
    case UnaryOp::clip:
      return map(x, y, n, kGrain, [p, q](vf v) {
        const vf low = select(v < splat(p), splat(p), v);
        return select(low > splat(q), splat(q), low);
      });
    default: return;
  }
}

void test(UnaryOp op, const float* x, uint8_t* y, int64_t n) {
  if (op == UnaryOp::isNan) return mapScalar(x, y, n, [](float v) -> uint8_t { return v != v; });
  const float largest = 3.402823466e38f;
  if (op == UnaryOp::isInf) {
    return mapScalar(x, y, n, [largest](float v) -> uint8_t { return __builtin_fabsf(v) > largest; });
  }
  mapScalar(x, y, n, [largest](float v) -> uint8_t { return __builtin_fabsf(v) <= largest; });
}

/** Integers wrap around, as JavaScript's Int32Array does; unsigned arithmetic keeps that defined. */
bool i32(UnaryOp op, const int32_t* x, int32_t* y, int64_t n, int32_t p, int32_t q) {
  const auto negate = [](int32_t v) { return static_cast<int32_t>(0u - static_cast<uint32_t>(v)); };
  switch (op) {
    case UnaryOp::abs: mapScalar(x, y, n, [negate](int32_t v) { return v < 0 ? negate(v) : v; }); return true;
    case UnaryOp::neg: mapScalar(x, y, n, negate); return true;
    case UnaryOp::relu: mapScalar(x, y, n, [](int32_t v) { return v < 0 ? 0 : v; }); return true;
    case UnaryOp::sign: mapScalar(x, y, n, [](int32_t v) { return (v > 0) - (v < 0); }); return true;
    case UnaryOp::clip:
      mapScalar(x, y, n, [p, q](int32_t v) { return v < p ? p : (v > q ? q : v); });
      return true;
    default: return false;
  }
}

void logicalNot(const uint8_t* x, uint8_t* y, int64_t n) {
  mapScalar(x, y, n, [](uint8_t v) -> uint8_t { return v == 0; });
}

}  // namespace

const UnaryKernels unary = {f32, test, i32, logicalNot};

}  // namespace reasvqa::REASVQA_ISA_NS
