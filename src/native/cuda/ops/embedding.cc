/**
 * fusedEmbedding(table, ids, y, n, rows, d); fusedEmbeddingGrad(dy, ids, dtable, n, rows, d); table f32 or bf16. An id
 * outside the table is reported at the next wait for the device (fault.h).
 */
#include "cuda/runtime/transfer.h"
#include "cuda/runtime/fault.h"
#include "cuda/ops/dropout_args.h"
#include "cuda/runtime/stored.h"

namespace reasvqa::cuda {
namespace {

constexpr const char* kSource = "embedding";
constexpr int64_t kBlockColumns = 512;  // of scatterAddRows: 128 threads, four each

struct Sizes {
  int64_t n, rows, d;
};

Sizes sizesArgs(const CudaArgs& args) { return {args.size(3), args.size(4), args.size(5)}; }

void checkIds(const int32_t* ids, const Sizes& s) {
  if (s.n > 0) launch(kSource, "checkIds", {1}, {256}, 0, ids, s.n, s.rows, faultRecord());
}

void embedding(CudaArgs& args) {
  const Sizes s = sizesArgs(args);
  const Stored table = storedArg(args, 0, s.rows * s.d);
  const int32_t* ids = args.in<int32_t>(1, s.n);
  float* y = args.out<float>(2, s.n * s.d);
  checkIds(ids, s);
  const char* kernel = table.type == Type::f32 ? "gatherRowsF32" : "gatherRowsBf16";
  launch(kSource, kernel, gridFor(s.n * ceilDiv(s.d, 4)), {256}, 0, table.data, ids, y, s.n, s.rows, s.d);
}

void embeddingGrad(CudaArgs& args) {
  const Sizes s = sizesArgs(args);
  const float* dy = args.in<float>(0, s.n * s.d);
  const int32_t* ids = args.in<int32_t>(1, s.n);
  float* dtable = args.out<float>(2, s.rows * s.d);
  checkIds(ids, s);
  fillZero(dtable, floats(s.rows * s.d));
  const Grid grid = {blocks(s.n), blocks(ceilDiv(s.d, kBlockColumns), kMostBlocksYZ)};
  launch(kSource, "scatterAddRows", grid, {128}, 0, dy, ids, dtable, s.n, s.rows, s.d);
}

void registerFusedEmbedding(Napi::Env, Napi::Object cuda) {
  bindCuda<embedding>(cuda, "fusedEmbedding");
  bindCuda<embeddingGrad>(cuda, "fusedEmbeddingGrad");
}
REASVQA_CUDA_REGISTER(registerFusedEmbedding)

}  // namespace
}  // namespace reasvqa::cuda
