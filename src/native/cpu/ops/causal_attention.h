/**
 * Attention of a prompt and the segments after it, forward and backward, with fewer key heads than query heads
 * (src/ops/causalAttention.ts). As attention.h: blocks of query rows with all their scores in L2, nothing transposed. A
 * block's visible keys are at most two ranges, prompt and segment, which its scores hold side by side, so that what a row
 * must not see is the end of its scores, and what no row of the block sees is never computed.
 */
#pragma once

#include "cpu/runtime/dispatch.h"

namespace reasvqa {

/** A call of causal_attention_call.h. */
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
