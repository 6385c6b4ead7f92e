/** Products of f32 on the tensor cores: see half_product.cc. */
#pragma once

#include "cuda/runtime/blas.h"

namespace reasvqa::cuda {

/** Whether a product of f32 is computed as one of f16. */
bool isHalf(const Gemm& gemm);
void halfProduct(Gemm gemm);

}  // namespace reasvqa::cuda
