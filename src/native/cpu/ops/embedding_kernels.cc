#include "cpu/ops/embedding.h"

#include "cpu/runtime/parallel.h"
#include "cpu/runtime/simd.h"

namespace reasvqa::REASVQA_ISA_NS {
namespace {

constexpr int64_t kGrain = 16384;

void gather(const float* table, const int32_t* ids, float* y, int64_t n, int64_t d) {
  parallelFor(n, kGrain / (d + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      __builtin_memcpy(y + i * d, table + ids[i] * d, static_cast<size_t>(d) * sizeof(float));
    }
  });
}

/** Threads share the columns, not the ids: every sum is made in the order of the ids, without atomics. */
void scatterAdd(const float* dy, const int32_t* ids, float* dtable, int64_t n, int64_t rows, int64_t d) {
  parallelFor(rows, kGrain / (d + 1) + 1, [&](int64_t begin, int64_t end) {
    __builtin_memset(dtable + begin * d, 0, static_cast<size_t>((end - begin) * d) * sizeof(float));
  });
  parallelFor(d, kGrain / (n + 1) + 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = 0; i < n; ++i) {
      const float* from = dy + i * d;
      float* to = dtable + ids[i] * d;
      forVectors(begin, end, [&](int64_t j, int lanes) {
        storeN(to + j, loadN(to + j, lanes) + loadN(from + j, lanes), lanes);
      });
    }
  });
}

}  // namespace

const EmbeddingKernels embedding = {gather, scatterAdd};

}  // namespace reasvqa::REASVQA_ISA_NS
