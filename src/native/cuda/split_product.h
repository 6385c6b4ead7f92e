/** Products of f32 on the tensor cores: see split_product.cc. */
#pragma once

#include "cuda/blas.h"

namespace reasvqa::cuda {

/** Whether a product of f32 is computed as one of bf16, three times as deep. */
bool isSplit(const Gemm& gemm);
void splitProduct(Gemm gemm);

}  // namespace reasvqa::cuda
