/**
 * Broadcasting arithmetic and comparisons (see binary.h). The work is cut into (row, block of the inner dimension);
 * inner loops are specialised for an operand that is dense (stride 1) or constant (stride 0).
 */
#include "cpu/ops/binary.h"
#include "cpu/runtime/parallel.h"
#include "cpu/runtime/simd.h"

namespace reasvqa::REASVQA_ISA_NS {
namespace {

constexpr int64_t kBlock = 16384;

/** body(a offset, b offset, out offset, length) for every stretch of the inner dimension. */
template <class F>
void forStretches(const Layout<2>& layout, const F& body) {
  const int64_t inner = layout.inner();
  const int64_t rows = layout.rows();
  if (inner == 0 || rows == 0) return;
  const int64_t blocks = ceilDiv(inner, kBlock);
  parallelFor(rows * blocks, blocks > 1 ? 1 : 1 + kBlock / inner, [&](int64_t begin, int64_t end) {
    Rows<2> row(layout, begin / blocks);
    int64_t rowStart = begin / blocks * inner;
    int64_t from = begin % blocks * kBlock;
    for (int64_t item = begin; item < end; ++item) {
      // Called from one place: the loops of each operation are compiled once.
      body(row.offset[0] + from * layout.innerStride(0), row.offset[1] + from * layout.innerStride(1), rowStart + from,
           minimum(kBlock, inner - from));
      from += kBlock;
      if (from < inner) continue;
      from = 0;
      rowStart += inner;
      row.next();
    }
  });
}

template <int StrideA, int StrideB, class F>
void vectorLoop(const float* a, const float* b, float* out, int64_t n, const F& f) {
  forVectors(0, n, [&](int64_t i, int lanes) {
    const vf x = StrideA == 1 ? loadN(a + i, lanes) : splat(*a);
    const vf y = StrideB == 1 ? loadN(b + i, lanes) : splat(*b);
    storeN(out + i, f(x, y), lanes);
  });
}

template <class F>
bool vectors(const Layout<2>& layout, const float* a, const float* b, float* out, const F& f) {
  const int64_t strideA = layout.innerStride(0);
  const int64_t strideB = layout.innerStride(1);
  forStretches(layout, [&](int64_t offsetA, int64_t offsetB, int64_t offset, int64_t n) {
    if (strideA == 1 && strideB == 1) return vectorLoop<1, 1>(a + offsetA, b + offsetB, out + offset, n, f);
    if (strideA == 1 && strideB == 0) return vectorLoop<1, 0>(a + offsetA, b + offsetB, out + offset, n, f);
    if (strideA == 0 && strideB == 1) return vectorLoop<0, 1>(a + offsetA, b + offsetB, out + offset, n, f);
    for (int64_t i = 0; i < n; ++i) {
      out[offset + i] = f(splat(a[offsetA + i * strideA]), splat(b[offsetB + i * strideB]))[0];
    }
  });
  return true;
}

template <int64_t StrideA, int64_t StrideB, class T, class U, class F>
void scalarLoop(const T* a, const T* b, U* out, int64_t n, const F& f) {
  for (int64_t i = 0; i < n; ++i) out[i] = f(a[i * StrideA], b[i * StrideB]);
}

template <class T, class U, class F>
bool scalars(const Layout<2>& layout, const T* a, const T* b, U* out, const F& f) {
  const int64_t strideA = layout.innerStride(0);
  const int64_t strideB = layout.innerStride(1);
  forStretches(layout, [&](int64_t offsetA, int64_t offsetB, int64_t offset, int64_t n) {
    if (strideA == 1 && strideB == 1) return scalarLoop<1, 1>(a + offsetA, b + offsetB, out + offset, n, f);
    if (strideA == 1 && strideB == 0) return scalarLoop<1, 0>(a + offsetA, b + offsetB, out + offset, n, f);
    if (strideA == 0 && strideB == 1) return scalarLoop<0, 1>(a + offsetA, b + offsetB, out + offset, n, f);
    for (int64_t i = 0; i < n; ++i) out[offset + i] = f(a[offsetA + i * strideA], b[offsetB + i * strideB]);
  });
  return true;
}

/** JavaScript's Math.pow: 1 to a power that is not finite is NaN (C says 1). */
float power(float x, float y) {
  if (y != y || (x == 1.0f && __builtin_isinf(y))) return __builtin_nanf("");
  return __builtin_powf(x, y);
}

float moduloF32(float x, float y) {
  const float rest = __builtin_fmodf(x, y);
  if ((x < 0 && y < 0) || (x >= 0 && y >= 0)) return rest;
  return __builtin_fmodf(rest + y, y);
}

/** A single exponent of 1, 2 or 3 is a product; anything else goes through powf. */
bool pow(const Layout<2>& layout, const float* a, const float* b, float* out) {
  bool constant = layout.inner() > 0 && layout.rows() > 0;
  for (int i = 0; i < layout.rank; ++i) constant = constant && (layout.strides[1][i] == 0 || layout.dims[i] == 1);
  const float exponent = constant ? *b : 0.0f;
  if (exponent == 1.0f) return vectors(layout, a, b, out, [](vf x, vf) { return x; });
  if (exponent == 2.0f) return vectors(layout, a, b, out, [](vf x, vf) { return x * x; });
  if (exponent == 3.0f) return vectors(layout, a, b, out, [](vf x, vf) { return x * x * x; });
  return scalars(layout, a, b, out, power);
}

bool f32(BinaryOp op, const Layout<2>& layout, const float* a, const float* b, float* out) {
  switch (op) {
    case BinaryOp::add: return vectors(layout, a, b, out, [](vf x, vf y) { return x + y; });
    case BinaryOp::sub: return vectors(layout, a, b, out, [](vf x, vf y) { return x - y; });
    case BinaryOp::mul: return vectors(layout, a, b, out, [](vf x, vf y) { return x * y; });
    case BinaryOp::div: return vectors(layout, a, b, out, [](vf x, vf y) { return x / y; });
    case BinaryOp::maximum: return vectors(layout, a, b, out, [](vf x, vf y) { return maxNan(x, y); });
    case BinaryOp::minimum: return vectors(layout, a, b, out, [](vf x, vf y) { return minNan(x, y); });
    case BinaryOp::squaredDifference:
      return vectors(layout, a, b, out, [](vf x, vf y) {
        const vf d = x - y;
        return d * d;
      });
    case BinaryOp::pow: return pow(layout, a, b, out);
    case BinaryOp::mod: return scalars(layout, a, b, out, moduloF32);
    default: return false;
  }
}

uint32_t bits(int32_t x) { return static_cast<uint32_t>(x); }
int32_t wrapped(uint32_t x) { return static_cast<int32_t>(x); }

/** Division rounds towards minus infinity; by zero it gives 0, as JavaScript's conversion of Infinity and NaN does. */
int32_t floorDivide(int32_t x, int32_t y) {
  if (y == 0) return 0;
  const int64_t quotient = static_cast<int64_t>(x) / y;
  return wrapped(static_cast<uint32_t>(quotient - ((static_cast<int64_t>(x) % y != 0) && ((x < 0) != (y < 0)))));
}
int32_t moduloI32(int32_t x, int32_t y) {
  if (y == 0) return 0;
  const int64_t rest = static_cast<int64_t>(x) % y;
  return static_cast<int32_t>((x < 0) == (y < 0) ? rest : (rest + y) % y);
}

/** Integers wrap around, as values stored in an Int32Array do. */
bool i32(BinaryOp op, const Layout<2>& layout, const int32_t* a, const int32_t* b, int32_t* out) {
  switch (op) {
    case BinaryOp::add:
      return scalars(layout, a, b, out, [](int32_t x, int32_t y) { return wrapped(bits(x) + bits(y)); });
    case BinaryOp::sub:
      return scalars(layout, a, b, out, [](int32_t x, int32_t y) { return wrapped(bits(x) - bits(y)); });
    case BinaryOp::mul:
      return scalars(layout, a, b, out, [](int32_t x, int32_t y) { return wrapped(bits(x) * bits(y)); });
    case BinaryOp::maximum: return scalars(layout, a, b, out, [](int32_t x, int32_t y) { return x > y ? x : y; });
    case BinaryOp::minimum: return scalars(layout, a, b, out, [](int32_t x, int32_t y) { return x < y ? x : y; });
    case BinaryOp::squaredDifference:
      return scalars(layout, a, b, out, [](int32_t x, int32_t y) {
        const uint32_t d = bits(x) - bits(y);
        return wrapped(d * d);
      });
    case BinaryOp::mod: return scalars(layout, a, b, out, moduloI32);
    case BinaryOp::floorDiv: return scalars(layout, a, b, out, floorDivide);
    default: return false;
  }
}

template <class T>
bool compare(BinaryOp op, const Layout<2>& layout, const T* a, const T* b, uint8_t* out) {
  switch (op) {
    case BinaryOp::equal: return scalars(layout, a, b, out, [](T x, T y) -> uint8_t { return x == y; });
    case BinaryOp::notEqual: return scalars(layout, a, b, out, [](T x, T y) -> uint8_t { return x != y; });
    case BinaryOp::greater: return scalars(layout, a, b, out, [](T x, T y) -> uint8_t { return x > y; });
    case BinaryOp::greaterEqual: return scalars(layout, a, b, out, [](T x, T y) -> uint8_t { return x >= y; });
    case BinaryOp::less: return scalars(layout, a, b, out, [](T x, T y) -> uint8_t { return x < y; });
    case BinaryOp::lessEqual: return scalars(layout, a, b, out, [](T x, T y) -> uint8_t { return x <= y; });
    default: return false;
  }
}

bool compareF32(BinaryOp op, const Layout<2>& layout, const float* a, const float* b, uint8_t* out) {
  return compare(op, layout, a, b, out);
}
bool compareI32(BinaryOp op, const Layout<2>& layout, const int32_t* a, const int32_t* b, uint8_t* out) {
  return compare(op, layout, a, b, out);
}
bool compareU8(BinaryOp op, const Layout<2>& layout, const uint8_t* a, const uint8_t* b, uint8_t* out) {
  if (op == BinaryOp::logicalAnd) {
    return scalars(layout, a, b, out, [](uint8_t x, uint8_t y) -> uint8_t { return x != 0 && y != 0; });
  }
  if (op == BinaryOp::logicalOr) {
    return scalars(layout, a, b, out, [](uint8_t x, uint8_t y) -> uint8_t { return x != 0 || y != 0; });
  }
  return compare(op, layout, a, b, out);
}

}  // namespace

const BinaryKernels binary = {f32, i32, compareF32, compareI32, compareU8};

}  // namespace reasvqa::REASVQA_ISA_NS
