#include "cuda/runtime/stored.h"

#include "cuda/runtime/driver.h"
#include "cuda/ops/dropout_args.h"
#include "cuda/runtime/scratch.h"

namespace reasvqa::cuda {

Stored storedArg(const CudaArgs& args, size_t index, int64_t elements) {
  const Type type = args.storage(index);
  if (type == Type::f32) return {args.in<float>(index, elements), type};
  return {args.in<uint16_t>(index, elements), type};
}

StoredResult storedResult(const CudaArgs& args, size_t index, int64_t elements) {
  const Type type = args.storage(index);
  if (type == Type::f32) return {args.out<float>(index, elements), type};
  return {args.out<uint16_t>(index, elements), type};
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
