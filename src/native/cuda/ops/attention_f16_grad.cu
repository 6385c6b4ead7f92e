/** Attention's backward pass on the tensor cores: attention_backward_f16.cuh. Kept: of operands that were kept in f16. */
#include "cuda/ops/attention_backward_f16.cuh"

ATTENTION_BACKWARD(attention, 4, Attention, 4, const float)
ATTENTION_BACKWARD(attention, 6, Attention, 6, const float)
ATTENTION_BACKWARD(attention, 8, Attention, 8, const float)
ATTENTION_BACKWARD(attention, Kept4, Attention, 4, Half)
ATTENTION_BACKWARD(attention, Kept6, Attention, 6, Half)
ATTENTION_BACKWARD(attention, Kept8, Attention, 8, Half)
