/**
 * AdamW and the global norm over many tensors in one launch: a step updates a few hundred small tensors, and launches per
 * tensor would cost more than the arithmetic. The tensors are cut into pieces of at most kPiece elements, one block each;
 * their table is uploaded with the call.
 *
 * fusedAdamW(buffers, sizes, rates, beta1, beta2, eps, step, gradScale): `buffers` Int32Array of 4 ids a tensor (p, m,
 * v, g; the first three are updated in place), `sizes` Float64Array of element counts, `rates` Float64Array of 2
 * numbers a tensor (learning rate, weight decay).
 *
 * fusedGlobalNorm(buffers, sizes, result): sqrt of the sum of all squares, written to the one float of `result`.
 */
#include "cpu/ops/optimizer_args.h"
#include "cuda/runtime/transfer.h"
#include "cuda/ops/dropout_args.h"
#include "cuda/runtime/scratch.h"

namespace reasvqa::cuda {
namespace {

// optimizer.cu declares the same structs.
static_assert(sizeof(AdamWPiece) == 48 && sizeof(NormPiece) == 16, "the kernels read this layout");

/** A table of pieces on the device. */
template <class Piece>
class Table {
 public:
  explicit Table(const std::vector<Piece>& pieces) : memory_(pieces.size() * sizeof(Piece)) {
    upload(memory_.as<void>(), pieces.data(), pieces.size() * sizeof(Piece));
  }
  const Piece* data() const { return memory_.as<Piece>(); }

 private:
  Scratch memory_;
};

void adamw(CudaArgs& args) {
  const AdamW hyper = adamwArgs(args);
  const std::vector<AdamWPiece> pieces = adamwPieces(args);
  if (pieces.empty()) return;
  const Table<AdamWPiece> table(pieces);
  launch("optimizer", "adamw", {blocks(static_cast<int64_t>(pieces.size()))}, {256}, 0, table.data(),
         hyper);
}

void globalNorm(CudaArgs& args) {
  float* result = args.out<float>(2, 1);
  const std::vector<NormPiece> pieces = normPieces(args);
  const auto count = static_cast<int64_t>(pieces.size());
  const Table<NormPiece> table(pieces);
  const Scratch sums(pieces.size() * sizeof(double));
  launch("optimizer", "squares", {blocks(count)}, {256}, 0, table.data(), sums.as<double>());
  launch("optimizer", "rootOfSum", {1}, {256}, 0, sums.as<double>(), count, result);
}

void registerFusedOptimizer(Napi::Env, Napi::Object cuda) {
  bindCuda<adamw>(cuda, "fusedAdamW");
  bindCuda<globalNorm>(cuda, "fusedGlobalNorm");
}
REASVQA_CUDA_REGISTER(registerFusedOptimizer)

}  // namespace
}  // namespace reasvqa::cuda
