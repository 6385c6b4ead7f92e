/** The forward pass over a prompt and segments in f32: attention_forward_f32.cuh. */
#include "cuda/ops/attention_forward_f32.cuh"

ATTENTION_FORWARD(causal, CausalAttention, 2)
ATTENTION_FORWARD(causal, CausalAttention, 3)
ATTENTION_FORWARD(causal, CausalAttention, 4)
