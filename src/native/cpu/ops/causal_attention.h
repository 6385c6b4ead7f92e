/**
 * Attention of a prompt and the segments after it, forward and backward, with fewer key heads than query heads
 * (src/ops/causalAttention.ts). As attention.h: blocks of query rows with all their scores in L2, nothing transposed. A
 * block's visible keys are at most two ranges, prompt and segment, which its scores hold side by side, so that what a row
 * must not see is the end of its scores, and what no row of the block sees is never computed.
 */
#pragma once

#include "call.h"
#include "cpu/runtime/dispatch.h"

namespace reasvqa {

/**
 * q and out (B, L, heads D), k and v (B, L, keyHeads D). starts int32 (B): first column of a row that is no padding. begins
 * int32 (L): first column of a column's own segment; the next column for those of the prompt.
 */
struct CausalAttentionCall {
  Operand q, k, v, starts, begins, out;
  int64_t heads = 0, keyHeads = 0;
  float scale = 0;
  REASVQA_CALL("causalAttention", q, k, v, starts, begins, out, heads, keyHeads, scale)
};
struct CausalAttentionGradCall {
  Operand dy, q, k, v, starts, begins, dq, dk, dv;
  int64_t heads = 0, keyHeads = 0;
  float scale = 0;
  REASVQA_CALL("causalAttentionGrad", dy, q, k, v, starts, begins, dq, dk, dv, heads, keyHeads, scale)
};

/** One query of decoding: q and out (1, 1, heads D), k and v (1, at least keys, keyHeads D), bias (heads, 1, keys). */
struct GroupedQueryCall {
  Operand q, k, v;
  OptionalOperand bias;
  Operand out;
  int64_t heads = 0, keyHeads = 0, keys = 0;
  float scale = 0;
  REASVQA_CALL("groupedQuery", q, k, v, bias, out, heads, keyHeads, keys, scale)
};

struct CausalAttention {
  int64_t batch = 0;
  int64_t length = 0;
  int64_t prefix = 0;  // columns of the prompt
  int64_t heads = 0;
  int64_t keyHeads = 0;
  int64_t D = 0;
  float scale = 1.0f;
  const int32_t* starts = nullptr;
  const int32_t* begins = nullptr;
  const float* q = nullptr;
  const float* k = nullptr;
  const float* v = nullptr;
};

struct CausalAttentionKernels {
  void (*forward)(const CausalAttention& attention, float* out);
  void (*backward)(const CausalAttention& attention, const float* dy, float* dq, float* dk, float* dv);
};

REASVQA_KERNELS(CausalAttentionKernels, causalAttention)

}  // namespace reasvqa
