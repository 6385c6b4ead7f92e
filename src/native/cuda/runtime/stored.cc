#include "cuda/runtime/stored.h"

#include "cuda/runtime/driver.h"
#include "cuda/runtime/launch.h"
#include "cuda/runtime/scratch.h"

namespace reasvqa::cuda {

Stored storedIn(const Operand& operand, int64_t elements) {
  const Type type = storageOf(operand.id);
  if (type == Type::f32) return {operand.in<float>(elements), type};
  return {operand.in<uint16_t>(elements), type};
}

StoredResult storedOut(const Operand& operand, int64_t elements) {
  const Type type = storageOf(operand.id);
  if (type == Type::f32) return {operand.out<float>(elements), type};
  return {operand.out<uint16_t>(elements), type};
}

std::string variant(const char* kernel, Type type) { return std::string(kernel) + (type == Type::bf16 ? "Bf16" : ""); }

void storedProduct(Gemm g, const Stored& a, const Stored& weight) {
  g.lda = g.transA ? g.m : g.k;
  g.ldb = g.transB ? g.k : g.n;
  g.ldc = g.n;
  g.b = weight.data;
  g.typeB = weight.type;
  if (a.type == weight.type) {
    g.a = a.data;
    g.typeA = a.type;
    return gemm(g);
  }
  if (a.type == Type::bf16) throw CudaError("a product of an activation stored in bf16 with a weight in f32");
  const Scratch rounded(static_cast<size_t>(g.m * g.k) * sizeof(uint16_t));
  launch("storage", "f32ToBf16", gridFor(g.m * g.k), {256}, 0, a.data, rounded.as<uint16_t>(), g.m * g.k);
  g.a = rounded.as<uint16_t>();
  g.typeA = Type::bf16;
  gemm(g);
}

}  // namespace reasvqa::cuda
