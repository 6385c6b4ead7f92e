/** Parsing BLIP-2's config.json. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataError } from '../../src/base/errors.js';
import { parseBlip2Config, readJson } from '../../src/weights/config.js';
import { XL } from './layout.js';

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
    [{ text_config: { d_model: '2048' } }, /text_config\.d_model: .*number/],
    [{ text_config: { num_heads: 0 } }, /text_config\.num_heads: /],
    [{ ...XL, vision_config: { hidden_size: 1409 } }, /vision_config\.hidden_size: must be a multiple/],
    [{ ...XL, vision_config: { image_size: 7 } }, /vision_config\.image_size: is smaller than patch_size/],
    [{ ...XL, vision_config: { hidden_size: 64 } }, /qformer_config\.encoder_hidden_size: must equal/],
    [{ text_config: { feed_forward_proj: 'gated gelu' } }, /feed_forward_proj: must be an activation/],
    [{ ...XL, vision_config: { hidden_act: 'quick_gelu' } }, /vision_config\.hidden_act: must be gelu/],
    [{ ...XL, qformer_config: { hidden_act: 'relu' } }, /qformer_config\.hidden_act: must be gelu/],
    [
      { text_config: { feed_forward_proj: 'gated-tanh' } },
      /text_config\.dense_act_fn: is tanh, must be one of/,
    ],
    [
      { text_config: { dense_act_fn: 'quick_gelu' } },
      /text_config\.dense_act_fn: is quick_gelu, must be one of/,
    ],
    [
      { text_config: { vocab_size: 10, pad_token_id: 10 } },
      /text_config\.pad_token_id: must be below vocab_size/,
    ],
    [
      { text_config: { decoder_start_token_id: 99999 } },
      /text_config\.decoder_start_token_id: must be below vocab_size/,
    ],
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

    it('reads the file, and names it when it is missing or broken', async () => {
      const path = join(folder, 'config.json');
      await expect(readJson(path)).rejects.toThrow(/config\.json: no such file/);
      await writeFile(path, '{"text_config":');
      await expect(readJson(path)).rejects.toThrow(/config\.json: not JSON/);
      await writeFile(path, JSON.stringify(XL));
      expect(parseBlip2Config(await readJson(path))).toEqual(parseBlip2Config(XL));
    });
  });
});
