/** The written-down layout of BLIP-2 FlanT5-XL. */
import { describe, expect, it } from 'vitest';
import { parseBlip2Config } from '../../src/weights/config.js';
import { elements } from './fixtures.js';
import { expectedTensors, XL } from './layout.js';

function parameters(shapes: Iterable<readonly number[]>): number {
  let sum = 0;
  for (const shape of shapes) sum += elements(shape);
  return sum;
}

describe('expectedTensors', () => {
  const expected = expectedTensors(parseBlip2Config(XL));

  it('lists the 1291 keys of BLIP-2 FlanT5-XL without its two embedding copies', () => {
    // The published list counts both copies of the shared embedding.
    expect(expected.size).toBe(1291 - 2);
  });

  it('has the published parameter counts', () => {
    const count = (prefix: string) =>
      parameters([...expected].filter(([name]) => name.startsWith(prefix)).map(([, shape]) => shape));
    expect(count('vision_model.')).toBe(985_952_256);
    expect(count('vision_model.post_layernorm')).toBe(2_816);
    expect(count('qformer.')).toBe(105_137_664);
    expect(count('query_tokens')).toBe(24_576);
    expect(count('language_projection.')).toBe(1_574_912);
    expect(count('language_model.')).toBe(2_849_757_184);
  });

  it.each([
    ['vision_model.embeddings.position_embedding', [1, 257, 1408]],
    ['vision_model.encoder.layers.38.self_attn.qkv.bias', [4224]],
    ['qformer.encoder.layer.10.crossattention.attention.value.weight', [768, 1408]],
    ['language_model.decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight', [32, 32]],
    ['language_model.decoder.block.23.layer.2.DenseReluDense.wi_1.weight', [5120, 2048]],
    ['language_model.lm_head.weight', [32128, 2048]],
  ])('gives %s the shape %j', (name, shape) => {
    expect(expected.get(name)).toEqual(shape);
  });

  it('has no cross-attention in odd layers and no second bias table', () => {
    expect([...expected.keys()].filter((name) => /layer\.\d*[13579]\.crossattention/.test(name))).toEqual([]);
    expect([...expected.keys()].filter((name) => name.includes('relative_attention_bias'))).toHaveLength(2);
  });

  it('has wi for a plain feed-forward, no head when tied, and no qkv bias when there is none', () => {
    const plain = expectedTensors(parseBlip2Config({ text_config: {}, vision_config: { qkv_bias: false } }));
    expect(plain.get('language_model.encoder.block.0.layer.1.DenseReluDense.wi.weight')).toEqual([2048, 512]);
    expect([...plain.keys()].some((name) => /wi_[01]|lm_head|qkv\.bias/.test(name))).toBe(false);
  });

  it('keeps d_kv * heads apart from d_model', () => {
    const odd = expectedTensors(parseBlip2Config({ text_config: { d_model: 100, d_kv: 7, num_heads: 3 } }));
    expect(odd.get('language_model.encoder.block.0.layer.0.SelfAttention.q.weight')).toEqual([21, 100]);
    expect(odd.get('language_model.encoder.block.0.layer.0.SelfAttention.o.weight')).toEqual([100, 21]);
  });
});
