/**
 * Floating-point operations of one training step, counted from the sizes: matrix products only, a multiply-add as 2,
 * and only what the mathematics needs. Gradients of frozen weights and of inputs that nothing trainable leads to do
 * not count, nor does work that an implementation repeats (probabilities or activations computed again).
 */

import { isDecoderOnly } from './workload.mjs';

/**
 * @typedef {import('../../src/weights/config.js').Blip2Config} Blip2Config
 * @typedef {import('../../src/model/llava/config.js').LlavaConfig} LlavaConfig
 * @typedef {import('./workload.mjs').Workload} Workload
 * @typedef {{ vision: number, forward: number, backward: number, total: number }} StepFlops
 * @typedef {{ rows: number, grad: boolean, weight?: boolean, lora?: number }} LinearUse `grad`: the input has a
 *   gradient; `weight`: the weight is trained; `lora`: rank of an adapter on it
 */

class Counter {
  forward = 0;
  backward = 0;

  /** A linear layer. @param {LinearUse} use @returns {boolean} whether its output has a gradient */
  linear({ rows, grad, weight = false, lora = 0 }, inputs, outputs) {
    const product = 2 * rows * inputs * outputs;
    this.forward += product;
    if (weight) this.backward += product;
    if (grad) this.backward += product;
    if (lora > 0) {
      this.forward += 2 * rows * lora * (inputs + outputs);
      // B, what comes out of A, A, and the input.
      this.backward += 2 * rows * lora * (2 * outputs + inputs + (grad ? inputs : 0));
    }
    return grad || weight || lora > 0;
  }

  /** Products of an attention whose heads have `width` in all. @param {{ q: boolean, k: boolean, v: boolean }} grads */
  attention(batch, queries, keys, width, grads) {
    return this.attended(batch * queries * keys, width, grads);
  }

  /** {@link attention} over so many pairs of a query and a key that it sees. */
  attended(pairs, width, grads) {
    const product = 2 * pairs * width;
    this.forward += 2 * product;
    const { q, k, v } = grads;
    this.backward += product * (Number(v) + Number(q || k) + Number(q) + Number(k));
    return q || k || v;
  }
}

/**
 * @param {Workload} workload
 * @param {'live' | 'cached'} features live: the frozen vision model runs in the step
 * @returns {StepFlops}
 */
export function stepFlops(workload, features) {
  const { config, batch, lora } = workload;
  const images = batch.videos * batch.frames;
  const step = new Counter();
  const classToken = isDecoderOnly(workload) ? 0 : 1;
  const vision = features === 'live' ? visionFlops(config.vision_config, images, classToken) : 0;
  if (isDecoderOnly(workload)) {
    const tokens = projectorFlops(step, config, images);
    qwen2Flops(step, config, batch, lora, batch.frames * tokens + 1);
  } else {
    qformerFlops(step, config, images);
    t5Flops(step, config, batch, lora);
  }
  const { forward, backward } = step;
  return { vision, forward, backward, total: vision + forward + backward };
}

/** The frozen vision model: forward alone. */
function visionFlops(vision, images, classToken) {
  const { hidden_size: width, intermediate_size: inner, patch_size: patch } = vision;
  const patches = Math.floor(vision.image_size / patch) ** 2;
  const tokens = patches + classToken;
  const rows = images * tokens;
  const count = new Counter();
  count.linear({ rows: images * patches, grad: false }, 3 * patch * patch, width);
  for (let i = 0; i < vision.num_hidden_layers; i++) {
    count.linear({ rows, grad: false }, width, 3 * width);
    count.attention(images, tokens, tokens, width, { q: false, k: false, v: false });
    count.linear({ rows, grad: false }, width, width);
    count.linear({ rows, grad: false }, width, inner);
    count.linear({ rows, grad: false }, inner, width);
  }
  return count.forward;
}

/** Q-Former and projection, all trained; query tokens and post_layernorm are too, so that every input has a gradient. */
function qformerFlops(count, { vision_config: vision, qformer_config: qformer, ...config }, images) {
  const { hidden_size: width, intermediate_size: inner } = qformer;
  const queries = config.num_query_tokens;
  const tokens = Math.floor(vision.image_size / vision.patch_size) ** 2 + 1;
  const all = { q: true, k: true, v: true };
  const use = (rows) => ({ rows, grad: true, weight: true });
  const attention = (keys, memory) => {
    count.linear(use(images * queries), width, width);
    count.linear(use(images * keys), memory, width);
    count.linear(use(images * keys), memory, width);
    count.attention(images, queries, keys, width, all);
    count.linear(use(images * queries), width, width);
  };
  for (let i = 0; i < qformer.num_hidden_layers; i++) {
    attention(queries, width);
    if (i % qformer.cross_attention_frequency === 0) attention(tokens, qformer.encoder_hidden_size);
    count.linear(use(images * queries), width, inner);
    count.linear(use(images * queries), inner, width);
  }
  count.linear(use(images * queries), width, config.text_config.d_model);
}

/** FlanT5 with frozen weights and adapters: the encoder once, both targets packed in one decoder pass. */
function t5Flops(count, { text_config: text, num_query_tokens: queries }, batch, lora) {
  const { d_model: width, d_ff: inner, num_heads: heads, d_kv: size } = text;
  const { videos, frames, prefix, prompt } = batch;
  const encoded = frames * (prefix + queries) + prompt;
  const packed = batch.answer + batch.reasoning;
  const linear = (name, rows, grad, from, to) =>
    count.linear({ rows, grad, lora: lora.target_modules.includes(name) ? lora.r : 0 }, from, to);
  /** @returns whether the output has a gradient */
  const attention = (length, grad, memory, memoryGrad) => {
    const q = linear('q', videos * length, grad, width, heads * size);
    const k = linear('k', videos * memory, memoryGrad, width, heads * size);
    const v = linear('v', videos * memory, memoryGrad, width, heads * size);
    const mixed = count.attention(videos, length, memory, heads * size, { q, k, v });
    return linear('o', videos * length, mixed, heads * size, width) || grad;
  };
  const feedForward = (length, grad) => {
    const rows = videos * length;
    const names = text.is_gated_act ? ['wi_0', 'wi_1'] : ['wi'];
    const hidden = names.map((name) => linear(name, rows, grad, width, inner)).some(Boolean);
    return linear('wo', rows, hidden, inner, width) || grad;
  };
  for (let i = 0; i < text.num_layers; i++) {
    attention(encoded, true, encoded, true);
    feedForward(encoded, true);
  }
  // The decoder reads embeddings that are frozen: no gradient enters until the first adapter.
  let grad = false;
  for (let i = 0; i < text.num_decoder_layers; i++) {
    grad = attention(packed, grad, packed, grad);
    grad = attention(packed, grad, encoded, true);
    grad = feedForward(packed, grad);
  }
  count.linear({ rows: videos * packed, grad }, width, text.vocab_size);
}

/**
 * LLaVA-OneVision's projector, trained, on frozen features. Pooling takes four products a value, which is nothing.
 *
 * @param {LlavaConfig} config
 * @returns tokens of a frame after pooling
 */
function projectorFlops(count, { vision_config: vision, text_config: { hidden_size: width } }, images) {
  const side = Math.floor(vision.image_size / vision.patch_size);
  const pooled = Math.ceil(side / 2) ** 2;
  count.linear({ rows: images * side ** 2, grad: false, weight: true }, vision.hidden_size, width);
  count.linear({ rows: images * pooled, grad: true, weight: true }, width, width);
  return pooled;
}

/** Qwen2 with frozen weights and adapters: prompt and both targets in one sequence, the head on the targets alone. */
function qwen2Flops(count, { text_config: text }, batch, lora, visual) {
  const { hidden_size: width, intermediate_size: inner, num_attention_heads: heads, head_dim: size } = text;
  const { videos, prompt, answer, reasoning } = batch;
  const prefix = visual + prompt;
  // A target's last token is written and never read.
  const segments = [answer, reasoning].map((length) => Math.max(0, length - 1));
  const columns = prefix + segments.reduce((sum, length) => sum + length, 0);
  const among = (length) => (length * (length + 1)) / 2;
  const pairs = segments.reduce((sum, length) => sum + length * prefix + among(length), among(prefix));
  const linear = (name, from, to) => {
    const r = lora.target_modules.includes(name) ? lora.r : 0;
    count.linear({ rows: videos * columns, grad: true, lora: r }, from, to);
  };
  const keys = text.num_key_value_heads * size;
  for (let i = 0; i < text.num_hidden_layers; i++) {
    linear('q_proj', width, heads * size);
    linear('k_proj', width, keys);
    linear('v_proj', width, keys);
    count.attended(videos * pairs, heads * size, { q: true, k: true, v: true });
    linear('o_proj', heads * size, width);
    linear('gate_proj', width, inner);
    linear('up_proj', width, inner);
    linear('down_proj', inner, width);
  }
  count.linear({ rows: videos * (answer + reasoning), grad: true }, width, text.vocab_size);
}
