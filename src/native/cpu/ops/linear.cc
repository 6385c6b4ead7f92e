/**
 * Linear layer with bias, low-rank update and what is added to its result in one call: y = x W^T + bias + scale (dropout(x)
 * A^T) B^T + addend; weights in PyTorch's layout, W (out, in) as f32 or bf16, A (r, in), B (out, r).
 *
 * Why fused: as separate operations dropout(x) and its mask are two tensors as large as x, and the two thin products
 * and the sums pass over y three times more. Here blocks of kRows rows of dropout(x) live in scratch memory, y starts as
 * bias + update, and the large product adds to it; without an update it adds the bias as it writes y.
 *
 * fusedLinear(x, weight, bias, A, B, y, rows, in, out, r, scale, ...dropout, addend)
 * fusedLinearGradInput(dy, weight, A, B, dx, rows, in, out, r, scale, ...dropout, addend): addend may be dx
 * fusedLinearGradLora(dy, x, A, B, dA, dB, rows, in, out, r, scale, ...dropout)
 * bias, A, B and addend may be -1 (r = 0 without A and B).
 */
#include <optional>

#include "cpu/ops/args.h"
#include "cpu/ops/dropout.h"
#include "cpu/ops/gemm.h"
#include "cpu/runtime/parallel.h"
#include "cpu/runtime/storage.h"
#include "cpu/runtime/workspace.h"

namespace reasvqa {
namespace {

constexpr int64_t kRows = 64;  // of a block; fixed, so results do not depend on the thread count

struct Sizes {
  int64_t rows, in, out, r;
  float scale;
  Dropout dropout;
};

Sizes sizesArgs(const Args& args) {
  return {args.size(6), args.size(7), args.size(8), args.size(9), args.f32(10), dropoutArgs(args, 11)};
}

/** C (m, n) = alpha A op(B) (+ C or the bias), dense. */
void product(int64_t m, int64_t n, int64_t k, const float* a, const Weight& b, bool transB, float* c, float alpha,
             bool accumulate, const float* bias = nullptr) {
  Gemm g;
  g.transB = transB;
  g.m = m;
  g.n = n;
  g.k = k;
  g.a = a;
  g.lda = k;
  g.b = b;
  g.ldb = transB ? k : n;
  g.c = c;
  g.ldc = n;
  g.alpha = alpha;
  g.accumulate = accumulate;
  g.bias = bias;
  gemm(g);
}

/** C (m, n) = alpha A^T B, A stored (k, m). */
void productTransA(int64_t m, int64_t n, int64_t k, const float* a, const float* b, float* c, float alpha) {
  Gemm g;
  g.transA = true;
  g.m = m;
  g.n = n;
  g.k = k;
  g.a = a;
  g.lda = m;
  g.b = {b};
  g.ldb = n;
  g.c = c;
  g.ldc = n;
  g.alpha = alpha;
  gemm(g);
}

/** Scratch of the calling thread: `first` floats, then `second`. */
struct BlockScratch {
  float* first;
  float* second;
};
BlockScratch blockScratch(int64_t first, int64_t second) {
  float* memory = workspace(WorkspaceSlot::fused, first + second);
  return {memory, memory + first};
}

/** dropout(x) of a block of rows: x itself without dropout, else computed into `room`. */
const float* droppedRows(const Sizes& s, const float* x, int64_t begin, int64_t rows, float* room) {
  const float* from = x + begin * s.in;
  if (!s.dropout.on) return from;
  dropoutKernels().rows(from, nullptr, room, begin, rows, s.in, s.dropout);
  return room;
}

/** y (rows, columns) += addend, which the product would have to read as well. */
void add(int64_t rows, int64_t columns, const float* addend, float* y) {
  parallelChunks(rows, kRows, [&](int64_t begin, int64_t end) {
    float* to = y + begin * columns;
    dropoutKernels().rows(to, addend + begin * columns, to, begin, end - begin, columns, Dropout{});
  });
}

void linear(Args& args) {
  const Sizes s = sizesArgs(args);
  const float* x = args.in<float>(0, s.rows * s.in);
  const Weight weight = weightArg(args, 1, s.out * s.in);
  const float* bias = args.inOrNull<float>(2, s.out);
  const float* A = args.inOrNull<float>(3, s.r * s.in);
  const float* B = args.inOrNull<float>(4, s.out * s.r);
  float* y = args.out<float>(5, s.rows * s.out);
  const float* addend = args.inOrNull<float>(16, s.rows * s.out);
  const bool lora = A != nullptr;
  check(lora == (B != nullptr) && lora == (s.r > 0), "linear: A, B and r disagree");
  if (lora) {
    parallelChunks(s.rows, kRows, [&](int64_t begin, int64_t end) {
      const int64_t rows = end - begin;
      const BlockScratch scratch = blockScratch(s.dropout.on ? rows * s.in : 0, rows * s.r);
      const float* dropped = droppedRows(s, x, begin, rows, scratch.first);
      product(rows, s.r, s.in, dropped, {A}, true, scratch.second, 1.0f, false);
      product(rows, s.out, s.r, scratch.second, {B}, true, y + begin * s.out, s.scale, false, bias);
    });
  }
  product(s.rows, s.out, s.in, x, weight, true, y, 1.0f, lora, lora ? nullptr : bias);
  if (addend != nullptr) add(s.rows, s.out, addend, y);
}

void linearGradInput(Args& args) {
  const Sizes s = {args.size(5), args.size(6), args.size(7), args.size(8), args.f32(9), dropoutArgs(args, 10)};
  const float* dy = args.in<float>(0, s.rows * s.out);
  const Weight weight = weightArg(args, 1, s.out * s.in);
  const float* A = args.inOrNull<float>(2, s.r * s.in);
  const float* B = args.inOrNull<float>(3, s.out * s.r);
  float* dx = args.out<float>(4, s.rows * s.in);
  const float* addend = args.inOrNull<float>(15, s.rows * s.in);
  product(s.rows, s.in, s.out, dy, weight, false, dx, 1.0f, addend == dx);
  if (addend != nullptr && addend != dx) add(s.rows, s.in, addend, dx);
  if (!A) return;
  check(B != nullptr && s.r > 0, "linear: A, B and r disagree");
  parallelChunks(s.rows, kRows, [&](int64_t begin, int64_t end) {
    const int64_t rows = end - begin;
    float* to = dx + begin * s.in;
    const BlockScratch scratch = blockScratch(rows * s.r, s.dropout.on ? rows * s.in : 0);
    product(rows, s.r, s.out, dy + begin * s.out, {B}, false, scratch.first, s.scale, false);
    if (!s.dropout.on) return product(rows, s.in, s.r, scratch.first, {A}, false, to, 1.0f, true);
    product(rows, s.in, s.r, scratch.first, {A}, false, scratch.second, 1.0f, false);
    dropoutKernels().rows(scratch.second, to, to, begin, rows, s.in, s.dropout);
  });
}

/** dA = (scale dy B)^T dropout(x); dB = scale dy^T (dropout(x) A^T). */
void linearGradLora(Args& args) {
  const Sizes s = sizesArgs(args);
  const float* dy = args.in<float>(0, s.rows * s.out);
  const float* x = args.in<float>(1, s.rows * s.in);
  const float* A = args.in<float>(2, s.r * s.in);
  const float* B = args.in<float>(3, s.out * s.r);
  float* dA = args.out<float>(4, s.r * s.in);
  float* dB = args.out<float>(5, s.out * s.r);
  check(A != nullptr && B != nullptr && s.r > 0, "linear: no A or B");
  const Scratch lowScratch(static_cast<size_t>(s.rows * s.r) * sizeof(float));
  const Scratch dlowScratch(static_cast<size_t>(s.rows * s.r) * sizeof(float));
  std::optional<Scratch> dropScratch;
  if (s.dropout.on) dropScratch.emplace(static_cast<size_t>(s.rows * s.in) * sizeof(float));
  float* low = lowScratch.as<float>();
  float* dlow = dlowScratch.as<float>();
  float* room = dropScratch ? dropScratch->as<float>() : nullptr;
  parallelChunks(s.rows, kRows, [&](int64_t begin, int64_t end) {
    const int64_t rows = end - begin;
    const float* dropped = droppedRows(s, x, begin, rows, room ? room + begin * s.in : nullptr);
    product(rows, s.r, s.in, dropped, {A}, true, low + begin * s.r, 1.0f, false);
    product(rows, s.r, s.out, dy + begin * s.out, {B}, false, dlow + begin * s.r, s.scale, false);
  });
  productTransA(s.r, s.in, s.rows, dlow, room ? room : x, dA, 1.0f);
  productTransA(s.out, s.r, s.rows, dy, low, dB, s.scale);
}

void registerFusedLinear(Napi::Env, Napi::Object exports) {
  bind<linear>(exports, "fusedLinear");
  bind<linearGradInput>(exports, "fusedLinearGradInput");
  bind<linearGradLora>(exports, "fusedLinearGradLora");
}
REASVQA_REGISTER(registerFusedLinear)

}  // namespace
}  // namespace reasvqa
