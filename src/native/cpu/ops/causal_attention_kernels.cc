/** Causal attention with grouped key heads, compiled once for each instruction set; what the mask hides is not computed. */
#include "cpu/ops/causal_attention.h"

#include "cpu/ops/attention_product.h"
#include "cpu/ops/attention_rows.h"
#include "cpu/runtime/parallel.h"
#include "cpu/runtime/workspace.h"

namespace reasvqa::REASVQA_ISA_NS {
namespace {

constexpr int64_t kScoreFloats = 32768;     // as in attention_kernels.cc
constexpr int64_t kParallelWork = 1 << 17;  // multiply-adds that pay for waking a thread

int64_t strideOf(const CausalAttention& a) { return ceilDiv(a.length, kLanes) * kLanes; }

/** Query rows in a tile. */
int64_t tileRows(const CausalAttention& a) {
  const int64_t most = kScoreFloats / strideOf(a) < 16 ? 16 : kScoreFloats / strideOf(a);
  return ceilDiv(a.length, ceilDiv(a.length, most));
}

/** Keys [first, first + count). */
struct Range {
  int64_t first, count;
};

/** Query rows [row, row + rows) of one head of one item, all of the prompt or of one segment, and the keys they see. */
struct Block {
  int64_t b, h, row, rows;
  Range ranges[2];  // of the prompt, of the segment
  int64_t width() const { return ranges[0].count + ranges[1].count; }
};

/** The block that begins at `row`, at most up to `end`. */
Block blockAt(const CausalAttention& a, int64_t b, int64_t h, int64_t row, int64_t end) {
  const int64_t start = a.starts[b];
  if (row < a.prefix) {
    const int64_t last = minimum(end, a.prefix);
    return {b, h, row, last - row, {{start, last > start ? last - start : 0}, {0, 0}}};
  }
  int64_t last = row + 1;
  while (last < end && a.begins[last] == a.begins[row]) ++last;
  return {b, h, row, last - row, {{start, a.prefix - start}, {a.begins[row], last - a.begins[row]}}};
}

/** Keys that row i of a block sees, from the first of its scores on. */
int64_t seen(const CausalAttention& a, const Block& block, int64_t i) {
  const Range& prompt = block.ranges[0];
  if (i >= a.prefix) return prompt.count + i - block.ranges[1].first + 1;
  return i < prompt.first ? 0 : i - prompt.first + 1;
}

int64_t queryLd(const CausalAttention& a) { return a.heads * a.D; }
int64_t keyLd(const CausalAttention& a) { return a.keyHeads * a.D; }
int64_t queryAt(const CausalAttention& a, const Block& block) {
  return (block.b * a.length + block.row) * queryLd(a) + block.h * a.D;
}
int64_t keyAt(const CausalAttention& a, const Block& block, const Range& range) {
  return (block.b * a.length + range.first) * keyLd(a) + block.h / (a.heads / a.keyHeads) * a.D;
}

/** The first `count` scores of a row become probabilities, the others up to `width` 0. */
void softmaxRow(float* scores, int64_t count, int64_t width) {
  vf largest = splat(-__builtin_inff());
  forVectors(0, count, [&](int64_t j, int lanes) {
    vf value = load(scores + j);
    if (lanes < kLanes) value = select(lanesBelow(lanes), value, splat(-__builtin_inff()));
    store(scores + j, value);
    largest = maxOrSecond(value, largest);
  });
  const vf most = splat(horizontalMaxOrAny(largest));
  const int64_t whole = ceilDiv(count, kLanes) * kLanes;
  vf total = {};
  for (int64_t j = 0; j < whole; j += kLanes) {
    const vf e = vexp(load(scores + j) - most);
    store(scores + j, e);
    total += e;
  }
  const vf inverse = splat(count > 0 ? 1.0f / horizontalSum(total) : 0.0f);
  for (int64_t j = 0; j < whole; j += kLanes) store(scores + j, load(scores + j) * inverse);
  forVectors(whole, width > whole ? width : whole, [&](int64_t j, int lanes) { storeN(scores + j, vf{}, lanes); });
}

/** scores (rows, stride) = alpha x op(y) over both ranges of keys. */
void againstKeys(const CausalAttention& a, const Block& block, const float* x, const float* keys, float alpha,
                 float* scores) {
  const int64_t stride = strideOf(a);
  float* to = scores;
  for (const Range& range : block.ranges) {
    if (range.count == 0) continue;
    product(block.rows, range.count, a.D, {x, queryLd(a), false}, {keys + keyAt(a, block, range), keyLd(a), true}, to,
            stride, alpha, false);
    to += range.count;
  }
}

/** out (rows, D) = alpha scores keys, over both ranges of keys. */
void timesKeys(const CausalAttention& a, const Block& block, const float* scores, const float* keys, float alpha,
               float* out) {
  const float* from = scores;
  bool later = false;
  for (const Range& range : block.ranges) {
    if (range.count == 0) continue;
    product(block.rows, a.D, range.count, {from, strideOf(a), false}, {keys + keyAt(a, block, range), keyLd(a), false}, out,
            queryLd(a), alpha, later);
    from += range.count;
    later = true;
  }
  if (later) return;
  for (int64_t r = 0; r < block.rows; ++r) {
    __builtin_memset(out + r * queryLd(a), 0, static_cast<size_t>(a.D) * sizeof(float));
  }
}

/** keys (count, D) += alpha scores^T x, over both ranges of keys. */
void ontoKeys(const CausalAttention& a, const Block& block, const float* scores, const float* x, float alpha, float* keys) {
  const float* from = scores;
  for (const Range& range : block.ranges) {
    if (range.count == 0) continue;
    product(range.count, a.D, block.rows, {from, strideOf(a), true}, {x, queryLd(a), false},
            keys + keyAt(a, block, range), keyLd(a), alpha, true);
    from += range.count;
  }
}

void probabilities(const CausalAttention& a, const Block& block, float* scores) {
  againstKeys(a, block, a.q + queryAt(a, block), a.k, a.scale, scores);
  for (int64_t r = 0; r < block.rows; ++r) {
    softmaxRow(scores + r * strideOf(a), seen(a, block, block.row + r), block.width());
  }
}

int64_t grainOf(const CausalAttention& a, int64_t rows) { return kParallelWork / (rows * a.length * a.D + 1) + 1; }

void forward(const CausalAttention& a, float* out) {
  if (a.batch == 0 || a.length == 0) return;
  const int64_t rows = tileRows(a);
  const int64_t tiles = ceilDiv(a.length, rows);
  parallelFor(a.batch * a.heads * tiles, grainOf(a, rows), [&](int64_t begin, int64_t end) {
    float* scores = workspace(WorkspaceSlot::fused, rows * strideOf(a));
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t head = unit / tiles;
      const int64_t last = minimum(a.length, (unit % tiles + 1) * rows);
      for (int64_t row = unit % tiles * rows; row < last;) {
        const Block block = blockAt(a, head / a.heads, head % a.heads, row, last);
        probabilities(a, block, scores);
        timesKeys(a, block, scores, a.v, 1.0f, out + queryAt(a, block));
        row += block.rows;
      }
    }
  });
}

/** The gradient g of a row's probabilities p becomes that of its scores, p (g - sum(p g)). */
void scoreGradientRow(const float* p, float* gradient, int64_t width) {
  vf along = {};
  forVectors(0, width, [&](int64_t j, int lanes) { along = fma(loadN(p + j, lanes), loadN(gradient + j, lanes), along); });
  const vf total = splat(horizontalSum(along));
  forVectors(0, width, [&](int64_t j, int lanes) {
    storeN(gradient + j, loadN(p + j, lanes) * (loadN(gradient + j, lanes) - total), lanes);
  });
}

struct Gradients {
  const float* dy;
  float* dq;
  float* dk;
  float* dv;
};

void backwardBlock(const CausalAttention& a, const Block& block, float* p, float* gradient, const Gradients& g) {
  const int64_t at = queryAt(a, block);
  probabilities(a, block, p);
  againstKeys(a, block, g.dy + at, a.v, 1.0f, gradient);
  for (int64_t r = 0; r < block.rows; ++r) {
    scoreGradientRow(p + r * strideOf(a), gradient + r * strideOf(a), block.width());
  }
  timesKeys(a, block, gradient, a.k, a.scale, g.dq + at);
  ontoKeys(a, block, gradient, a.q + at, a.scale, g.dk);
  ontoKeys(a, block, p, g.dy + at, 1.0f, g.dv);
}

/** One key head of one item, with all query heads that read it. */
void backwardGroup(const CausalAttention& a, int64_t b, int64_t keyHead, const Gradients& g) {
  for (int64_t j = 0; j < a.length; ++j) {
    const int64_t at = (b * a.length + j) * keyLd(a) + keyHead * a.D;
    __builtin_memset(g.dk + at, 0, static_cast<size_t>(a.D) * sizeof(float));
    __builtin_memset(g.dv + at, 0, static_cast<size_t>(a.D) * sizeof(float));
  }
  const int64_t rows = tileRows(a);
  float* memory = workspace(WorkspaceSlot::fused, 2 * rows * strideOf(a));
  const int64_t group = a.heads / a.keyHeads;
  for (int64_t h = keyHead * group; h < (keyHead + 1) * group; ++h) {
    for (int64_t row = 0; row < a.length;) {
      const Block block = blockAt(a, b, h, row, minimum(a.length, row + rows));
      backwardBlock(a, block, memory, memory + rows * strideOf(a), g);
      row += block.rows;
    }
  }
}

void backward(const CausalAttention& a, const float* dy, float* dq, float* dk, float* dv) {
  const Gradients g = {dy, dq, dk, dv};
  parallelFor(a.batch * a.keyHeads, grainOf(a, a.length), [&](int64_t begin, int64_t end) {
    for (int64_t unit = begin; unit < end; ++unit) backwardGroup(a, unit / a.keyHeads, unit % a.keyHeads, g);
  });
}

}  // namespace

const CausalAttentionKernels causalAttention = {forward, backward};

}  // namespace reasvqa::REASVQA_ISA_NS
