/** The tensors of a BLIP-2 T5 model, written down apart from the layers, which must name the same (test/model). */

import type { ExpectedTensors } from '../../src/weights/comparison.js';
import {
  type Blip2Config,
  type Blip2QFormerConfig,
  type Blip2VisionConfig,
  patchesPerSide,
  type T5Config,
} from '../../src/weights/config.js';

/** Every tensor of a BLIP-2 T5 model with this config, in the order of the forward pass. */
export function expectedTensors(config: Blip2Config): ExpectedTensors {
  const tensors: ExpectedTensors = new Map();
  const { vision_config: vision, qformer_config: qformer, text_config: text } = config;
  addVision(tensors, vision);
  tensors.set('query_tokens', [1, config.num_query_tokens, qformer.hidden_size]);
  addQFormer(tensors, qformer);
  addLinear(tensors, 'language_projection', text.d_model, qformer.hidden_size);
  addT5(tensors, text);
  return tensors;
}

function addVision(tensors: ExpectedTensors, config: Blip2VisionConfig): void {
  const { hidden_size: hidden, intermediate_size: inner, patch_size: patch } = config;
  const embeddings = 'vision_model.embeddings';
  tensors.set(`${embeddings}.class_embedding`, [1, 1, hidden]);
  tensors.set(`${embeddings}.position_embedding`, [1, patchesPerSide(config) ** 2 + 1, hidden]);
  tensors.set(`${embeddings}.patch_embedding.weight`, [hidden, 3, patch, patch]);
  tensors.set(`${embeddings}.patch_embedding.bias`, [hidden]);
  for (let i = 0; i < config.num_hidden_layers; i++) {
    const layer = `vision_model.encoder.layers.${i}`;
    addNorm(tensors, `${layer}.layer_norm1`, hidden);
    addLinear(tensors, `${layer}.self_attn.qkv`, hidden * 3, hidden, config.qkv_bias);
    addLinear(tensors, `${layer}.self_attn.projection`, hidden, hidden);
    addNorm(tensors, `${layer}.layer_norm2`, hidden);
    addLinear(tensors, `${layer}.mlp.fc1`, inner, hidden);
    addLinear(tensors, `${layer}.mlp.fc2`, hidden, inner);
  }
  addNorm(tensors, 'vision_model.post_layernorm', hidden);
}

function addQFormer(tensors: ExpectedTensors, config: Blip2QFormerConfig): void {
  const { hidden_size: hidden, intermediate_size: inner } = config;
  addNorm(tensors, 'qformer.layernorm', hidden);
  for (let i = 0; i < config.num_hidden_layers; i++) {
    const layer = `qformer.encoder.layer.${i}`;
    addBertAttention(tensors, `${layer}.attention`, hidden, hidden);
    if (i % config.cross_attention_frequency === 0) {
      addBertAttention(tensors, `${layer}.crossattention`, hidden, config.encoder_hidden_size);
    }
    addLinear(tensors, `${layer}.intermediate_query.dense`, inner, hidden);
    addLinear(tensors, `${layer}.output_query.dense`, hidden, inner);
    addNorm(tensors, `${layer}.output_query.LayerNorm`, hidden);
  }
}

function addBertAttention(tensors: ExpectedTensors, path: string, hidden: number, keySize: number): void {
  addLinear(tensors, `${path}.attention.query`, hidden, hidden);
  addLinear(tensors, `${path}.attention.key`, hidden, keySize);
  addLinear(tensors, `${path}.attention.value`, hidden, keySize);
  addLinear(tensors, `${path}.output.dense`, hidden, hidden);
  addNorm(tensors, `${path}.output.LayerNorm`, hidden);
}

function addT5(tensors: ExpectedTensors, config: T5Config): void {
  tensors.set('language_model.shared.weight', [config.vocab_size, config.d_model]);
  addT5Stack(tensors, config, 'encoder', config.num_layers);
  addT5Stack(tensors, config, 'decoder', config.num_decoder_layers);
  if (!config.tie_word_embeddings) {
    tensors.set('language_model.lm_head.weight', [config.vocab_size, config.d_model]);
  }
}

function addT5Stack(
  tensors: ExpectedTensors,
  config: T5Config,
  stack: 'encoder' | 'decoder',
  layers: number,
): void {
  const { d_model: model } = config;
  for (let i = 0; i < layers; i++) {
    const block = `language_model.${stack}.block.${i}`;
    addT5Attention(tensors, `${block}.layer.0.SelfAttention`, config);
    if (i === 0) {
      // One table a stack: the other blocks reuse block 0's bias.
      tensors.set(`${block}.layer.0.SelfAttention.relative_attention_bias.weight`, [
        config.relative_attention_num_buckets,
        config.num_heads,
      ]);
    }
    tensors.set(`${block}.layer.0.layer_norm.weight`, [model]);
    if (stack === 'decoder') {
      addT5Attention(tensors, `${block}.layer.1.EncDecAttention`, config);
      tensors.set(`${block}.layer.1.layer_norm.weight`, [model]);
    }
    const feedForward = `${block}.layer.${stack === 'decoder' ? 2 : 1}`;
    for (const name of config.is_gated_act ? ['wi_0', 'wi_1'] : ['wi']) {
      tensors.set(`${feedForward}.DenseReluDense.${name}.weight`, [config.d_ff, model]);
    }
    tensors.set(`${feedForward}.DenseReluDense.wo.weight`, [model, config.d_ff]);
    tensors.set(`${feedForward}.layer_norm.weight`, [model]);
  }
  tensors.set(`language_model.${stack}.final_layer_norm.weight`, [model]);
}

function addT5Attention(tensors: ExpectedTensors, path: string, config: T5Config): void {
  const inner = config.num_heads * config.d_kv;
  for (const name of ['q', 'k', 'v']) tensors.set(`${path}.${name}.weight`, [inner, config.d_model]);
  tensors.set(`${path}.o.weight`, [config.d_model, inner]);
}

function addLinear(tensors: ExpectedTensors, path: string, out: number, input: number, bias = true): void {
  tensors.set(`${path}.weight`, [out, input]);
  if (bias) tensors.set(`${path}.bias`, [out]);
}

function addNorm(tensors: ExpectedTensors, path: string, hidden: number): void {
  tensors.set(`${path}.weight`, [hidden]);
  tensors.set(`${path}.bias`, [hidden]);
}

/** What the hub's config.json of BLIP-2 FlanT5-XL states: everything else is a default of its class. */
export const XL = {
  text_config: {
    model_type: 't5',
    d_model: 2048,
    d_ff: 5120,
    num_layers: 24,
    num_decoder_layers: 24,
    num_heads: 32,
    feed_forward_proj: 'gated-gelu',
    dense_act_fn: 'gelu',
    tie_word_embeddings: false,
  },
};
