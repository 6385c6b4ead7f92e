/** The forward pass over a prompt and segments on the tensor cores, of operands in f16: attention_forward_f16.cuh. */
#include "cuda/ops/attention_forward_f16.cuh"

#define CAUSAL_FORWARDS(J)                                                            \
  ATTENTION_FORWARD(causalForward##J, CausalAttention, J, Half, float)                \
  ATTENTION_FORWARD(causalForward##J##Bf16, CausalAttention, J, Half, unsigned short)
CAUSAL_FORWARDS(4)
CAUSAL_FORWARDS(6)
CAUSAL_FORWARDS(8)
