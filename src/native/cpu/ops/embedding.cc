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

void embedding(const EmbeddingCall& call) {
  const EmbeddingSizes s = sizesOf(call.table, call.ids);
  const int32_t* ids = call.ids.in<int32_t>(s.n);
  checkIds(ids, s.n, s.rows);
  embeddingKernels().gather(call.table.in<float>(s.rows * s.d), ids, call.y.out<float>(s.n * s.d), s.n, s.d);
}

void embeddingGrad(const EmbeddingGradCall& call) {
  const EmbeddingSizes s = sizesOf(call.dtable, call.ids);
  const int32_t* ids = call.ids.in<int32_t>(s.n);
  checkIds(ids, s.n, s.rows);
  embeddingKernels().scatterAdd(call.dy.in<float>(s.n * s.d), ids, call.dtable.out<float>(s.rows * s.d), s.n, s.rows, s.d);
}

void registerEmbedding(Napi::Env, Napi::Object exports) {
  bindCall<embedding>(exports);
  bindCall<embeddingGrad>(exports);
}
REASVQA_REGISTER(registerEmbedding)

}  // namespace
}  // namespace reasvqa
