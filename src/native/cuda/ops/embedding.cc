/**
 * Rows of a table by id on the CUDA device (cpu/ops/embedding.h); table f32 or bf16. An id outside the table is reported at
 * the next wait for the device (fault.h).
 */
#include "cpu/ops/embedding.h"

#include "cuda/runtime/fault.h"
#include "cuda/runtime/launch.h"
#include "cuda/runtime/scratch.h"
#include "cuda/runtime/stored.h"
#include "cuda/runtime/transfer.h"

namespace reasvqa::cuda {
namespace {

constexpr const char* kSource = "embedding";
constexpr int64_t kBlockColumns = 512;  // of scatterAddRows: 128 threads, four each

void checkIds(const int32_t* ids, const EmbeddingSizes& s) {
  if (s.n > 0) launch(kSource, "checkIds", {1}, {256}, 0, ids, s.n, s.rows, faultRecord());
}

void embedding(const EmbeddingCall& call) {
  const EmbeddingSizes s = sizesOf(call.table, call.ids);
  const Stored table = storedIn(call.table, s.rows * s.d);
  const int32_t* ids = call.ids.in<int32_t>(s.n);
  float* y = call.y.out<float>(s.n * s.d);
  checkIds(ids, s);
  const char* kernel = table.type == Type::f32 ? "gatherRowsF32" : "gatherRowsBf16";
  launch(kSource, kernel, gridFor(s.n * ceilDiv(s.d, 4)), {256}, 0, table.data, ids, y, s.n, s.rows, s.d);
}

void embeddingGrad(const EmbeddingGradCall& call) {
  const EmbeddingSizes s = sizesOf(call.dtable, call.ids);
  const float* dy = call.dy.in<float>(s.n * s.d);
  const int32_t* ids = call.ids.in<int32_t>(s.n);
  float* dtable = call.dtable.out<float>(s.rows * s.d);
  checkIds(ids, s);
  fillZero(dtable, floats(s.rows * s.d));
  const Grid grid = {blocks(s.n), blocks(ceilDiv(s.d, kBlockColumns), kMostBlocksYZ)};
  launch(kSource, "scatterAddRows", grid, {128}, 0, dy, ids, dtable, s.n, s.rows, s.d);
}

void registerEmbedding(Napi::Env, Napi::Object cuda) {
  bindCudaCall<embedding>(cuda);
  bindCudaCall<embeddingGrad>(cuda);
}
REASVQA_CUDA_REGISTER(registerEmbedding)

}  // namespace
}  // namespace reasvqa::cuda
