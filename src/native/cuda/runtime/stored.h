/**
 * Tensors stored as f32 or bf16: frozen weights, and activations that only products with such weights read. The products:
 * with a bf16 weight, activations in f32 are rounded to bf16 in scratch memory and the product is summed in f32.
 */
#pragma once

#include <string>

#include "cuda/runtime/args.h"
#include "cuda/runtime/blas.h"

namespace reasvqa::cuda {

/** An operand on the device. */
struct Stored {
  const void* data;
  Type type;
};

/** A result on the device. */
struct StoredResult {
  void* data;
  Type type;
};

/** An operand or result of a call, of either storage. */
Stored storedIn(const Operand& operand, int64_t elements);
StoredResult storedOut(const Operand& operand, int64_t elements);

/** Name of the variant of a kernel for what is stored so. */
std::string variant(const char* kernel, Type type);

/**
 * g.c (f32) = op(a) op(weight) with dense operands: m, n, k, transA, transB, alpha, accumulate, bias and c are the
 * caller's, the rest is filled in here. CudaError when a is stored in bf16 and the weight is not.
 */
void storedProduct(Gemm g, const Stored& a, const Stored& weight);

}  // namespace reasvqa::cuda
