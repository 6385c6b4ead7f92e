/** Names of every published layout. */
import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { canonicalSource } from '../../src/weights/canonical.js';
import { compareCheckpoint } from '../../src/weights/comparison.js';
import { parseBlip2Config } from '../../src/weights/config.js';
import { meaningOf } from '../../src/weights/names.js';
import { T5_TABLE } from '../../src/weights/ownTables.js';
import { elements, memorySource } from './fixtures.js';
import { expectedTensors } from './layout.js';

const config = parseBlip2Config({
  vision_config: {
    hidden_size: 8,
    intermediate_size: 12,
    num_hidden_layers: 3,
    num_attention_heads: 2,
    image_size: 28,
  },
  qformer_config: {
    hidden_size: 4,
    intermediate_size: 6,
    num_hidden_layers: 3,
    num_attention_heads: 2,
    encoder_hidden_size: 8,
  },
  text_config: {
    d_model: 6,
    d_kv: 2,
    d_ff: 10,
    num_layers: 2,
    num_heads: 2,
    vocab_size: 20,
    feed_forward_proj: 'gated-gelu',
    tie_word_embeddings: false,
  },
  num_query_tokens: 5,
});

type Tensors = Record<string, { shape: number[]; data: Float32Array }>;

/** A random canonical checkpoint. */
function checkpoint(seed: string): Tensors {
  const rng = new Rng(seed);
  const tensors: Tensors = {};
  for (const [name, shape] of expectedTensors(config)) {
    tensors[name] = { shape, data: Float32Array.from({ length: elements(shape) }, () => rng.normal()) };
  }
  return tensors;
}

/** The inverse of the table of published names, written apart from the code under test. */
function toLavis(name: string): string {
  return name
    .replace('vision_model.embeddings.class_embedding', 'visual_encoder.cls_token')
    .replace('vision_model.embeddings.position_embedding', 'visual_encoder.pos_embed')
    .replace('vision_model.embeddings.patch_embedding', 'visual_encoder.patch_embed.proj')
    .replace('vision_model.encoder.layers', 'visual_encoder.blocks')
    .replace('layer_norm1', 'norm1')
    .replace('layer_norm2', 'norm2')
    .replace('self_attn.qkv', 'attn.qkv')
    .replace('self_attn.projection', 'attn.proj')
    .replace('vision_model.post_layernorm', 'ln_vision')
    .replace('qformer.layernorm', 'Qformer.bert.embeddings.LayerNorm')
    .replace('qformer.encoder', 'Qformer.bert.encoder')
    .replace('attention.attention', 'attention.self')
    .replace('language_projection', 't5_proj')
    .replace('language_model', 't5_model');
}

/** Splits every qkv.bias into q_bias and v_bias, after zeroing its key part as EVA has it. */
function splitBiases(tensors: Tensors): Tensors {
  const split: Tensors = {};
  for (const [name, tensor] of Object.entries(tensors)) {
    if (!name.endsWith('qkv.bias')) {
      split[name] = tensor;
      continue;
    }
    const third = tensor.data.length / 3;
    tensor.data.fill(0, third, 2 * third);
    const prefix = name.slice(0, -'qkv.bias'.length);
    split[`${prefix}q_bias`] = { shape: [third], data: tensor.data.slice(0, third) };
    split[`${prefix}v_bias`] = { shape: [third], data: tensor.data.slice(2 * third) };
  }
  return split;
}

function renameAll(tensors: Tensors, rename: (name: string) => string): Tensors {
  return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [rename(name), tensor]));
}

async function expectSame(source: ReturnType<typeof canonicalSource>, truth: Tensors): Promise<void> {
  expect([...source.names()].sort()).toEqual(Object.keys(truth).sort());
  expect(compareCheckpoint(expectedTensors(config), source, T5_TABLE)).toEqual({
    missing: [],
    unexpected: [],
    misshaped: [],
    unreadable: [],
  });
  for (const [name, tensor] of Object.entries(truth)) {
    expect(source.info(name)).toEqual({ dtype: 'F32', shape: tensor.shape });
    expect((await source.read(name)).data, name).toEqual(tensor.data);
    const buffer = new ArrayBuffer(4 * tensor.data.length);
    expect((await source.read(name, { buffer })).data, `${name}, into a buffer`).toEqual(tensor.data);
  }
}

describe('layouts', () => {
  it('leaves the current Hugging Face layout as it is', async () => {
    const truth = checkpoint('hf');
    const source = canonicalSource(memorySource(truth));
    await expectSame(source, truth);
    expect(source.report).toEqual({ ignored: [], unknown: [], renamed: new Map() });
  });

  it('joins split biases of the first Hugging Face layout', async () => {
    const truth = checkpoint('hf-old');
    await expectSame(canonicalSource(memorySource(splitBiases(truth))), truth);
  });

  it('reads LAVIS names, and reports tensors it leaves out', async () => {
    const truth = checkpoint('lavis');
    const extra = {
      'Qformer.bert.embeddings.position_ids': { shape: [1, 512], data: new Float32Array(512) },
      'Qformer.bert.embeddings.word_embeddings.weight': { shape: [3, 4], data: new Float32Array(12) },
      'Qformer.bert.encoder.layer.0.intermediate.dense.weight': { shape: [6, 4], data: new Float32Array(24) },
      'Qformer.bert.encoder.layer.0.output.dense.weight': { shape: [4, 6], data: new Float32Array(24) },
      'Qformer.cls.predictions.bias': { shape: [3], data: new Float32Array(3) },
      'itm_head.weight': { shape: [2, 4], data: new Float32Array(8) },
      temp: { shape: [], data: new Float32Array(1) },
      'Qformer_loc.bert.encoder.layer.0.attention.self.query.bias': { shape: [4], data: new Float32Array(4) },
      query_tokens_loc: { shape: [1, 5, 4], data: new Float32Array(20) },
      't5_proj_loc.bias': { shape: [6], data: new Float32Array(6) },
      'ln_vision_loc.bias': { shape: [8], data: new Float32Array(8) },
    };
    const source = canonicalSource(memorySource({ ...renameAll(splitBiases(truth), toLavis), ...extra }));
    await expectSame(source, truth);
    expect(source.report.ignored.map(({ name }) => name).sort()).toEqual(Object.keys(extra).sort());
    expect(source.report.unknown).toEqual([]);
    expect(source.report.renamed.get('ln_vision.bias')).toBe('vision_model.post_layernorm.bias');
  });

  it("reads SeViLA's localizer when asked", async () => {
    const both = {
      'Qformer.bert.embeddings.LayerNorm.bias': { shape: [1], data: Float32Array.of(1) },
      'Qformer_loc.bert.embeddings.LayerNorm.bias': { shape: [1], data: Float32Array.of(2) },
      query_tokens: { shape: [1], data: Float32Array.of(3) },
      query_tokens_loc: { shape: [1], data: Float32Array.of(4) },
      't5_model.shared.weight': { shape: [1], data: Float32Array.of(5) },
    };
    const read = async (branch: 'answerer' | 'localizer') => {
      const source = canonicalSource(memorySource(both), { branch });
      const values: Record<string, number> = {};
      for (const name of source.names()) values[name] = (await source.read(name)).data[0]!;
      return values;
    };
    const shared = { 'language_model.shared.weight': 5 };
    expect(await read('answerer')).toEqual({ 'qformer.layernorm.bias': 1, query_tokens: 3, ...shared });
    expect(await read('localizer')).toEqual({ 'qformer.layernorm.bias': 2, query_tokens: 4, ...shared });
  });

  it('reads a bare EVA file, without its deeper blocks and classifier', () => {
    const truth = checkpoint('eva');
    const vision = Object.fromEntries(
      Object.entries(truth).filter(
        ([name]) => name.startsWith('vision_model.') && !name.includes('post_layernorm'),
      ),
    );
    const eva = renameAll(splitBiases(vision), (name) => toLavis(name).replace('visual_encoder.', ''));
    const extra = Object.keys(eva)
      .filter((name) => name.startsWith('blocks.2.'))
      .map((name) => [name.replace('blocks.2.', 'blocks.3.'), eva[name]!] as const);
    const classifier = {
      'norm.weight': eva['blocks.0.norm1.weight']!,
      'head.bias': eva['blocks.0.norm1.weight']!,
    };
    const source = canonicalSource(memorySource({ ...eva, ...Object.fromEntries(extra), ...classifier }), {
      visionLayers: 3,
    });
    expect([...source.names()].sort()).toEqual(Object.keys(vision).sort());
    expect(source.report.ignored).toHaveLength(extra.length + 2);
    expect(source.report.unknown).toEqual([]);
  });

  it('reads a bare T5 file', () => {
    const truth = checkpoint('t5');
    const text = Object.fromEntries(
      Object.entries(truth).filter(([name]) => name.startsWith('language_model.')),
    );
    const bare = renameAll(text, (name) => name.slice('language_model.'.length));
    const source = canonicalSource(memorySource(bare));
    expect([...source.names()].sort()).toEqual(Object.keys(text).sort());
  });

  it('keeps the decoder’s copy of the shared embedding, ignores others, and uses one when it is all there is', () => {
    const truth = checkpoint('copies');
    const table = truth['language_model.shared.weight']!;
    const copy = 'language_model.encoder.embed_tokens.weight';
    const decoder = 'language_model.decoder.embed_tokens.weight';
    const both = canonicalSource(memorySource({ ...truth, [copy]: table, [decoder]: table }));
    expect([...both.names()].sort()).toEqual([...Object.keys(truth), decoder].sort());
    expect(both.report.ignored).toEqual([{ name: copy, reason: 'a copy of language_model.shared.weight' }]);
    for (const prefix of ['t5_model.', ''])
      expect(
        canonicalSource(
          memorySource({
            [`${prefix}shared.weight`]: table,
            [`${prefix}decoder.embed_tokens.weight`]: table,
          }),
        ).names(),
      ).toEqual(['language_model.shared.weight', decoder]);
    const { 'language_model.shared.weight': dropped, ...rest } = truth;
    expect(dropped).toBe(table);
    const only = canonicalSource(memorySource({ [copy]: table, ...rest }));
    expect(only.has('language_model.shared.weight')).toBe(true);
    expect(only.report.renamed.get(copy)).toBe('language_model.shared.weight');
  });

  it('keeps unknown names and reports them', () => {
    const source = canonicalSource(memorySource({ 'opt_model.x': { shape: [1] } }));
    expect(source.names()).toEqual(['opt_model.x']);
    expect(source.report.unknown).toEqual(['opt_model.x']);
    expect(meaningOf('opt_proj.weight')).toEqual({ kind: 'unknown' });
  });

  it('refuses two tensors that mean the same, and half a split bias', () => {
    const vector = { shape: [8] };
    expect(() =>
      canonicalSource(memorySource({ 'ln_vision.bias': vector, 'vision_model.post_layernorm.bias': vector })),
    ).toThrow(/"ln_vision\.bias" and "vision_model\.post_layernorm\.bias" both mean/);
    const block = 'vision_model.encoder.layers.0.self_attn';
    expect(() => canonicalSource(memorySource({ [`${block}.q_bias`]: vector }))).toThrow(
      /q_bias" lacks its v_bias/,
    );
    const fused = canonicalSource(
      memorySource({ [`${block}.q_bias`]: vector, [`${block}.v_bias`]: { shape: [7] } }),
    );
    expect(() => fused.info(`${block}.qkv.bias`)).toThrow(/must be vectors of one length and type/);
  });
});
