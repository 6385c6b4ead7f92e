/**
 * Strided copies and conversions (see copy.h). Rows that are dense on both sides are block copies; a permutation whose
 * inner dimension is strided on one side only runs over square tiles, so that both sides use whole cache lines.
 */
#include "cpu/ops/copy.h"
#include "cpu/runtime/parallel.h"
#include "cpu/runtime/simd.h"

namespace reasvqa::REASVQA_ISA_NS {
namespace {

constexpr int64_t kGrain = 16384;
constexpr int64_t kTile = 16;

template <class T>
void denseRows(const Layout<2>& layout, const T* from, T* to) {
  const int64_t inner = layout.inner();
  const int64_t rows = layout.rows();
  if (rows == 1) {
    parallelFor(inner, kGrain * 4, [&](int64_t begin, int64_t end) {
      __builtin_memcpy(to + begin, from + begin, static_cast<size_t>(end - begin) * sizeof(T));
    });
    return;
  }
  parallelFor(rows, 1 + kGrain / inner, [&](int64_t begin, int64_t end) {
    Rows<2> row(layout, begin);
    for (int64_t r = begin; r < end; ++r, row.next()) {
      __builtin_memcpy(to + row.offset[1], from + row.offset[0], static_cast<size_t>(inner) * sizeof(T));
    }
  });
}

template <class T>
void stridedRows(const Layout<2>& layout, const T* from, T* to) {
  const int64_t inner = layout.inner();
  const int64_t stepFrom = layout.innerStride(0);
  const int64_t stepTo = layout.innerStride(1);
  parallelFor(layout.rows(), 1 + kGrain / inner, [&](int64_t begin, int64_t end) {
    Rows<2> row(layout, begin);
    for (int64_t r = begin; r < end; ++r, row.next()) {
      const T* source = from + row.offset[0];
      T* target = to + row.offset[1];
      if (stepFrom == 0 && stepTo == 1) {
        const T value = *source;
        for (int64_t i = 0; i < inner; ++i) target[i] = value;
      } else {
        for (int64_t i = 0; i < inner; ++i) target[i * stepTo] = source[i * stepFrom];
      }
    }
  });
}

template <class T>
void tileCopy(const T* from, int64_t fromRow, T* to, int64_t toCol, int64_t rows, int64_t cols) {
  for (int64_t j = 0; j < cols; ++j) {
    for (int64_t i = 0; i < rows; ++i) to[j * toCol + i] = from[i * fromRow + j];
  }
}

/** The dimension `across` is dense in the source, the inner one in the target: tiles of both. */
template <class T>
void transposeTiles(const Layout<2>& layout, int across, const T* from, T* to) {
  const int last = layout.rank - 1;
  const int64_t inner = layout.dims[last];
  const int64_t fromRow = layout.strides[0][last];
  const int64_t cols = layout.dims[across];
  const int64_t toCol = layout.strides[1][across];
  const int64_t tilesI = ceilDiv(inner, kTile);
  const int64_t tilesJ = ceilDiv(cols, kTile);
  // What is left of the shape, with `across` and the inner dimension taken out (a dummy inner one put in).
  Layout<2> outer;
  outer.rank = 1;
  for (int i = 0; i < last; ++i) {
    if (i == across) continue;
    outer.dims[outer.rank - 1] = layout.dims[i];
    for (int o = 0; o < 2; ++o) outer.strides[o][outer.rank - 1] = layout.strides[o][i];
    outer.rank += 1;
  }
  outer.dims[outer.rank - 1] = 1;
  // One task is a strip of tiles along the target's dense dimension.
  const int64_t tasks = outer.rows() * tilesJ;
  parallelFor(tasks, 1 + kGrain / (kTile * inner), [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const Rows<2> row(outer, task / tilesJ);
      const int64_t j = task % tilesJ * kTile;
      const int64_t width = cols - j < kTile ? cols - j : kTile;
      for (int64_t t = 0; t < tilesI; ++t) {
        const int64_t i = t * kTile;
        const int64_t height = inner - i < kTile ? inner - i : kTile;
        const T* source = from + row.offset[0] + i * fromRow + j;
        T* target = to + row.offset[1] + i + j * toCol;
        if (height == kTile && width == kTile) {
          tileCopy(source, fromRow, target, toCol, kTile, kTile);
        } else {
          tileCopy(source, fromRow, target, toCol, height, width);
        }
      }
    }
  });
}

template <class T>
void stridedOf(const Layout<2>& layout, const T* from, T* to) {
  if (layout.inner() == 0 || layout.rows() == 0) return;
  if (layout.innerStride(0) == 1 && layout.innerStride(1) == 1) return denseRows(layout, from, to);
  if (layout.innerStride(1) == 1 && layout.innerStride(0) > 1 && layout.inner() >= 4) {
    for (int i = 0; i + 1 < layout.rank; ++i) {
      if (layout.strides[0][i] == 1 && layout.dims[i] >= 4) return transposeTiles(layout, i, from, to);
    }
  }
  stridedRows(layout, from, to);
}

void strided(const Layout<2>& layout, int elementBytes, const void* from, void* to) {
  if (elementBytes == 4) {
    stridedOf(layout, static_cast<const uint32_t*>(from), static_cast<uint32_t*>(to));
  } else {
    stridedOf(layout, static_cast<const uint8_t*>(from), static_cast<uint8_t*>(to));
  }
}

template <class T>
void fill(T* out, int64_t n, T value) {
  parallelFor(n, kGrain * 4, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) out[i] = value;
  });
}

template <class T, class U, class F>
void convert(const T* x, U* y, int64_t n, const F& f) {
  parallelFor(n, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = f(x[i]);
  });
}

void rangeF32(float* out, int64_t n, double start, double step) {
  for (int64_t i = 0; i < n; ++i) out[i] = static_cast<float>(start + static_cast<double>(i) * step);
}
void rangeI32(int32_t* out, int64_t n, double start, double step) {
  for (int64_t i = 0; i < n; ++i) out[i] = static_cast<int32_t>(static_cast<int64_t>(start + static_cast<double>(i) * step));
}

/** ECMAScript ToInt32: modulo 2^32; NaN and infinities give 0. */
int32_t toInt32(float x) {
  if (x >= -2147483648.0f && x < 2147483648.0f) return static_cast<int32_t>(x);
  if (!(__builtin_fabsf(x) <= 3.402823466e38f)) return 0;
  const double rest = __builtin_fmod(static_cast<double>(x), 4294967296.0);
  return static_cast<int32_t>(static_cast<uint32_t>(static_cast<int64_t>(rest)));
}

void f32ToI32(const float* x, int32_t* y, int64_t n) { convert(x, y, n, toInt32); }
void i32ToF32(const int32_t* x, float* y, int64_t n) {
  convert(x, y, n, [](int32_t v) { return static_cast<float>(v); });
}
void u8ToF32(const uint8_t* x, float* y, int64_t n) {
  convert(x, y, n, [](uint8_t v) { return static_cast<float>(v); });
}
void u8ToI32(const uint8_t* x, int32_t* y, int64_t n) {
  convert(x, y, n, [](uint8_t v) { return static_cast<int32_t>(v); });
}
void f32ToBool(const float* x, uint8_t* y, int64_t n) {
  convert(x, y, n, [](float v) -> uint8_t { return v != 0.0f; });
}
void i32ToBool(const int32_t* x, uint8_t* y, int64_t n) {
  convert(x, y, n, [](int32_t v) -> uint8_t { return v != 0; });
}

template <class T>
void selectOf(const uint8_t* condition, const T* a, const T* b, T* out, int64_t n, int64_t inner) {
  if (inner == 1) {
    parallelFor(n, kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const T x = a[i];
        const T y = b[i];
        out[i] = condition[i] != 0 ? x : y;
      }
    });
    return;
  }
  parallelFor(n, 1 + kGrain / (inner + 1), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const T* source = (condition[i] != 0 ? a : b) + i * inner;
      __builtin_memcpy(out + i * inner, source, static_cast<size_t>(inner) * sizeof(T));
    }
  });
}

}  // namespace

const CopyKernels copy = {strided,  fill<uint32_t>, fill<uint8_t>, rangeF32,  rangeI32,           f32ToI32,         i32ToF32,
                          u8ToF32, u8ToI32,        f32ToBool,     i32ToBool, selectOf<uint32_t>, selectOf<uint8_t>};

}  // namespace reasvqa::REASVQA_ISA_NS
