/**
 * Attention of one query a row, as every column of decoding has it: nothing is computed twice, so the time is that of
 * reading the keys and values once. k (B, Lk, H D) and v (B, Lk, H Dv), or with H / group heads, keep a position's heads side by side; taken
 * block by block of positions with all heads in turn, both are read in the order of their addresses, whereas
 * head after head would touch every position once a head. See attention.h.
 */
#include "cpu/ops/attention_rows.h"
#include "cpu/runtime/parallel.h"
#include "cpu/runtime/workspace.h"

namespace reasvqa::REASVQA_ISA_NS {
namespace {

constexpr int64_t kPositions = 16;          // a block of keys or values: 24 KiB at 384 columns, as far ahead as is fetched
constexpr int kTogether = 4;                // keys whose sums run side by side
constexpr int64_t kParallelWork = 1 << 15;  // multiply-adds that pay for waking a thread; fewer than elsewhere: memory-bound

/** Heads [first, end) of one item. */
struct Heads {
  int64_t b, first, end;
};

/** Heads in a row of k and v. */
int64_t keyRowHeads(const Attention& a) { return a.rowHeads / a.group; }

/** scores[j] = scale q k_j for N keys, `ld` apart. */
template <int N>
void score(const Attention& a, const float* q, const float* k, float* scores) {
  const int64_t ld = keyRowHeads(a) * a.D;
  vf sum[N] = {};
  forVectors(0, a.D, [&](int64_t d, int lanes) {
    const vf x = loadN(q + d, lanes);
    for (int s = 0; s < N; ++s) {
      __builtin_prefetch(k + (s + kPositions) * ld + d, 0, 2);
      sum[s] = fma(x, loadN(k + s * ld + d, lanes), sum[s]);
    }
  });
  float sums[N];
  horizontalSums(sum, sums);
  for (int s = 0; s < N; ++s) scores[s] = a.scale * sums[s];
}

/** scores (heads, stride): of every head of the range against every key. */
void scoreKeys(const Attention& a, const Heads& range, float* scores) {
  const int64_t stride = strideOf(a);
  const int64_t ld = keyRowHeads(a) * a.D;
  for (int64_t begin = 0; begin < a.Lk; begin += kPositions) {
    const int64_t end = minimum(a.Lk, begin + kPositions);
    for (int64_t h = range.first; h < range.end; ++h) {
      const float* q = headOf(a.q, range.b, h, 1, a.rowHeads, a.D);
      const float* k = headOf(a.k, range.b, h / a.group, a.Lk, keyRowHeads(a), a.D);
      float* to = scores + (h - range.first) * stride;
      int64_t j = begin;
      for (; j + kTogether <= end; j += kTogether) score<kTogether>(a, q, k + j * ld, to + j);
      for (; j < end; ++j) score<1>(a, q, k + j * ld, to + j);
    }
  }
}

/** out = probabilities times values, for every head of the range. */
void sumValues(const Attention& a, const Heads& range, const float* probabilities, float* out) {
  const int64_t stride = strideOf(a);
  const int64_t ld = keyRowHeads(a) * a.Dv;
  for (int64_t begin = 0; begin < a.Lk; begin += kPositions) {
    const int64_t end = minimum(a.Lk, begin + kPositions);
    for (int64_t h = range.first; h < range.end; ++h) {
      const float* p = probabilities + (h - range.first) * stride;
      const float* v = headOf(a.v, range.b, h / a.group, a.Lk, keyRowHeads(a), a.Dv);
      float* to = headOf(out, range.b, h, 1, a.heads, a.Dv);
      forVectors(0, a.Dv, [&](int64_t d, int lanes) {
        vf sum = begin == 0 ? vf{} : loadN(to + d, lanes);
        for (int64_t j = begin; j < end; ++j) {
          __builtin_prefetch(v + (j + kPositions) * ld + d, 0, 2);
          sum = fma(splat(p[j]), loadN(v + j * ld + d, lanes), sum);
        }
        storeN(to + d, sum, lanes);
      });
    }
  }
}

void forward(const Attention& a, float* out) {
  // A small batch is cut into groups of heads, so that every thread has work; a head's sums do not depend on it.
  const int64_t groups = minimum(a.heads, ceilDiv(2 * threadCount(), a.batch > 0 ? a.batch : 1));
  const int64_t headsEach = ceilDiv(a.heads, groups);
  const int64_t work = headsEach * a.Lk * (a.D + a.Dv) + 1;
  parallelFor(a.batch * groups, kParallelWork / work + 1, [&](int64_t begin, int64_t end) {
    float* scores = workspace(WorkspaceSlot::fused, headsEach * strideOf(a));
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t first = unit % groups * headsEach;
      const Heads range = {unit / groups, first, minimum(a.heads, first + headsEach)};
      scoreKeys(a, range, scores);
      for (int64_t h = range.first; h < range.end; ++h) {
        softmaxRow(a, range.b, h, 0, scores + (h - range.first) * strideOf(a));
      }
      sumValues(a, range, scores, out);
    }
  });
}

}  // namespace

const AttentionQueryKernels attentionQuery = {forward};

}  // namespace reasvqa::REASVQA_ISA_NS
