#include "cpu/ops/attention_product.h"
#include "cpu/ops/attention_rows.h"
#include "cpu/ops/philox.h"
#include "cpu/runtime/parallel.h"
#include "cpu/runtime/workspace.h"

namespace reasvqa::REASVQA_ISA_NS {
namespace {

constexpr int64_t kScoreFloats = 32768;      // a block of scores: 128 KiB, so that three of them fit L2
constexpr int64_t kParallelWork = 1 << 17;   // multiply-adds that pay for waking a thread

/** Query rows in a block; blocks are as even as they can be. */
int64_t blockRows(const Attention& a) {
  const int64_t most = kScoreFloats / strideOf(a) < 16 ? 16 : kScoreFloats / strideOf(a);
  return ceilDiv(a.Lq, ceilDiv(a.Lq, most));
}

int64_t grainOf(int64_t rows, const Attention& a) {
  const int64_t work = rows * a.Lk * (a.D + a.Dv) + 1;
  return kParallelWork / work + 1;
}

/** Query rows [row, row + rows) of one head of one item. */
struct Block {
  int64_t b, h, row, rows;
};

uint32_t dropoutRow(const Attention& a, const Block& block, int64_t i) {
  return static_cast<uint32_t>((block.b * a.heads + block.h) * a.Lq + i);
}

/** The block's probabilities, before dropout. */
void probabilities(const Attention& a, const Block& block, float* scores) {
  const int64_t ld = a.rowHeads * a.D;
  const float* q = headOf(a.q, block.b, block.h, a.Lq, a.rowHeads, a.D) + block.row * ld;
  const float* k = headOf(a.k, block.b, block.h, a.Lk, a.rowHeads, a.D);
  const int64_t stride = strideOf(a);
  product(block.rows, a.Lk, a.D, {q, ld, false}, {k, ld, true}, scores, stride, a.scale, false);
  for (int64_t r = 0; r < block.rows; ++r) softmaxRow(a, block.b, block.h, block.row + r, scores + r * stride);
}

void forward(const Attention& a, float* out) {
  if (a.Lq == 0 || a.batch == 0) return;
  const int64_t rows = blockRows(a);
  const int64_t blocks = ceilDiv(a.Lq, rows);
  const int64_t stride = strideOf(a);
  const int64_t ld = a.heads * a.Dv;
  parallelFor(a.batch * a.heads * blocks, grainOf(rows, a), [&](int64_t begin, int64_t end) {
    float* scores = workspace(WorkspaceSlot::fused, rows * stride);
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t head = unit / blocks;
      const int64_t row = unit % blocks * rows;
      const Block block = {head / a.heads, head % a.heads, row, row + rows < a.Lq ? rows : a.Lq - row};
      probabilities(a, block, scores);
      if (a.dropout.on) {
        for (int64_t r = 0; r < block.rows; ++r) {
          float* p = scores + r * stride;
          forDropout(a.dropout, dropoutRow(a, block, row + r), a.Lk,
                     [p](int64_t j, vf multiplier, int) { store(p + j, load(p + j) * multiplier); });
        }
      }
      const float* v = headOf(a.v, block.b, block.h, a.Lk, a.rowHeads, a.Dv);
      float* to = headOf(out, block.b, block.h, a.Lq, a.heads, a.Dv) + row * ld;
      product(block.rows, a.Dv, a.Lk, {scores, stride, false}, {v, a.rowHeads * a.Dv, false}, to, ld, 1.0f, false);
    }
  });
}

/** Three blocks of scratch: probabilities, those after dropout, and the gradient on its way to the scores. */
struct Tiles {
  float* p;
  float* dropped;
  float* gradient;
};

/**
 * One row: with m the dropout multipliers and g the gradient of the dropped probabilities, the gradient of the
 * scores is p (m g - sum(p m g)). `dropped` becomes p m.
 */
void scoreGradientRow(const Attention& a, uint32_t dropoutRowIndex, const float* p, float* dropped, float* gradient) {
  vf along = {};
  if (a.dropout.on) {
    forDropout(a.dropout, dropoutRowIndex, a.Lk, [&](int64_t j, vf multiplier, int lanes) {
      const vf probability = load(p + j);
      const vf g = loadN(gradient + j, lanes) * multiplier;
      store(dropped + j, probability * multiplier);
      store(gradient + j, g);
      along = fma(probability, g, along);
    });
  } else {
    forVectors(0, a.Lk, [&](int64_t j, int lanes) {
      const vf g = loadN(gradient + j, lanes);
      store(gradient + j, g);
      along = fma(load(p + j), g, along);
    });
  }
  const vf total = splat(horizontalSum(along));
  const int64_t stride = strideOf(a);
  for (int64_t j = 0; j < stride; j += kLanes) store(gradient + j, load(p + j) * (load(gradient + j) - total));
}

struct Gradients {
  const float* dy;
  float* dq;
  float* dk;
  float* dv;
};

/** Fills the tiles for one block. */
void scoreGradients(const Attention& a, const Block& block, const float* dy, const Tiles& tiles) {
  const int64_t stride = strideOf(a);
  const int64_t ld = a.heads * a.Dv;
  probabilities(a, block, tiles.p);
  const float* from = headOf(dy, block.b, block.h, a.Lq, a.heads, a.Dv) + block.row * ld;
  const float* v = headOf(a.v, block.b, block.h, a.Lk, a.heads, a.Dv);
  product(block.rows, a.Lk, a.Dv, {from, ld, false}, {v, ld, true}, tiles.gradient, stride, 1.0f, false);
  for (int64_t r = 0; r < block.rows; ++r) {
    scoreGradientRow(a, dropoutRow(a, block, block.row + r), tiles.p + r * stride, tiles.dropped + r * stride,
                     tiles.gradient + r * stride);
  }
}

/** Adds one block's share to dk and dv and writes its rows of dq. */
void inputGradients(const Attention& a, const Block& block, const Tiles& tiles, const Gradients& g) {
  const int64_t stride = strideOf(a);
  const int64_t ld = a.heads * a.D;
  const int64_t ldV = a.heads * a.Dv;
  const int64_t fromQ = block.row * ld;
  const float* q = headOf(a.q, block.b, block.h, a.Lq, a.heads, a.D) + fromQ;
  const float* k = headOf(a.k, block.b, block.h, a.Lk, a.heads, a.D);
  const float* dy = headOf(g.dy, block.b, block.h, a.Lq, a.heads, a.Dv) + block.row * ldV;
  float* dq = headOf(g.dq, block.b, block.h, a.Lq, a.heads, a.D) + fromQ;
  float* dk = headOf(g.dk, block.b, block.h, a.Lk, a.heads, a.D);
  float* dv = headOf(g.dv, block.b, block.h, a.Lk, a.heads, a.Dv);
  const bool later = block.row > 0;
  product(block.rows, a.D, a.Lk, {tiles.gradient, stride, false}, {k, ld, false}, dq, ld, a.scale, false);
  product(a.Lk, a.D, block.rows, {tiles.gradient, stride, true}, {q, ld, false}, dk, ld, a.scale, later);
  product(a.Lk, a.Dv, block.rows, {tiles.dropped, stride, true}, {dy, ldV, false}, dv, ldV, 1.0f, later);
}

void addBias(const Attention& a, const Block& block, const float* gradient, bool first, float* dbias) {
  const int64_t stride = strideOf(a);
  for (int64_t r = 0; r < block.rows; ++r) {
    float* to = dbias + (block.row + r) * a.Lk;
    const float* from = gradient + r * stride;
    forVectors(0, a.Lk, [&](int64_t j, int lanes) {
      const vf value = load(from + j);
      storeN(to + j, first ? value : loadN(to + j, lanes) + value, lanes);
    });
  }
}

/** One head of one item, all its blocks. */
void backwardHead(const Attention& a, int64_t b, int64_t h, const Gradients& g, float* dbias) {
  const int64_t rows = blockRows(a);
  const int64_t tile = rows * strideOf(a);
  float* memory = workspace(WorkspaceSlot::fused, 3 * tile);
  const Tiles tiles = {memory, a.dropout.on ? memory + tile : memory, memory + 2 * tile};
  for (int64_t row = 0; row < a.Lq; row += rows) {
    const Block block = {b, h, row, row + rows < a.Lq ? rows : a.Lq - row};
    scoreGradients(a, block, g.dy, tiles);
    if (g.dq) inputGradients(a, block, tiles, g);
    if (dbias) addBias(a, block, tiles.gradient, b == 0, dbias);
  }
}

void sumHeads(const float* headBias, int64_t heads, int64_t n, float* dbias) {
  parallelFor(n, 4096, [&](int64_t begin, int64_t end) {
    forVectors(begin, end, [&](int64_t i, int lanes) {
      vf sum = {};
      for (int64_t h = 0; h < heads; ++h) sum += loadN(headBias + h * n + i, lanes);
      storeN(dbias + i, sum, lanes);
    });
  });
}

void zero(float* p, int64_t n) {
  if (p && n > 0) __builtin_memset(p, 0, static_cast<size_t>(n) * sizeof(float));
}

void backward(const Attention& a, const float* dy, float* dq, float* dk, float* dv, float* dbias, float* headBias) {
  if (a.Lq == 0 || a.batch == 0) {
    zero(dk, a.batch * a.Lk * a.heads * a.D);
    zero(dv, a.batch * a.Lk * a.heads * a.Dv);
    zero(dbias, a.biasHeads * a.Lq * a.Lk);
    return;
  }
  const Gradients g = {dy, dq, dk, dv};
  const int64_t grain = grainOf(a.Lq, a);
  if (!dbias) {
    parallelFor(a.batch * a.heads, grain, [&](int64_t begin, int64_t end) {
      for (int64_t unit = begin; unit < end; ++unit) backwardHead(a, unit / a.heads, unit % a.heads, g, nullptr);
    });
    return;
  }
  // The bias gradient of a head is summed over the batch in order, so a head is one task.
  float* perHead = a.biasHeads == a.heads ? dbias : headBias;
  parallelFor(a.heads, grain, [&](int64_t begin, int64_t end) {
    for (int64_t h = begin; h < end; ++h) {
      for (int64_t b = 0; b < a.batch; ++b) backwardHead(a, b, h, g, perHead + h * a.Lq * a.Lk);
    }
  });
  if (perHead != dbias) sumHeads(headBias, a.heads, a.Lq * a.Lk, dbias);
}

}  // namespace

const AttentionKernels attention = {forward, backward};

}  // namespace reasvqa::REASVQA_ISA_NS
