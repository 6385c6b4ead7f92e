/** Attention's forward pass in f32: attention_forward_f32.cuh. */
#include "cuda/ops/attention_forward_f32.cuh"

ATTENTION_FORWARD(attention, Attention, 2)
ATTENTION_FORWARD(attention, Attention, 3)
ATTENTION_FORWARD(attention, Attention, 4)
