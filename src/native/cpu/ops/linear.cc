/**
 * Linear layers as linear.h says.
 *
 * Why fused: as separate operations dropout(x) and its mask are two tensors as large as x, and the two thin products
 * and the sums pass over y three times more. Here blocks of kRows rows of dropout(x) live in scratch memory, y starts as
 * bias + update, and the large product adds to it; without an update it adds the bias as it writes y.
 */
#include "cpu/ops/linear.h"

#include <optional>

#include "cpu/ops/dropout.h"
#include "cpu/ops/gemm.h"
#include "cpu/runtime/parallel.h"
#include "cpu/runtime/storage.h"
#include "cpu/runtime/workspace.h"

namespace reasvqa {
namespace {

constexpr int64_t kRows = 64;  // of a block; fixed, so results do not depend on the thread count

struct Sizes : LinearSizes {
  Dropout dropout;
};

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

void linear(const LinearCall& call) {
  const Sizes s = {linearSizes(call, call.x.rows()), dropoutOf(call.dropout)};
  const float* x = call.x.in<float>(s.rows * s.in);
  const Weight weight = weightOf(call.weight, s.out * s.in);
  const float* bias = call.bias.in<float>(s.out);
  const float* A = call.loraA.in<float>(s.r * s.in);
  const float* B = call.loraB.in<float>(s.out * s.r);
  float* y = call.y.out<float>(s.rows * s.out);
  const float* addend = call.addend.in<float>(s.rows * s.out);
  const bool lora = A != nullptr;
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

void linearGradInput(const LinearGradInputCall& call) {
  const Sizes s = {linearSizes(call, call.dy.rows()), dropoutOf(call.dropout)};
  const float* dy = call.dy.in<float>(s.rows * s.out);
  const Weight weight = weightOf(call.weight, s.out * s.in);
  const float* A = call.loraA.in<float>(s.r * s.in);
  const float* B = call.loraB.in<float>(s.out * s.r);
  float* dx = call.dx.out<float>(s.rows * s.in);
  const float* addend = call.addend.in<float>(s.rows * s.in);
  product(s.rows, s.in, s.out, dy, weight, false, dx, 1.0f, addend == dx);
  if (addend != nullptr && addend != dx) add(s.rows, s.in, addend, dx);
  if (!A) return;
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

void linearGradLora(const LinearGradLoraCall& call) {
  const Sizes s = {linearSizes(call), dropoutOf(call.dropout)};
  const float* dy = call.dy.in<float>(s.rows * s.out);
  const float* x = call.x.in<float>(s.rows * s.in);
  const float* A = call.loraA.in<float>(s.r * s.in);
  const float* B = call.loraB.in<float>(s.out * s.r);
  float* dA = call.dA.out<float>(s.r * s.in);
  float* dB = call.dB.out<float>(s.out * s.r);
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

void registerLinear(Napi::Env, Napi::Object exports) {
  bindCall<linear>(exports);
  bindCall<linearGradInput>(exports);
  bindCall<linearGradLora>(exports);
}
REASVQA_REGISTER(registerLinear)

}  // namespace
}  // namespace reasvqa
