import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataError } from '../../src/errors.js';
import { canonicalSource } from '../../src/weights/canonical.js';
import { loadBlip2Config, parseBlip2Config } from '../../src/weights/config.js';
import {
  compareCheckpoint,
  expectedTensors,
  formatComparison,
  requireComplete,
} from '../../src/weights/expected.js';
import { openCheckpoint } from '../../src/weights/sharded.js';
import { sharedPath } from '../support/shared.js';
import { elements, memorySource } from './fixtures.js';

/** What the hub's config.json of BLIP-2 FlanT5-XL states: everything else is a default of its class. */
const XL = {
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

function parameters(shapes: Iterable<readonly number[]>): number {
  let sum = 0;
  for (const shape of shapes) sum += elements(shape);
  return sum;
}

describe('Blip2Config', () => {
  it('fills in the class defaults', () => {
    const config = parseBlip2Config(XL);
    expect(config.num_query_tokens).toBe(32);
    expect(config.vision_config).toMatchObject({
      hidden_size: 1408,
      intermediate_size: 6144,
      num_hidden_layers: 39,
      num_attention_heads: 16,
      image_size: 224,
      patch_size: 14,
      layer_norm_eps: 1e-6,
      qkv_bias: true,
      hidden_act: 'gelu',
    });
    expect(config.qformer_config).toMatchObject({
      hidden_size: 768,
      num_hidden_layers: 12,
      layer_norm_eps: 1e-12,
      cross_attention_frequency: 2,
      hidden_dropout_prob: 0.1,
      attention_probs_dropout_prob: 0.1,
    });
    expect(config.text_config).toMatchObject({
      d_kv: 64,
      vocab_size: 32128,
      dropout_rate: 0.1,
      relative_attention_num_buckets: 32,
      dense_act_fn: 'gelu',
      is_gated_act: true,
      scale_decoder_outputs: false,
      decoder_start_token_id: 0,
    });
  });

  it('has the defaults of T5Config for an empty text_config', () => {
    expect(parseBlip2Config({ text_config: {} }).text_config).toMatchObject({
      d_model: 512,
      d_kv: 64,
      d_ff: 2048,
      num_layers: 6,
      num_decoder_layers: 6,
      num_heads: 8,
      relative_attention_max_distance: 128,
      layer_norm_epsilon: 1e-6,
      feed_forward_proj: 'relu',
      dense_act_fn: 'relu',
      is_gated_act: false,
      tie_word_embeddings: true,
      scale_decoder_outputs: true,
    });
  });

  it.each([
    ['gated-gelu', undefined, 'gelu_new', true],
    ['gated-gelu', 'gelu', 'gelu', true],
    ['gated-silu', undefined, 'silu', true],
    ['relu', undefined, 'relu', false],
    ['gelu', null, 'gelu', false],
  ])('derives the activation of %s with dense_act_fn %s', (projection, stated, name, gated) => {
    const config = parseBlip2Config({ text_config: { feed_forward_proj: projection, dense_act_fn: stated } });
    expect(config.text_config).toMatchObject({ dense_act_fn: name, is_gated_act: gated });
  });

  it.each([
    [{}, /text_config: /],
    [{ text_config: { model_type: 'opt' } }, /text_config\.model_type: must be t5/],
    [{ text_config: { d_model: '2048' } }, /text_config\.d_model: .*number/],
    [{ text_config: { num_heads: 0 } }, /text_config\.num_heads: /],
    [{ ...XL, vision_config: { hidden_size: 1409 } }, /vision_config\.hidden_size: must be a multiple/],
    [{ ...XL, vision_config: { image_size: 7 } }, /vision_config\.image_size: is smaller than patch_size/],
    [{ ...XL, vision_config: { hidden_size: 64 } }, /qformer_config\.encoder_hidden_size: must equal/],
    [{ text_config: { feed_forward_proj: 'gated gelu' } }, /feed_forward_proj: must be an activation/],
    [[], /the file: /],
  ])('refuses %j', (json, message) => {
    expect(() => parseBlip2Config(json, 'x/config.json')).toThrow(DataError);
    expect(() => parseBlip2Config(json, 'x/config.json')).toThrow(/^x\/config\.json: /);
    expect(() => parseBlip2Config(json, 'x/config.json')).toThrow(message);
  });

  describe('from a file', () => {
    let folder: string;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'reasvqa-config-'));
    });
    afterAll(() => rm(folder, { recursive: true }));

    it('reads the file or its folder, and names it when it is missing or broken', async () => {
      const path = join(folder, 'config.json');
      await expect(loadBlip2Config(folder)).rejects.toThrow(/config\.json: no such file/);
      await writeFile(path, '{"text_config":');
      await expect(loadBlip2Config(path)).rejects.toThrow(/config\.json: not JSON/);
      await writeFile(path, JSON.stringify(XL));
      expect(await loadBlip2Config(folder)).toEqual(parseBlip2Config(XL));
    });
  });
});

describe('expectedTensors', () => {
  const expected = expectedTensors(parseBlip2Config(XL));

  it('lists the 1291 keys of BLIP-2 FlanT5-XL without its two embedding copies', () => {
    // reference-models.md 2.1 counts both copies of the shared embedding.
    expect(expected.size).toBe(1291 - 2);
  });

  it('has the parameter counts of reference-models.md 1.5', () => {
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

describe('compareCheckpoint', () => {
  const expected = new Map([
    ['a', [2, 3]],
    ['b', [4]],
  ]);

  it('names missing, unexpected and mis-shaped tensors', () => {
    const comparison = compareCheckpoint(expected, memorySource({ a: { shape: [3, 2] }, c: { shape: [1] } }));
    expect(comparison).toEqual({
      missing: ['b'],
      unexpected: ['c'],
      misshaped: [{ name: 'a', expected: [2, 3], found: [3, 2] }],
    });
    expect(formatComparison(comparison)).toEqual([
      'missing     b',
      'wrong shape a: [3, 2], expected [2, 3]',
      'unexpected  c',
    ]);
  });

  it('refuses what cannot be loaded, and passes what is only unexpected', () => {
    const check = (tensors: Record<string, { shape: number[] }>) => () =>
      requireComplete(compareCheckpoint(expected, memorySource(tensors)), 'x.safetensors');
    expect(check({ a: { shape: [2, 3] }, b: { shape: [4] }, z: { shape: [] } })).not.toThrow();
    expect(check({ a: { shape: [6] }, b: { shape: [4] } })).toThrow(
      /x\.safetensors: tensor a has shape \[6\], expected \[2, 3\]/,
    );
    expect(check({})).toThrow(DataError);
    expect(check({})).toThrow(/missing tensors a, b;/);
    const many = new Map(Array.from({ length: 9 }, (_, i) => [`t${i}`, [1]]));
    expect(() => requireComplete(compareCheckpoint(many, memorySource({})), 'x')).toThrow(
      /t0, t1, t2 and 6 more/,
    );
  });

  it('does not mind the head of a tied model, present or absent', () => {
    const config = parseBlip2Config({ text_config: { vocab_size: 8, d_model: 4 } });
    const tied = expectedTensors(config);
    const tensors = Object.fromEntries([...tied].map(([name, shape]) => [name, { shape }]));
    const clean = { missing: [], unexpected: [], misshaped: [] };
    expect(compareCheckpoint(tied, memorySource(tensors))).toEqual(clean);
    const head = { 'language_model.lm_head.weight': { shape: [8, 4] } };
    expect(compareCheckpoint(tied, memorySource({ ...tensors, ...head }))).toEqual(clean);
  });
});

const tiny = sharedPath('reference/tiny-a/config.json');
describe.skipIf(!tiny)(`the reference checkpoint${tiny ? '' : ' (skipped: ../shared is absent)'}`, () => {
  it('has exactly the tensors its config.json asks for', async () => {
    const config = await loadBlip2Config(dirname(tiny!));
    const source = canonicalSource(await openCheckpoint(dirname(tiny!).concat('/model.safetensors')));
    const comparison = compareCheckpoint(expectedTensors(config), source);
    await source.close();
    expect(comparison).toEqual({ missing: [], unexpected: [], misshaped: [] });
    expect(source.report).toEqual({ ignored: [], unknown: [], renamed: new Map() });
  });
});
