/**
 * Matrix product kernels (see gemm.h).
 *
 * A register tile of kRows x kCols (12 x 32 with AVX-512, 6 x 16 with AVX2, 8 x 8 on ARM, 4 x 8 plain) is summed over
 * k; A is packed into panels of kRows rows, B into panels of kCols columns, so both stream through the tile without gaps.
 * B's panels (kDepth x kWidth, in L3) are shared by all threads, A's block (in L2) belongs to one.
 *
 * Up to kFew rows: there is nothing to reuse in B, so it is read in place; when B is stored transposed, rows of A
 * and of B^T are both contiguous in k and the tile becomes dot products. Up to kFew columns: the transposed
 * problem C^T = op(B)^T op(A)^T, which has few rows.
 */
#include "cpu/ops/gemm.h"
#include "cpu/ops/gemm_dots.h"
#include "cpu/ops/gemm_pack.h"
#include "cpu/runtime/parallel.h"
#include "cpu/runtime/simd.h"
#include "cpu/runtime/workspace.h"

namespace reasvqa::REASVQA_ISA_NS {
namespace {

constexpr int64_t kDepth = 512;          // a B panel (64 KiB) comes from L2; 256 fits L1 and is 5 % slower: C passes twice
constexpr int64_t kWidth = 64 * kCols;   // shared B block: kDepth x 2048 floats = 4 MiB with AVX-512
constexpr int64_t kPanelsPerTask = 12;   // an A block of 144 x 512 floats = 288 KiB
constexpr int64_t kFew = 12;             // rows (or columns) up to which nothing but the small operand is packed
constexpr int64_t kInPlaceDepth = 192;   // rows of one or two lines each: 12 to 24 KiB
constexpr int64_t kThin = 64;            // k up to which fetching C ahead costs: 20 % of 2048 x 2048 x 16, 10 % of LoRA's B
constexpr int64_t kAhead = 8;            // rows of B fetched ahead where the hardware does not see the stride
constexpr int64_t kParallelWork = 1 << 17;  // multiply-adds that pay for waking a thread

// ---- the register tile

/** Where a tile goes: C's strides, how many of its columns exist, and what it is added to. */
struct Target {
  float* c;
  int64_t rowStride, colStride;
  int64_t cols;
  float alpha;
  Addend add;
};

Target targetOf(const Problem& p, int64_t row, int64_t col, int64_t cols, const Addend& add) {
  return {p.cAt(row, col), p.rowStride, p.colStride, cols, p.alpha, add.from(row, col)};
}

/** Rows of `width` sums, of which t.cols go to C, one by one. */
[[gnu::noinline]] void storeElements(const float* sums, int rows, int width, const Target& t) {
  for (int64_t j = 0; j < t.cols; ++j) {
    for (int r = 0; r < rows; ++r) {
      const float sum = sums[r * width + j];
      t.c[r * t.rowStride + j * t.colStride] = t.add.data ? t.add.at(r, j) + sum : sum;
    }
  }
}

/** Inlined, so that the sums go from registers to C. */
template <int R, int V>
[[gnu::always_inline]] inline void storeTile(const vf (&sum)[R][V], const Target& t) {
  const vf alpha = splat(t.alpha);
  if (t.colStride == 1 && t.cols == V * kLanes && (!t.add.data || t.add.colStride == 1)) {
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) {
        float* c = t.c + r * t.rowStride + v * kLanes;
        if (t.add.data) {
          store(c, fma(alpha, sum[r][v], load(t.add.data + r * t.add.rowStride + v * kLanes)));
        } else {
          store(c, alpha * sum[r][v]);
        }
      }
    }
    return;
  }
  alignas(64) float tile[R][V * kLanes];
#pragma GCC unroll 12
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) store(&tile[r][v * kLanes], alpha * sum[r][v]);
  }
  storeElements(tile[0], R, V * kLanes, t);
}

/** Sum over kc of R columns of A, whose rows are lda apart, times V vectors of B's rows, ldb apart. */
template <int R, int V, bool Fetch = false>
void tile(const float* a, int64_t lda, const float* b, int64_t ldb, int64_t kc, const Target& target) {
  // C's lines come while the sums are made, unless those are done before a line could come.
  if (target.colStride == 1 && kc > kThin) {
    for (int r = 0; r < R; ++r) {
      for (int v = 0; v < V; ++v) __builtin_prefetch(target.c + r * target.rowStride + v * kLanes, 1);
    }
  }
  vf sum[R][V] = {};
  for (int64_t d = 0; d < kc; ++d) {
    vf row[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      row[v] = load(b + v * kLanes);
      if (Fetch) __builtin_prefetch(b + kAhead * ldb + v * kLanes);
    }
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
      const vf x = splat(a[r]);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) sum[r][v] = fma(x, row[v], sum[r][v]);
    }
    a += lda;
    b += ldb;
  }
  storeTile<R, V>(sum, target);
}

using Tile = void (*)(const float*, int64_t, const float*, int64_t, int64_t, const Target&);
constexpr Tile kTiles[][kVectors] = {
    {tile<1, 1>, tile<1, 2>}, {tile<2, 1>, tile<2, 2>}, {tile<3, 1>, tile<3, 2>}, {tile<4, 1>, tile<4, 2>},
#if REASVQA_TILE_ROWS >= 6
    {tile<5, 1>, tile<5, 2>}, {tile<6, 1>, tile<6, 2>},
#endif
#if REASVQA_TILE_ROWS >= 8
    {tile<7, 1>, tile<7, 2>}, {tile<8, 1>, tile<8, 2>},
#endif
#if REASVQA_TILE_ROWS >= 12
    {tile<9, 1>, tile<9, 2>}, {tile<10, 1>, tile<10, 2>}, {tile<11, 1>, tile<11, 2>}, {tile<12, 1>, tile<12, 2>},
#endif
};

/** Rows of A as tiles read them, kc deep: packed, or where they are when A is stored by columns (then lda > 0). */
struct Rows {
  const float* a;
  int64_t lda;
};

/** A block of A's rows times one B panel: every tile of those columns. */
void panel(const Problem& p, const Rows& from, int64_t row, int64_t rows, const float* b, int64_t ldb, int64_t col, int64_t kc,
           const Addend& add) {
  const int64_t cols = minimum(kCols, p.n - col);
  const int vectors = cols > kLanes ? 1 : 0;
  for (int64_t i = 0; i < rows; i += kRows) {
    const int64_t count = minimum(kRows, rows - i);
    const Target target = targetOf(p, row + i, col, cols, add);
    const float* a = from.lda > 0 ? from.a + i : from.a + i * kc;
    kTiles[count - 1][vectors](a, from.lda > 0 ? from.lda : count, b, ldb, kc, target);
  }
}

// ---- whole products

/** Rows of A for a block: in place when they are stored by columns and so few that a tile's share of them stays in L1. */
Rows rowsOf(const Problem& p, int64_t row, int64_t rows, int64_t depth, int64_t kc, int64_t mostRows) {
  if (p.transA && kc <= kInPlaceDepth) return {p.aAt(row, depth), p.lda};
  float* packed = workspace(WorkspaceSlot::packedA, mostRows * kc);
  packA(p, row, rows, depth, kc, packed);
  return {packed, 0};
}

template <class F>
void inChunks(bool serial, int64_t n, int64_t chunk, const F& fn) {
  if (!serial) return parallelChunks(n, chunk, fn);
  for (int64_t begin = 0; begin < n; begin += chunk) fn(begin, minimum(n, begin + chunk));
}

/** General form. B's panels are packed once a depth block by all threads, then each takes blocks of rows. */
void blocked(const Problem& p, bool serial = false) {
  const int64_t panelsM = ceilDiv(p.m, kRows);
  const int64_t threads = serial || insideParallel() ? 1 : threadCount();
  const int64_t tasks = minimum(panelsM, ceilDiv(ceilDiv(panelsM, kPanelsPerTask), threads) * threads);
  // Shares that differ by one panel at most: 67 panels as 11 and 12, not as five times 12 and one of 7.
  const auto taskRow = [&](int64_t task) { return minimum(p.m, task * panelsM / tasks * kRows); };
  const int64_t mostRows = ceilDiv(panelsM, tasks) * kRows;
  const int64_t width = minimum(kWidth, ceilDiv(p.n, kCols) * kCols);
  float* packedB = workspace(WorkspaceSlot::packedB, width * minimum(kDepth, p.k));
  for (int64_t col = 0; col < p.n; col += kWidth) {
    const int64_t panels = ceilDiv(minimum(kWidth, p.n - col), kCols);
    for (int64_t depth = 0; depth < p.k; depth += kDepth) {
      const int64_t kc = minimum(kDepth, p.k - depth);
      const Addend add = p.addAt(depth);
      inChunks(serial, panels, minimum(8, ceilDiv(panels, threads)), [&](int64_t begin, int64_t end) {
        for (int64_t j = begin; j < end; ++j) packPanelB(p, col + j * kCols, depth, kc, packedB + j * kc * kCols);
      });
      inChunks(serial, tasks, 1, [&](int64_t task, int64_t) {
        const int64_t begin = taskRow(task);
        const int64_t rows = taskRow(task + 1) - begin;
        const Rows from = rowsOf(p, begin, rows, depth, kc, mostRows);
        for (int64_t j = 0; j < panels; ++j) {
          panel(p, from, begin, rows, packedB + j * kc * kCols, kCols, col + j * kCols, kc, add);
        }
      });
    }
  }
}

/** The widest tile of R rows that fits the registers, for B read in place. */
template <int R>
struct Wide {
  static constexpr int budget = REASVQA_TILE_ROWS >= 8 ? 2 * kRows : 12;
  static constexpr int vectors = R * 8 <= budget ? 8 : (R * 4 <= budget ? 4 : 2);
};

/** Whole vectors of columns from `col` on, in ever narrower tiles; returns the first column that is left. */
template <int R, int V = Wide<R>::vectors>
int64_t inPlace(const Problem& p, const float* packedA, int64_t row, int64_t depth, int64_t kc, const Addend& add,
                int64_t col = 0) {
  constexpr int cols = V * kLanes;
  for (; col + cols <= p.n; col += cols) {
    const Target target = targetOf(p, row, col, cols, add);
    tile<R, V, true>(packedA, R, p.bAt(depth, col).f32, p.ldb, kc, target);
  }
  if constexpr (V > 1) col = inPlace<R, V / 2>(p, packedA, row, depth, kc, add, col);
  return col;
}

/** Up to kRows rows against B in place, then what is left of the columns through one packed panel. */
void fewRowsPanel(const Problem& p, const float* packedA, int64_t row, int64_t rows, int64_t depth, int64_t kc,
                  const Addend& add) {
  int64_t done = 0;
  switch (rows) {
    case 1: done = inPlace<1>(p, packedA, row, depth, kc, add); break;
    case 2: done = inPlace<2>(p, packedA, row, depth, kc, add); break;
    case 3: done = inPlace<3>(p, packedA, row, depth, kc, add); break;
    case 4: done = inPlace<4>(p, packedA, row, depth, kc, add); break;
#if REASVQA_TILE_ROWS >= 6
    case 5: done = inPlace<5>(p, packedA, row, depth, kc, add); break;
    case 6: done = inPlace<6>(p, packedA, row, depth, kc, add); break;
#endif
#if REASVQA_TILE_ROWS >= 8
    case 7: done = inPlace<7>(p, packedA, row, depth, kc, add); break;
    case 8: done = inPlace<8>(p, packedA, row, depth, kc, add); break;
#endif
#if REASVQA_TILE_ROWS >= 12
    case 9: done = inPlace<9>(p, packedA, row, depth, kc, add); break;
    case 10: done = inPlace<10>(p, packedA, row, depth, kc, add); break;
    case 11: done = inPlace<11>(p, packedA, row, depth, kc, add); break;
    case 12: done = inPlace<12>(p, packedA, row, depth, kc, add); break;
#endif
    default: break;
  }
  for (int64_t col = done; col < p.n; col += kCols) {
    float* packedB = workspace(WorkspaceSlot::packedB, kc * kCols);
    packPanelB(p, col, depth, kc, packedB);
    panel(p, {packedA, 0}, row, rows, packedB, kCols, col, kc, add);
  }
}

/** Few rows, B stored by rows: B is read where it is, there is nothing to reuse. */
void fewRows(const Problem& p) {
  for (int64_t depth = 0; depth < p.k; depth += kDepth) {
    const int64_t kc = minimum(kDepth, p.k - depth);
    float* packedA = workspace(WorkspaceSlot::packedA, p.m * kc);
    packA(p, 0, p.m, depth, kc, packedA);
    for (int64_t row = 0; row < p.m; row += kRows) {
      fewRowsPanel(p, packedA + row * kc, row, minimum(kRows, p.m - row), depth, kc, p.addAt(depth));
    }
  }
}

/** A product over nothing. */
void addendAlone(const Problem& p) {
  for (int64_t i = 0; i < p.m; ++i) {
    for (int64_t j = 0; j < p.n; ++j) *p.cAt(i, j) = p.add.at(i, j);
  }
}

Problem transposed(const Problem& p) {
  return {!p.transB, !p.transA, p.n, p.m, p.k, p.b.f32, p.ldb, {p.a}, p.lda, p.c, p.colStride, p.rowStride, p.alpha,
          {p.add.data, p.add.colStride, p.add.rowStride}};
}

/** Columns [begin, end) of the product. */
Problem columns(const Problem& p, int64_t begin, int64_t end) {
  Problem part = p;
  part.n = end - begin;
  part.b = p.bAt(0, begin);
  part.c = p.cAt(0, begin);
  part.add = p.add.from(0, begin);
  return part;
}

/** m <= kFew. Which path is taken depends on the whole shape only, so that cutting columns changes no bit. */
void few(const Problem& given) {
  Problem p = given;
  const bool dot = p.transB && p.k >= kDotDepth;
  if (!dot && (p.transB || p.b.bf16)) return blocked(p);
  if (dot && p.transA) {
    // Dot products need A's rows dense: A is small, so it is turned around once.
    float* rows = workspace(WorkspaceSlot::packedA, p.m * p.k);
    packAcross(p.a, p.lda, p.k, p.m, rows, p.k);
    p.a = rows;
    p.lda = p.k;
    p.transA = false;
  }
  // Dot products take four columns at a time, tiles of many rows two vectors, and a narrow output should still feed every
  // thread evenly.
  const int64_t step = dot ? 32 : 2 * kLanes;
  const auto part = [&](int64_t begin, int64_t end) {
    const Problem sub = columns(p, begin * step, minimum(p.n, end * step));
    if (!dot) {
      fewRows(sub);
    } else if (sub.b.bf16) {
      fewRowsDots(sub, sub.b.bf16);
    } else {
      fewRowsDots(sub, sub.b.f32);
    }
  };
  const int64_t steps = ceilDiv(p.n, step);
  const int64_t worth = maximum(1, ceilDiv(kParallelWork, maximum(1, p.m * p.k * step)));
  // One stretch of B for each thread: dot products fetch what is their own (decoding: 1 to 2 %), tiles pack A once. With
  // even shares that made LoRA's gradients of 384 columns 365 and 320 GFLOP/s instead of 260 and 225.
  parallelFor(steps, maximum(worth, ceilDiv(steps, threadCount())), part);
}

/** Few panels of rows but many columns: each thread packs and multiplies its own columns. */
void byColumns(const Problem& p) {
  const int64_t panels = ceilDiv(p.n, kCols);
  parallelFor(panels, 8, [&](int64_t begin, int64_t end) {
    blocked(columns(p, begin * kCols, minimum(p.n, end * kCols)));
  });
}

void solve(const Problem& p) {
  if (p.m == 0 || p.n == 0) return;
  if (p.k == 0) return addendAlone(p);
  if (p.n <= kFew && p.n < p.m && !p.b.bf16) return solve(transposed(p));
  if (p.m <= kFew) return few(p);
  if (p.m * p.n * p.k < kParallelWork * 2) return blocked(p, true);
  if (!insideParallel() && ceilDiv(p.m, kRows) < 4 * threadCount() && p.n > p.m) return byColumns(p);
  blocked(p);
}

Problem problemOf(const Gemm& g) {
  const Addend add = g.accumulate ? Addend{g.c, g.ldc, 1} : Addend{g.bias, 0, 1};
  return {g.transA, g.transB, g.m, g.n, g.k, g.a, g.lda, g.b, g.ldb, g.c, g.ldc, 1, g.alpha, add};
}

void run(const Gemm& g) { solve(problemOf(g)); }

void batched(const Gemm& g, int64_t batch, int64_t strideA, int64_t strideB, int64_t strideC) {
  Gemm first = g;
  // Items that share B and follow each other in memory are one taller product.
  if (batch > 1 && strideB == 0 && !g.transA && strideA == g.m * g.lda && strideC == g.m * g.ldc) {
    first.m = g.m * batch;
    return run(first);
  }
  const auto item = [&](int64_t index) {
    Gemm one = g;
    one.a = g.a + index * strideA;
    one.b = from(g.b, index * strideB);
    one.c = g.c + index * strideC;
    run(one);
  };
  if (batch < threadCount()) {
    for (int64_t index = 0; index < batch; ++index) item(index);
    return;
  }
  const int64_t work = maximum(1, g.m * g.n * g.k);
  parallelFor(batch, maximum(1, kParallelWork / work), [&](int64_t begin, int64_t end) {
    for (int64_t index = begin; index < end; ++index) item(index);
  });
}

}  // namespace

const GemmKernels gemm = {run, batched};

}  // namespace reasvqa::REASVQA_ISA_NS
