/**
 * Matrix product C = alpha * op(A) op(B) [+ C, or + an addend] [+ a bias] through cuBLASLt, row-major, op(X) = X or its
 * transpose; shapes and leading dimensions as in cpu/ops/gemm.h. f32 x f32 is computed in f32 (TF32 off), or where asked for
 * as a product of f16 (half_product.h); bf16 x bf16 is summed in f32 and stored as either type. Other mixtures are an error:
 * convert first.
 *
 * `batch` products of one shape lie strideA, strideB, strideC elements apart; a stride of 0 shares the operand.
 * The algorithm of a shape is asked for once (cuBLASLt's heuristics) and remembered.
 */
#pragma once

#include <cstdint>

namespace reasvqa::cuda {

/** How elements are stored on the device; f16 in operands of products alone. */
enum class Type : int32_t { f32 = 0, bf16 = 1, f16 = 2 };

inline int64_t elementBytes(Type type) { return type == Type::f32 ? 4 : 2; }

struct Gemm {
  bool transA = false;
  bool transB = false;
  int64_t m = 0;
  int64_t n = 0;
  int64_t k = 0;
  const void* a = nullptr;
  Type typeA = Type::f32;
  int64_t lda = 0;
  const void* b = nullptr;
  Type typeB = Type::f32;
  int64_t ldb = 0;
  void* c = nullptr;
  Type typeC = Type::f32;
  int64_t ldc = 0;
  float alpha = 1.0f;
  bool accumulate = false;
  const float* factors = nullptr;  // when set: alpha, 0 and 1 on the device, in the place of alpha
  const float* addend = nullptr;  // (m, n), dense, added to an f32 C; not together with accumulate, batch 1
  const float* bias = nullptr;    // (n), added to every row of C; not together with accumulate, batch 1
  int64_t batch = 1;
  int64_t strideA = 0;
  int64_t strideB = 0;
  int64_t strideC = 0;
};

/**
 * Enqueues the product. m, n or batch of 0 does nothing; k of 0 stores what is added, or zeros (or leaves C when
 * accumulating). The bias is cuBLASLt's epilogue where it has one for the shape; elsewhere it is laid out first and added to.
 * To a C stored in bf16 the epilogue adds the bias rounded to bf16.
 */
void gemm(const Gemm& gemm);

}  // namespace reasvqa::cuda
