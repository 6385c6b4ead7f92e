/** The backward pass over a prompt and segments in f32: attention_backward_f32.cuh. */
#include "cuda/ops/attention_backward_f32.cuh"

ATTENTION_BACKWARD(causal, CausalAttention, 2)
ATTENTION_BACKWARD(causal, CausalAttention, 3)
ATTENTION_BACKWARD(causal, CausalAttention, 4)
