/**
 * Weights stored as f32 or bf16, and products of f32 activations with them: with a bf16 weight the activations are rounded
 * to bf16 in scratch memory and the product is summed in f32.
 */
#pragma once

#include "cuda/args.h"
#include "cuda/blas.h"

namespace reasvqa::cuda {

/** A weight on the device. */
struct Stored {
  const void* data;
  Type type;
};

/** A buffer argument of either storage. */
Stored storedArg(const CudaArgs& args, size_t index, int64_t elements);

/**
 * g.c (f32) = op(a) op(weight) with dense operands: m, n, k, transA, transB, alpha, accumulate and c are the caller's, the
 * rest is filled in here.
 */
void storedProduct(Gemm g, const float* a, const Stored& weight);

}  // namespace reasvqa::cuda
