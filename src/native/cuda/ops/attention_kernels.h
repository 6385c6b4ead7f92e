/** Launching attention's kernels of one arithmetic and width. */
#pragma once

#include <algorithm>
#include <string>

#include "cuda/ops/attention_args.h"
#include "cuda/runtime/launch.h"
#include "cuda/runtime/scratch.h"
#include "cuda/runtime/stored.h"
#include "cuda/runtime/transfer.h"

namespace reasvqa::cuda {

inline int64_t sizeOfQ(const Attention& a) { return a.batch * a.Lq * a.heads * a.D; }
inline int64_t sizeOfK(const Attention& a) { return a.batch * a.Lk * (a.heads / a.group) * a.D; }
inline int64_t sizeOfV(const Attention& a) { return a.batch * a.Lk * (a.heads / a.group) * a.Dv; }
inline int64_t sizeOfOut(const Attention& a) { return a.batch * a.Lq * a.heads * a.Dv; }

inline bool fitsHalf(const Attention& a) { return std::max(a.D, a.Dv) <= kWidestHalf; }

/** Where k and v begin in what is kept of q, k and v in f16, and where it ends; in f16. */
struct KeptLayout {
  static constexpr int64_t kStep = 8;  // f16 in 16 bytes

  explicit KeptLayout(const Attention& a)
      : k(ceilDiv(sizeOfQ(a), kStep) * kStep),
        v(k + ceilDiv(sizeOfK(a), kStep) * kStep),
        end(v + ceilDiv(sizeOfV(a), kStep) * kStep) {}
  int64_t k;
  int64_t v;
  int64_t end;

  /** In words of 32 bits, as TypeScript counts it. */
  int64_t words() const { return end / 2; }
  Kept at(void* data) const {
    auto* q = static_cast<Half*>(data);
    return {q, q + k, q + v};
  }
};

inline Kept keptOf(const OptionalOperand& kept, const Attention& a) {
  if (!kept) return {};
  const KeptLayout layout(a);
  return layout.at(kept.out<uint32_t>(layout.words()));
}

/** The operands of the kernels over f16, which the struct of a call names as f32. */
inline void readKept(Attention& a, const Kept& kept) {
  a.q = reinterpret_cast<const float*>(kept.q);
  a.k = reinterpret_cast<const float*>(kept.k);
  a.v = reinterpret_cast<const float*>(kept.v);
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

  /** name: without J. L, heads: of the results, whose rows of one head go to a block 64 at a time. */
  template <class Call, class... Arguments>
  void run(const char* source, const char* name, Type result, const Call& a, int64_t L, int64_t heads,
           Arguments... arguments) const {
    const Grid grid = {blocks(ceilDiv(L, kTile)), blocks(a.batch * heads, kMostBlocksYZ), groups};
    const std::string full = name + std::to_string(J);
    launch(source, variant(full.c_str(), result).c_str(), grid, {half ? 128u : 256u}, 0, a, arguments...);
  }

  bool half;
  int64_t J;
  uint32_t groups = 1;
};

/** What a backward pass knows of the rows, and room for it; `out` is the forward pass's result once more. */
struct RowScratch {
  explicit RowScratch(const Attention& a)
      : rows(a.batch * a.heads * a.Lq),
        out(floats(rows * a.Dv)),
        statistics(floats(2 * rows)),
        delta(floats(rows)),
        largest(sizeof(uint32_t)) {}

  /** Once `out` and `statistics` are written. */
  RowTerms terms(const Attention& a, const float* dy) const {
    fillZero(largest.as<uint32_t>(), sizeof(uint32_t));
    launch("attention_delta", "attentionDelta", {blocks(ceilDiv(rows, 8))}, {256}, 0, dy, out.as<float>(), delta.as<float>(),
           largest.as<uint32_t>(), a.batch, a.heads, a.Lq, a.Dv);
    return {dy, statistics.as<float>(), delta.as<float>(), largest.as<uint32_t>()};
  }

  int64_t rows;
  Scratch out;
  Scratch statistics;
  Scratch delta;
  Scratch largest;
};

}  // namespace reasvqa::cuda
