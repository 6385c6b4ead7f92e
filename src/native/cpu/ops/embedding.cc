/** fusedEmbedding(table, ids, y, n, rows, d); fusedEmbeddingGrad(dy, ids, dtable, n, rows, d). */
#include "cpu/ops/embedding.h"

#include "binding.h"

namespace reasvqa {
namespace {

void checkIds(const int32_t* ids, int64_t n, int64_t rows) {
  for (int64_t i = 0; i < n; ++i) {
    if (ids[i] >= 0 && ids[i] < rows) continue;
    throw std::invalid_argument("embedding: id " + std::to_string(ids[i]) + " at position " + std::to_string(i) +
                                "; expected 0 to " + std::to_string(rows - 1) + " (rows of the table)");
  }
}

void embedding(Args& args) {
  const int64_t n = args.size(3);
  const int64_t rows = args.size(4);
  const int64_t d = args.size(5);
  const int32_t* ids = args.in<int32_t>(1, n);
  checkIds(ids, n, rows);
  embeddingKernels().gather(args.in<float>(0, rows * d), ids, args.out<float>(2, n * d), n, d);
}

void embeddingGrad(Args& args) {
  const int64_t n = args.size(3);
  const int64_t rows = args.size(4);
  const int64_t d = args.size(5);
  const int32_t* ids = args.in<int32_t>(1, n);
  checkIds(ids, n, rows);
  embeddingKernels().scatterAdd(args.in<float>(0, n * d), ids, args.out<float>(2, rows * d), n, rows, d);
}

void registerFusedEmbedding(Napi::Env, Napi::Object exports) {
  bind<embedding>(exports, "fusedEmbedding");
  bind<embeddingGrad>(exports, "fusedEmbeddingGrad");
}
REASVQA_REGISTER(registerFusedEmbedding)

}  // namespace
}  // namespace reasvqa
