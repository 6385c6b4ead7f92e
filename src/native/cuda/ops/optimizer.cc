/** AdamW and the global norm on the CUDA device (cpu/ops/optimizer.h). */
#include "cpu/ops/optimizer_pieces.h"
#include "cuda/runtime/args.h"
#include "cuda/runtime/launch.h"
#include "cuda/runtime/scratch.h"
#include "cuda/runtime/transfer.h"

namespace reasvqa::cuda {
namespace {

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

void adamw(const AdamWCall& call, CudaArgs& args) {
  const AdamW step = adamwOf(call);
  const std::vector<AdamWPiece> pieces = adamwPieces(call, args);
  if (pieces.empty()) return;
  const Table<AdamWPiece> table(pieces);
  launch("optimizer", "adamw", {blocks(static_cast<int64_t>(pieces.size()))}, {256}, 0, table.data(), step);
}

void globalNorm(const GlobalNormCall& call, CudaArgs& args) {
  float* norm = call.norm.out<float>(1);
  const std::vector<NormPiece> pieces = normPieces(args);
  const auto count = static_cast<int64_t>(pieces.size());
  const Table<NormPiece> table(pieces);
  const Scratch sums(pieces.size() * sizeof(double));
  launch("optimizer", "squares", {blocks(count)}, {256}, 0, table.data(), sums.as<double>());
  launch("optimizer", "rootOfSum", {1}, {256}, 0, sums.as<double>(), count, norm);
}

void registerOptimizer(Napi::Env, Napi::Object cuda) {
  bindCudaCall<adamw>(cuda);
  bindCudaCall<globalNorm>(cuda);
}
REASVQA_CUDA_REGISTER(registerOptimizer)

}  // namespace
}  // namespace reasvqa::cuda
