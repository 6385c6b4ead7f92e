/**
 * Multi-head attention, forward and backward, without an (Lq, Lk) matrix kept in between or in memory at all: tiles of
 * scores live in registers and shared memory. q (B, Lq, H D), k (B, Lk, H D), v (B, Lk, H Dv) as the projections leave them.
 *
 * Arguments are those of attention_args.h. With bf16 the products are the tensor cores', in f16 (attention_f16.cuh; an
 * H100's data sheet: 989 TFLOP/s, 67 in f32); but in f32 for heads wider than 96 and for a trained bias, whose gradient has
 * no kernel there. out may be stored in bf16.
 */
#include <string>

#include "cpu/attention_args.h"
#include "cuda/copy.h"
#include "cuda/fused_args.h"
#include "cuda/fused_storage.h"
#include "cuda/scratch.h"

namespace reasvqa::cuda {
namespace {

constexpr int64_t kTile = 64;           // TILE in attention.cuh
constexpr int64_t kWidestHalf = 6 * 16;

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
  int64_t rowHeads;
  float scale;
  Dropout dropout;
};
static_assert(sizeof(Attention) == 128, "the kernels read this layout");

struct RowTerms {
  const float* dy;
  const float* statistics;
  const float* delta;
  const uint32_t* largest;
};

Attention attentionOf(const CudaArgs& args) {
  Attention a = attentionArgs<Attention>(args);
  a.dropout = dropoutArgs(args, kAttentionDropout);
  check(a.batch * a.heads <= kMostBlocksYZ, "attention: batch times heads is above 65535; take smaller batches");
  return a;
}

/** The kernels of one arithmetic for results `width` columns wide. */
struct Kernels {
  /** f32: 32 J columns a block, the rest in further blocks. half: the whole heads, J steps of 16. */
  Kernels(bool half, const Attention& a, int64_t width) : half(half) {
    if (half) {
      J = std::max<int64_t>(4, 2 * ceilDiv(std::max(a.D, a.Dv), 32));
    } else {
      J = std::clamp<int64_t>(ceilDiv(width, 32), 2, 4);
      groups = blocks(std::max<int64_t>(1, ceilDiv(width, 32 * J)));
    }
  }

  /** name: without J. L: rows of the results of one head. */
  template <class... Arguments>
  void run(const char* source, const char* name, Type result, const Attention& a, int64_t L, Arguments... arguments) const {
    const Grid grid = {blocks(ceilDiv(L, kTile)), blocks(a.batch * a.heads), groups};
    const std::string full = name + std::to_string(J);
    launch(source, variant(full.c_str(), result).c_str(), grid, {half ? 128u : 256u}, 0, a, arguments...);
  }

  bool half;
  int64_t J;
  uint32_t groups = 1;
};

/** statistics: two floats for each of the B H Lq rows, or nullptr. */
void forward(const Attention& a, bool half, const StoredResult& out, float* statistics) {
  if (out.type == Type::bf16 && !half) {
    const int64_t n = a.batch * a.Lq * a.heads * a.Dv;
    const Scratch wide(floats(n));
    forward(a, false, {wide.as<void>(), Type::f32}, statistics);
    launch("storage", "f32ToBf16", gridFor(n), {256}, 0, wide.as<void>(), out.data, n);
    return;
  }
  const Kernels kernels(half, a, a.Dv);
  kernels.run(half ? "fused_attention_f16" : "fused_attention", "attentionForward", out.type, a, a.Lq, out.data, statistics);
}

bool takesHalf(const CudaArgs& args, const Attention& a) {
  return args.flag(kAttentionBf16) && std::max(a.D, a.Dv) <= kWidestHalf;
}

void attention(CudaArgs& args) {
  const Attention a = attentionOf(args);
  forward(a, takesHalf(args, a), storedResult(args, kAfterAttention, a.batch * a.Lq * a.heads * a.Dv), nullptr);
}

struct Gradients {
  float* dq;
  float* dk;
  float* dv;
  float* dbias;
};

/** Outputs and row terms once more, then the gradients. */
void backward(const Attention& a, bool half, const float* dy, const Gradients& g) {
  const char* source = half ? "fused_attention_f16_grad" : "fused_attention_grad";
  const int64_t rows = a.batch * a.heads * a.Lq;
  const Scratch out(floats(rows * a.Dv));
  const Scratch statistics(floats(2 * rows));
  const Scratch delta(floats(rows));
  const Scratch largest(sizeof(uint32_t));
  fillZero(largest.as<uint32_t>(), sizeof(uint32_t));
  forward(a, half, {out.as<void>(), Type::f32}, statistics.as<float>());
  launch("fused_attention_grad", "attentionDelta", {blocks(ceilDiv(rows, 8))}, {256}, 0, dy, out.as<float>(),
         delta.as<float>(), largest.as<uint32_t>(), a.batch, a.heads, a.Lq, a.Dv);
  const RowTerms terms = {dy, statistics.as<float>(), delta.as<float>(), largest.as<uint32_t>()};
  if (g.dq) {
    const Kernels both(half, a, std::max(a.D, a.Dv));
    const Kernels query(half, a, a.D);
    query.run(source, "attentionGradQuery", Type::f32, a, a.Lq, terms, g.dq);
    both.run(source, "attentionGradKey", Type::f32, a, a.Lk, terms, g.dk, g.dv);
  }
  if (g.dbias) {
    const Grid grid = {blocks(ceilDiv(a.Lk, kTile)), blocks(ceilDiv(a.Lq, kTile), kMostBlocksYZ),
                       blocks(a.biasHeads, kMostBlocksYZ)};
    launch(source, "attentionGradBias", grid, {256}, 0, a, terms, g.dbias);
  }
}

void attentionGrad(CudaArgs& args) {
  const Attention a = attentionOf(args);
  check(a.rowHeads == a.heads, "attention: no gradient of packed operands");
  const float* dy = args.in<float>(kAfterAttention, a.batch * a.Lq * a.heads * a.Dv);
  const Gradients g = {args.outOrNull<float>(kAfterAttention + 1, a.batch * a.Lq * a.heads * a.D),
                       args.outOrNull<float>(kAfterAttention + 2, a.batch * a.Lk * a.heads * a.D),
                       args.outOrNull<float>(kAfterAttention + 3, a.batch * a.Lk * a.heads * a.Dv),
                       args.outOrNull<float>(kAfterAttention + 4, a.biasHeads * a.Lq * a.Lk)};
  check((g.dq != nullptr) == (g.dk != nullptr) && (g.dq != nullptr) == (g.dv != nullptr),
        "attention: dq, dk, dv go together");
  if (a.Lq > 0 && a.batch > 0) return backward(a, takesHalf(args, a) && !g.dbias, dy, g);
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
