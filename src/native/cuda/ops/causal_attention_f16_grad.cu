/** The backward pass over a prompt and segments on the tensor cores, of operands in f16: attention_backward_f16.cuh. */
#include "cuda/ops/attention_backward_f16.cuh"

ATTENTION_BACKWARD(causal, 4, CausalAttention, 4, Half)
ATTENTION_BACKWARD(causal, 6, CausalAttention, 6, Half)
ATTENTION_BACKWARD(causal, 8, CausalAttention, 8, Half)
