/**
 * Gather, segment sum, one-hot and draws (see index.h). The segment sum is parallel over ranges of segments: each thread
 * reads all ids and adds only its own rows, in the order of x, so sums do not depend on the thread count.
 */
#include "cpu/ops/index.h"

#include "cpu/runtime/parallel.h"
#include "cpu/runtime/simd.h"

namespace reasvqa::REASVQA_ISA_NS {
namespace {

constexpr int64_t kGrain = 16384;

int64_t firstOutside(const int32_t* indices, int64_t n, int64_t dim) {
  for (int64_t i = 0; i < n; ++i) {
    if (indices[i] < 0 || indices[i] >= dim) return i;
  }
  return -1;
}

template <class T>
void gatherOf(const Gather& s, const T* x, const int32_t* indices, T* out) {
  const int64_t rows = s.batch * s.outer * s.count;
  parallelFor(rows, 1 + kGrain / (s.slice + 1), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t block = row / s.count;  // (batch, outer)
      const int64_t index = indices[block / s.outer * s.count + row % s.count];
      const T* source = x + (block * s.dim + index) * s.slice;
      T* target = out + row * s.slice;
      if (s.slice == 1) {
        *target = *source;
      } else {
        __builtin_memcpy(target, source, static_cast<size_t>(s.slice) * sizeof(T));
      }
    }
  });
}

void gather(const Gather& s, int elementBytes, const void* x, const int32_t* indices, void* out) {
  if (elementBytes == 4) {
    gatherOf(s, static_cast<const uint32_t*>(x), indices, static_cast<uint32_t*>(out));
  } else {
    gatherOf(s, static_cast<const uint8_t*>(x), indices, static_cast<uint8_t*>(out));
  }
}

template <class T, class Sum>
void segmentSum(const T* x, const int32_t* ids, T* out, int64_t rows, int64_t inner, int64_t segments) {
  const int64_t grain = 1 + kGrain * segments / ((rows + segments) * inner + 1);
  parallelFor(segments, grain, [&](int64_t begin, int64_t end) {
    __builtin_memset(out + begin * inner, 0, static_cast<size_t>((end - begin) * inner) * sizeof(T));
    for (int64_t row = 0; row < rows; ++row) {
      if (ids[row] < begin || ids[row] >= end) continue;
      const T* source = x + row * inner;
      T* target = out + ids[row] * inner;
      for (int64_t i = 0; i < inner; ++i) {
        target[i] = static_cast<T>(static_cast<Sum>(target[i]) + static_cast<Sum>(source[i]));
      }
    }
  });
}

void oneHot(const int32_t* indices, uint32_t* out, int64_t n, int64_t depth, uint32_t on, uint32_t off) {
  parallelFor(n, 1 + kGrain / (depth + 1), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      uint32_t* target = out + row * depth;
      for (int64_t i = 0; i < depth; ++i) target[i] = off;
      if (indices[row] >= 0 && indices[row] < depth) target[indices[row]] = on;
    }
  });
}

void draw(const float* probabilities, const float* uniform, int32_t* out, int64_t rows, int64_t outcomes, int64_t samples) {
  parallelFor(rows * samples, 1 + kGrain / (outcomes + 1), [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const float* row = probabilities + item / samples * outcomes;
      double cumulative = 0;
      // What rounding leaves below 1 belongs to the last outcome.
      int64_t chosen = outcomes - 1;
      for (int64_t i = 0; i + 1 < outcomes; ++i) {
        cumulative += static_cast<double>(row[i]);
        if (static_cast<double>(uniform[item]) < cumulative) {
          chosen = i;
          break;
        }
      }
      out[item] = static_cast<int32_t>(chosen);
    }
  });
}

}  // namespace

const IndexKernels index = {firstOutside, gather, segmentSum<float, float>, segmentSum<int32_t, uint32_t>, oneHot, draw};

}  // namespace reasvqa::REASVQA_ISA_NS
