/** Attention's forward pass on the tensor cores: attention_forward_f16.cuh. Kept: of operands that were kept in f16. */
#include "cuda/ops/attention_forward_f16.cuh"

#define ATTENTION_FORWARDS(J)                                                             \
  ATTENTION_FORWARD(attentionForward##J, Attention, J, const float, float)                \
  ATTENTION_FORWARD(attentionForward##J##Bf16, Attention, J, const float, unsigned short) \
  ATTENTION_FORWARD(attentionForwardKept##J, Attention, J, Half, float)
ATTENTION_FORWARDS(4)
ATTENTION_FORWARDS(6)
ATTENTION_FORWARDS(8)
