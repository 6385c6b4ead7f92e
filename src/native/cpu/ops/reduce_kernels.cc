/**
 * Reductions (see reduce.h). Sums are taken in chunks of fixed length whose partial sums are added in order, in parallel
 * over (outer, chunk): the same bits for every thread count, and an error that grows with the number of chunks
 * rather than of elements.
 */
#include "cpu/ops/reduce.h"

#include "cpu/runtime/parallel.h"
#include "cpu/runtime/simd.h"
#include "cpu/runtime/vecmath.h"

namespace reasvqa::REASVQA_ISA_NS {
namespace {

constexpr int64_t kGrain = 16384;

struct SumOp {
  static constexpr float start = 0.0f;
  static vf vector(vf a, vf b) { return a + b; }
  static float scalar(float a, float b) { return a + b; }
};
struct ProdOp {
  static constexpr float start = 1.0f;
  static vf vector(vf a, vf b) { return a * b; }
  static float scalar(float a, float b) { return a * b; }
};
struct MaxOp {
  static constexpr float start = -__builtin_inff();
  static vf vector(vf a, vf b) { return maxNan(a, b); }
  static float scalar(float a, float b) { return a > b || a != a ? a : b; }
};
struct MinOp {
  static constexpr float start = __builtin_inff();
  static vf vector(vf a, vf b) { return minNan(a, b); }
  static float scalar(float a, float b) { return a < b || a != a ? a : b; }
};

/** One dense stretch: four running vectors, folded in a fixed order. */
template <class Op>
float reduceStretch(const float* x, int64_t n) {
  vf part[4];
  for (vf& p : part) p = splat(Op::start);
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) part[j] = Op::vector(part[j], load(x + i + j * kLanes));
  }
  for (; i + kLanes <= n; i += kLanes) part[0] = Op::vector(part[0], load(x + i));
  if (i < n) part[1] = Op::vector(part[1], loadPartial(x + i, static_cast<int>(n - i), Op::start));
  float lanes[kLanes];
  store(lanes, Op::vector(Op::vector(part[0], part[1]), Op::vector(part[2], part[3])));
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int l = 0; l < width; ++l) lanes[l] = Op::scalar(lanes[l], lanes[l + width]);
  }
  return lanes[0];
}

template <class Op>
void reduceRows(const Reduction& s, const float* x, float* y, float scale, float* partial) {
  const int64_t chunks = ceilDiv(s.reduced, kSumChunk);
  if (chunks <= 1) {
    parallelFor(s.outer, 1 + kGrain / (s.reduced + 1), [&](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; ++o) y[o] = scale * reduceStretch<Op>(x + o * s.reduced, s.reduced);
    });
    return;
  }
  parallelFor(s.outer * chunks, kGrain / kSumChunk, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t from = item % chunks * kSumChunk;
      partial[item] = reduceStretch<Op>(x + item / chunks * s.reduced + from, minimum(kSumChunk, s.reduced - from));
    }
  });
  for (int64_t o = 0; o < s.outer; ++o) y[o] = scale * reduceStretch<Op>(partial + o * chunks, chunks);
}

/** y (columns of it) = reduction of `rows` rows that are `inner` apart. */
template <class Op>
void reduceColumnsStretch(const float* x, int64_t rows, int64_t inner, float* y, int64_t begin, int64_t end, float scale) {
  const vf factor = splat(scale);
  int64_t i = begin;
  for (; i + 4 * kLanes <= end; i += 4 * kLanes) {
    vf part[4];
    for (vf& p : part) p = splat(Op::start);
    for (int64_t r = 0; r < rows; ++r) {
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) part[j] = Op::vector(part[j], load(x + r * inner + i + j * kLanes));
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) store(y + i + j * kLanes, factor * part[j]);
  }
  forVectors(i, end, [&](int64_t at, int lanes) {
    vf part = splat(Op::start);
    for (int64_t r = 0; r < rows; ++r) part = Op::vector(part, loadN(x + r * inner + at, lanes));
    storeN(y + at, factor * part, lanes);
  });
}

template <class Op>
void reduceColumns(const Reduction& s, const float* x, float* y, float scale, float* partial) {
  const int64_t chunks = ceilDiv(s.reduced, kRowChunk);
  const int64_t width = 1024;  // columns a task takes
  const int64_t strips = ceilDiv(s.inner, width);
  const auto pass = [&](const float* from, int64_t rows, int64_t rowChunk, float* to, float factor) {
    const int64_t parts = ceilDiv(rows, rowChunk);
    const int64_t cost = minimum(rows, rowChunk) * minimum(s.inner, width);
    parallelFor(s.outer * parts * strips, 1 + kGrain / (cost + 1), [&](int64_t begin, int64_t end) {
      for (int64_t item = begin; item < end; ++item) {
        const int64_t strip = item % strips;
        const int64_t part = item / strips % parts;
        const int64_t o = item / strips / parts;
        const float* source = from + (o * rows + part * rowChunk) * s.inner;
        reduceColumnsStretch<Op>(source, minimum(rowChunk, rows - part * rowChunk), s.inner, to + (o * parts + part) * s.inner,
                                 strip * width, minimum(s.inner, (strip + 1) * width), factor);
      }
    });
  };
  if (chunks <= 1) return pass(x, s.reduced, kRowChunk, y, scale);
  pass(x, s.reduced, kRowChunk, partial, 1.0f);
  pass(partial, chunks, chunks, y, scale);
}

template <class Op>
void reduceWith(const Reduction& s, const float* x, float* y, float scale, float* partial) {
  if (s.reduced == 0) {
    for (int64_t i = 0; i < s.outer * s.inner; ++i) y[i] = scale * Op::start;
    return;
  }
  if (s.inner == 1) return reduceRows<Op>(s, x, y, scale, partial);
  reduceColumns<Op>(s, x, y, scale, partial);
}

void f32(ReduceOp op, const Reduction& s, const float* x, float* y, float scale, float* partial) {
  switch (op) {
    case ReduceOp::sum: return reduceWith<SumOp>(s, x, y, scale, partial);
    case ReduceOp::max: return reduceWith<MaxOp>(s, x, y, 1.0f, partial);
    case ReduceOp::min: return reduceWith<MinOp>(s, x, y, 1.0f, partial);
    default: return reduceWith<ProdOp>(s, x, y, 1.0f, partial);
  }
}

/** y = fold of x over the reduced dimension, element by element. */
template <class T, class U, class State, class F>
void foldWith(const Reduction& s, const T* x, U* y, State start, const F& f) {
  parallelFor(s.outer * s.inner, 1 + kGrain / (s.reduced + 1), [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const T* source = x + item / s.inner * s.reduced * s.inner + item % s.inner;
      State state = start;
      for (int64_t r = 0; r < s.reduced; ++r) state = f(state, source[r * s.inner]);
      y[item] = static_cast<U>(state);
    }
  });
}

void i32(ReduceOp op, const Reduction& s, const int32_t* x, int32_t* y) {
  switch (op) {
    case ReduceOp::max: return foldWith(s, x, y, INT32_MIN, [](int32_t a, int32_t b) { return a > b ? a : b; });
    case ReduceOp::min: return foldWith(s, x, y, INT32_MAX, [](int32_t a, int32_t b) { return a < b ? a : b; });
    case ReduceOp::prod:
      return foldWith(s, x, y, uint32_t{1}, [](uint32_t a, int32_t b) { return a * static_cast<uint32_t>(b); });
    default: return foldWith(s, x, y, uint32_t{0}, [](uint32_t a, int32_t b) { return a + static_cast<uint32_t>(b); });
  }
}

void boolean(ReduceOp op, const Reduction& s, const uint8_t* x, uint8_t* y) {
  if (op == ReduceOp::any) return foldWith(s, x, y, false, [](bool a, uint8_t b) { return a || b != 0; });
  foldWith(s, x, y, true, [](bool a, uint8_t b) { return a && b != 0; });
}

template <class T, class F>
void argOf(const Reduction& s, const T* x, int32_t* y, const F& better) {
  parallelFor(s.outer * s.inner, 1 + kGrain / (s.reduced + 1), [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const T* source = x + item / s.inner * s.reduced * s.inner + item % s.inner;
      int64_t best = 0;
      T value = source[0];
      for (int64_t r = 1; r < s.reduced; ++r) {
        const T candidate = source[r * s.inner];
        if (better(candidate, value)) {
          value = candidate;
          best = r;
        }
      }
      y[item] = static_cast<int32_t>(best);
    }
  });
}

template <class T>
void arg(ReduceOp op, const Reduction& s, const T* x, int32_t* y) {
  if (op == ReduceOp::argMax) return argOf(s, x, y, [](T a, T b) { return a > b; });
  argOf(s, x, y, [](T a, T b) { return a < b; });
}

void softmaxRow(const float* x, float* y, int64_t n) {
  const vf top = splat(reduceStretch<MaxOp>(x, n));
  vf total = splat(0.0f);
  forVectors(0, n, [&](int64_t i, int lanes) {
    const vf e = vexp(loadN(x + i, lanes) - top);
    storeN(y + i, e, lanes);
    total += lanes == kLanes ? e : loadPartial(y + i, lanes);
  });
  const vf factor = splat(1.0f / horizontalSum(total));
  forVectors(0, n, [&](int64_t i, int lanes) { storeN(y + i, loadN(y + i, lanes) * factor, lanes); });
}

void softmax(const float* x, float* y, int64_t rows, int64_t length) {
  parallelFor(rows, 1 + kGrain / (4 * length + 1), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) softmaxRow(x + row * length, y + row * length, length);
  });
}

template <class T, class Sum>
void cumsum(const T* x, T* y, int64_t rows, int64_t length, bool exclusive, bool reverse) {
  parallelFor(rows, 1 + kGrain / (length + 1), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      Sum sum = 0;
      for (int64_t i = 0; i < length; ++i) {
        const int64_t at = row * length + (reverse ? length - 1 - i : i);
        const Sum before = sum;
        sum += static_cast<Sum>(x[at]);
        y[at] = static_cast<T>(exclusive ? before : sum);
      }
    }
  });
}

/** True when (a, i) ranks before (b, j): larger, or equal and earlier. */
bool ranksBefore(float a, int32_t i, float b, int32_t j) { return a > b || (a == b && i < j); }

/** Moves the root of a heap whose root is the element that ranks last. */
void siftDown(float* values, int32_t* indices, int64_t n, int64_t root) {
  for (;;) {
    int64_t last = root;
    for (int64_t child = 2 * root + 1; child <= 2 * root + 2 && child < n; ++child) {
      if (ranksBefore(values[last], indices[last], values[child], indices[child])) last = child;
    }
    if (last == root) return;
    const float value = values[root];
    const int32_t index = indices[root];
    values[root] = values[last];
    indices[root] = indices[last];
    values[last] = value;
    indices[last] = index;
    root = last;
  }
}

/** A heap of the k best so far with the worst of them on top; emptied from the top it gives the order backwards. */
void topKRow(const float* x, float* values, int32_t* indices, int64_t length, int64_t k) {
  for (int64_t i = 0; i < k; ++i) {
    values[i] = x[i];
    indices[i] = static_cast<int32_t>(i);
  }
  for (int64_t i = k / 2 - 1; i >= 0; --i) siftDown(values, indices, k, i);
  for (int64_t i = k; i < length; ++i) {
    if (!ranksBefore(x[i], static_cast<int32_t>(i), values[0], indices[0])) continue;
    values[0] = x[i];
    indices[0] = static_cast<int32_t>(i);
    siftDown(values, indices, k, 0);
  }
  for (int64_t n = k - 1; n > 0; --n) {
    const float value = values[n];
    const int32_t index = indices[n];
    values[n] = values[0];
    indices[n] = indices[0];
    values[0] = value;
    indices[0] = index;
    siftDown(values, indices, n, 0);
  }
}

void topK(const float* x, float* values, int32_t* indices, int64_t rows, int64_t length, int64_t k) {
  if (k == 0) return;
  parallelFor(rows, 1 + kGrain / (length + 1), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) topKRow(x + row * length, values + row * k, indices + row * k, length, k);
  });
}

}  // namespace

const ReduceKernels reduce = {f32,
                              i32,
                              boolean,
                              arg<float>,
                              arg<int32_t>,
                              softmax,
                              cumsum<float, double>,
                              cumsum<int32_t, uint32_t>,
                              topK};

}  // namespace reasvqa::REASVQA_ISA_NS
