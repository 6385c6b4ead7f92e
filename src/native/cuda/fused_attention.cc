/**
 * Multi-head attention, forward and backward, without an (Lq, Lk) matrix kept in between or in memory at all: tiles of
 * scores live in registers and shared memory (attention.cuh). q (B, Lq, H D), k (B, Lk, H D), v (B, Lk, H Dv) as the
 * projections leave them.
 *
 * fusedAttention(q, k, v, bias, keyMask, batch, heads, Lq, Lk, D, Dv, biasHeads, scale, ...dropout, out);
 * fusedAttentionGrad(the same up to dropout, dy, dq, dk, dv, dbias). -1 leaves an operand or a result out; dq, dk and
 * dv are wanted together.
 */
#include <string>

#include "cuda/copy.h"
#include "cuda/fused_args.h"
#include "cuda/scratch.h"

namespace reasvqa::cuda {
namespace {

constexpr size_t kAfterDropout = 13 + kDropoutArgs;
constexpr int64_t kTile = 64;
constexpr uint32_t kThreads = 256;

// The same structs as in the kernels.
struct Attention {
  const float* q;
  const float* k;
  const float* v;
  const float* bias;
  const float* keyMask;
  int64_t batch;
  int64_t heads;
  int64_t Lq;
  int64_t Lk;
  int64_t D;
  int64_t Dv;
  int64_t biasHeads;
  float scale;
  Dropout dropout;
};
static_assert(sizeof(Attention) == 120, "the kernels read this layout");

struct RowTerms {
  const float* dy;
  const float* statistics;
  const float* delta;
};

Attention attentionArgs(const CudaArgs& args) {
  Attention a = {};
  a.batch = args.size(5);
  a.heads = args.size(6);
  a.Lq = args.size(7);
  a.Lk = args.size(8);
  a.D = args.size(9);
  a.Dv = args.size(10);
  a.biasHeads = args.size(11);
  a.scale = args.f32(12);
  a.dropout = dropoutArgs(args, 13);
  check(a.Lk > 0 && a.heads > 0, "attention: no keys or no heads");
  check(a.biasHeads == 0 || a.biasHeads == 1 || a.biasHeads == a.heads, "attention: bias heads");
  check(a.batch * a.heads <= kMostBlocksYZ, "attention: batch times heads is above 65535; take smaller batches");
  a.q = args.in<float>(0, a.batch * a.Lq * a.heads * a.D);
  a.k = args.in<float>(1, a.batch * a.Lk * a.heads * a.D);
  a.v = args.in<float>(2, a.batch * a.Lk * a.heads * a.Dv);
  a.bias = args.inOrNull<float>(3, a.biasHeads * a.Lq * a.Lk);
  a.keyMask = args.inOrNull<float>(4, a.batch * a.Lk);
  check((a.bias != nullptr) == (a.biasHeads > 0), "attention: bias and its heads disagree");
  return a;
}

/** How a kernel is built and launched for results `width` columns wide: 32 J columns a block, the rest in further blocks. */
struct Columns {
  explicit Columns(int64_t width)
      : J(std::clamp<int64_t>(ceilDiv(width, 32), 2, 4)), groups(blocks(std::max<int64_t>(1, ceilDiv(width, 32 * J)))) {}
  std::string kernel(const char* name) const { return name + std::to_string(J); }

  int64_t J;
  uint32_t groups;
};

Grid gridOf(const Attention& a, int64_t L, const Columns& columns) {
  return {blocks(ceilDiv(L, kTile)), blocks(a.batch * a.heads), columns.groups};
}

/** statistics: two floats for each of the B H Lq rows, or nullptr. */
void forward(const Attention& a, float* out, float* statistics) {
  const Columns columns(a.Dv);
  launch("fused_attention", columns.kernel("attentionForward").c_str(), gridOf(a, a.Lq, columns), {kThreads}, 0, a, out,
         statistics);
}

void attention(CudaArgs& args) {
  const Attention a = attentionArgs(args);
  forward(a, args.out<float>(kAfterDropout, a.batch * a.Lq * a.heads * a.Dv), nullptr);
}

struct Gradients {
  float* dq;
  float* dk;
  float* dv;
  float* dbias;
};

/** Outputs and row terms once more, then the gradients. */
void backward(const Attention& a, const float* dy, const Gradients& g) {
  constexpr const char* kSource = "fused_attention_grad";
  const int64_t rows = a.batch * a.heads * a.Lq;
  const Scratch out(floats(rows * a.Dv));
  const Scratch statistics(floats(2 * rows));
  const Scratch delta(floats(rows));
  forward(a, out.as<float>(), statistics.as<float>());
  launch(kSource, "attentionDelta", {blocks(ceilDiv(rows, 8))}, {256}, 0, dy, out.as<float>(), delta.as<float>(), a.batch,
         a.heads, a.Lq, a.Dv);
  const RowTerms terms = {dy, statistics.as<float>(), delta.as<float>()};
  if (g.dq) {
    const Columns columns(a.D);
    launch(kSource, columns.kernel("attentionGradQuery").c_str(), gridOf(a, a.Lq, columns), {kThreads}, 0, a, terms, g.dq);
    const Columns both(std::max(a.D, a.Dv));
    launch(kSource, both.kernel("attentionGradKey").c_str(), gridOf(a, a.Lk, both), {kThreads}, 0, a, terms, g.dk, g.dv);
  }
  if (g.dbias) {
    const Grid grid = {blocks(ceilDiv(a.Lk, kTile)), blocks(ceilDiv(a.Lq, kTile), kMostBlocksYZ),
                       blocks(a.biasHeads, kMostBlocksYZ)};
    launch(kSource, "attentionGradBias", grid, {kThreads}, 0, a, terms, g.dbias);
  }
}

void attentionGrad(CudaArgs& args) {
  const Attention a = attentionArgs(args);
  const float* dy = args.in<float>(kAfterDropout, a.batch * a.Lq * a.heads * a.Dv);
  const Gradients g = {args.outOrNull<float>(kAfterDropout + 1, a.batch * a.Lq * a.heads * a.D),
                       args.outOrNull<float>(kAfterDropout + 2, a.batch * a.Lk * a.heads * a.D),
                       args.outOrNull<float>(kAfterDropout + 3, a.batch * a.Lk * a.heads * a.Dv),
                       args.outOrNull<float>(kAfterDropout + 4, a.biasHeads * a.Lq * a.Lk)};
  check((g.dq != nullptr) == (g.dk != nullptr) && (g.dq != nullptr) == (g.dv != nullptr),
        "attention: dq, dk, dv go together");
  if (a.Lq > 0 && a.batch > 0) return backward(a, dy, g);
  if (g.dk) fillZero(g.dk, floats(a.batch * a.Lk * a.heads * a.D));
  if (g.dv) fillZero(g.dv, floats(a.batch * a.Lk * a.heads * a.Dv));
  if (g.dbias) fillZero(g.dbias, floats(a.biasHeads * a.Lq * a.Lk));
}

void registerFusedAttention(Napi::Env, Napi::Object cuda) {
  bindCuda<attention>(cuda, "fusedAttention");
  bindCuda<attentionGrad>(cuda, "fusedAttentionGrad");
}
REASVQA_CUDA_REGISTER(registerFusedAttention)

}  // namespace
}  // namespace reasvqa::cuda
