/** PEFT adapters of LLaVA-OneVision in every layout of names, read, written again and read as PEFT reads them. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataError } from '../../../src/base/errors.js';
import { Rng } from '../../../src/base/random.js';
import { addAdapter, loadAdapter, saveAdapter } from '../../../src/model/adapter.js';
import { linearsOf } from '../../../src/model/layers/linear.js';
import { parseLlavaConfig } from '../../../src/model/llava/config.js';
import { LlavaStudent } from '../../../src/model/llava/student.js';
import { isTarget, loraScaling, parseLoraConfig } from '../../../src/weights/loraConfig.js';
import { readAdapter } from '../../../src/weights/peft.js';
import { writeSafetensors } from '../../../src/weights/safetensors.js';
import { withFile } from '../../weights/fixtures.js';
import { randomise, useFastEngine } from '../support.js';
import { llavaJson } from './support.js';

let scratch: string;
let student: LlavaStudent;
let linears: ReturnType<typeof linearsOf>;
beforeAll(async () => {
  await useFastEngine();
  scratch = await mkdtemp(join(tmpdir(), 'reasvqa-llava-adapter-'));
  student = new LlavaStudent(parseLlavaConfig(llavaJson()));
  randomise(student.module.parameters(), new Rng('base'));
  linears = linearsOf(student.module);
});
afterAll(async () => {
  student.dispose();
  await rm(scratch, { recursive: true });
});

/** Where PEFT finds the language model's layers, by layout. */
const PREFIXES = {
  'transformers 5': 'model.language_model.',
  'transformers 4': 'language_model.model.',
  'the original code': 'model.',
} as const;

type Ranks = Record<string, number>;

/** Writes an adapter of the given layers, `0.self_attn.q_proj`, with their ranks. */
async function write(prefix: string, ranks: Ranks, config: object): Promise<string> {
  const folder = await mkdtemp(join(scratch, 'adapter-'));
  const rng = new Rng('values');
  const values = (size: number) => Float32Array.from({ length: size }, () => rng.normal());
  const tensors = new Map();
  for (const [layer, r] of Object.entries(ranks)) {
    const sides = sidesOf(layer);
    const key = `base_model.model.${prefix}${layer}`;
    tensors.set(`${key}.lora_A.weight`, { dtype: 'F32', shape: [r, sides.in], data: values(r * sides.in) });
    tensors.set(`${key}.lora_B.weight`, { dtype: 'F32', shape: [sides.out, r], data: values(r * sides.out) });
  }
  await writeSafetensors(join(folder, 'adapter_model.safetensors'), tensors);
  const json = { peft_type: 'LORA', r: 2, lora_alpha: 6, ...config };
  await writeFile(join(folder, 'adapter_config.json'), JSON.stringify(json));
  return folder;
}

function sidesOf(layer: string) {
  const linear = linears.get(`model.language_model.${layer}`) ?? linears.get(`model.vision_tower.${layer}`);
  return { in: linear?.inFeatures ?? 12, out: linear?.outFeatures ?? 12 };
}

/** A student of the same weights, as every file is read into a fresh one. */
async function withLoaded<T>(folder: string, use: (loaded: LlavaStudent) => Promise<T>): Promise<T> {
  const fresh = new LlavaStudent(parseLlavaConfig(llavaJson()));
  try {
    await loadAdapter(fresh, folder);
    return await use(fresh);
  } finally {
    fresh.dispose();
  }
}

const adapterOf = (loaded: LlavaStudent) =>
  Object.fromEntries(
    [...linearsOf(loaded.module)].flatMap(([path, { lora }]) =>
      lora ? [[path, { r: lora.A.shape[0], scaling: lora.scaling, a: [...lora.A.value.dataSync()] }]] : [],
    ),
  );

const layers = (names: readonly string[], rank: (name: string) => number = () => 2): Ranks =>
  Object.fromEntries(
    [0, 1]
      .flatMap((i) => names.map((name) => `layers.${i}.self_attn.${name}`))
      .map((path) => [path, rank(path)]),
  );

describe.each(Object.entries(PREFIXES))('an adapter under the names of %s', (_, prefix) => {
  const escaped = prefix.replaceAll('.', '\\.');
  const own = (path: string) => `${prefix}layers.${path}`;

  it.each<[string, Ranks, object]>([
    ['a list of names', layers(['q_proj', 'v_proj']), { target_modules: ['q_proj', 'v_proj'] }],
    [
      'a pattern for whole paths',
      layers(['q_proj', 'o_proj']),
      { target_modules: `${escaped}layers\\.\\d+\\.self_attn\\.(q|o)_proj` },
    ],
    [
      "a pattern of Python's that JavaScript has not",
      layers(['k_proj']),
      { target_modules: '(?i:.*language_model.*\\.k_proj|model.*k_proj)' },
    ],
    [
      'some layers alone',
      { 'layers.1.self_attn.q_proj': 2, 'layers.1.mlp.up_proj': 2 },
      { target_modules: ['q_proj', 'up_proj'], layers_to_transform: [1], layers_pattern: 'layers' },
    ],
    [
      'ranks and alphas by whole path',
      layers(['q_proj', 'v_proj'], (path) => (path === 'layers.1.self_attn.q_proj' ? 5 : 2)),
      {
        target_modules: ['q_proj', 'v_proj'],
        rank_pattern: { [own('1.self_attn.q_proj')]: 5 },
        alpha_pattern: { [own('0.self_attn.v_proj')]: 7 },
      },
    ],
    [
      'ranks by pattern, scaled by the root',
      layers(['q_proj', 'v_proj'], (path) => (path.startsWith('layers.0') ? 3 : 2)),
      {
        target_modules: ['q_proj', 'v_proj'],
        rank_pattern: { [`${escaped}layers\\.0\\..*`]: 3 },
        alpha_pattern: { 'layers\\.0\\..*': 11 },
        use_rslora: true,
      },
    ],
    [
      'ranks by the last name',
      layers(['q_proj', 'v_proj'], (path) => (path.endsWith('v_proj') ? 4 : 2)),
      { target_modules: ['q_proj', 'v_proj'], rank_pattern: { v_proj: 4 } },
    ],
  ])('is written again for PEFT as it was read: %s', async (_, ranks, config) => {
    const folder = await write(prefix, ranks, config);
    const out = await mkdtemp(join(scratch, 'again-'));
    const before = await withLoaded(folder, async (loaded) => adapterOf(loaded));
    expect(Object.keys(before).sort()).toEqual(
      Object.keys(ranks)
        .map((path) => `model.language_model.${path}`)
        .sort(),
    );
    const fresh = new LlavaStudent(parseLlavaConfig(llavaJson()));
    await saveAdapter(fresh, await loadAdapter(fresh, folder), out);
    fresh.dispose();
    expect(await withLoaded(out, async (loaded) => adapterOf(loaded))).toEqual(before);

    // What PEFT does with the file: the modules that it makes, and their ranks and scales, follow from the configuration alone.
    const json = JSON.parse(await readFile(join(out, 'adapter_config.json'), 'utf8'));
    // With a text PEFT refuses layers_to_transform.
    expect(typeof json.target_modules).toBe('string');
    expect(json.layers_to_transform).toBeNull();
    const read = parseLoraConfig(json, 'x');
    const made = [...linears.keys()].filter((path) => isTarget(path, read.targetModules));
    expect(made.sort()).toEqual(Object.keys(before).sort());
    for (const [path, { r, scaling }] of Object.entries(before)) {
      const found = loraScaling(read, path);
      expect([path, found.r]).toEqual([path, r]);
      expect(found.scaling).toBeCloseTo(scaling, 12);
    }
    const names = await withFile(join(out, 'adapter_model.safetensors'), async (file) => [...file.names]);
    expect(names.every((name) => name.startsWith('base_model.model.model.language_model.layers.'))).toBe(
      true,
    );
    expect((await readAdapter(out)).modules.size).toBe(made.length);
  });
});

it.each([
  ['transformers 5', 'model.vision_tower.'],
  ['its save_pretrained', 'vision_tower.'],
  ['transformers 4', 'vision_tower.vision_model.'],
  ['the original code', 'model.vision_tower.vision_tower.vision_model.'],
  ['the tower alone', ''],
])('an adapter of the vision tower is refused by name, under the names of %s', async (_, prefix) => {
  const ranks = { 'encoder.layers.1.self_attn.q_proj': 2 };
  const folder = await write(prefix, ranks, { target_modules: ['q_proj'] });
  const error = await withLoaded(folder, async () => undefined).catch((e) => e);
  expect(error).toBeInstanceOf(DataError);
  expect(error.message).toContain(
    'changes model.vision_tower.encoder.layers.1.self_attn.q_proj; adapters of the vision tower are not supported',
  );
});

it('leaves no tensor behind when an adapter is refused', async () => {
  const folder = await write('', { 'encoder.layers.1.self_attn.q_proj': 2 }, { target_modules: ['q_proj'] });
  const before = tf.memory().numTensors;
  await withLoaded(folder, async () => undefined).catch(() => undefined);
  expect(tf.memory().numTensors).toBe(before);
});

/** Modules of transformers that hold the layers, or stand beside them; PEFT refuses a pattern that selects one. */
const OTHER_MODULES = [
  ...['', '.layers', '.layers.0', '.layers.0.self_attn', '.layers.0.mlp', '.layers.0.mlp.act_fn', '.norm'],
  ...['.layers.0.input_layernorm', '.layers.1.post_attention_layernorm', '.rotary_emb', '.embed_tokens'],
].map((name) => `model.language_model${name}`);

it.each<[string, string[] | string, number]>([
  ['a list of names', ['q_proj', 'v_proj'], 4],
  ['a list that the tower has names of too', ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'up_proj'], 10],
  ['a pattern for the language model', 'layers\\.\\d+\\.self_attn\\.(q|v)_proj', 4],
  ['a pattern for one layer', 'layers\\.1\\..*', 7],
  ['a pattern that selects attentions and activations besides', '.*(self_attn|mlp).*', 14],
  ['all layers', 'all-linear', 14],
])('a fresh adapter of %s is written for PEFT as the whole model has it', async (_, targetModules, count) => {
  const fresh = new LlavaStudent(parseLlavaConfig(llavaJson()));
  try {
    const attached = addAdapter(fresh, {
      ...{ r: 2, alpha: 6, dropout: 0, targetModules, useRslora: false },
      // PEFT counts these from the whole model, where the second is another path.
      rankPattern: { q_proj: 3, '^layers\\.1\\.mlp\\.up_proj': 4 },
      alphaPattern: {},
    });
    randomise(fresh.module.parameters(), new Rng('fresh'));
    const out = await mkdtemp(join(scratch, 'fresh-'));
    await saveAdapter(fresh, attached, out);
    const adapted = adapterOf(fresh);
    expect(Object.keys(adapted)).toHaveLength(count);
    const config = parseLoraConfig(JSON.parse(await readFile(join(out, 'adapter_config.json'), 'utf8')), 'x');
    const made = [...linears.keys(), ...OTHER_MODULES].filter((path) => isTarget(path, config.targetModules));
    expect(made.sort()).toEqual(Object.keys(adapted).sort());
    for (const [path, { r, scaling }] of Object.entries(adapted))
      expect(loraScaling(config, path)).toMatchObject({ r, scaling });
    expect(await withLoaded(out, async (loaded) => adapterOf(loaded))).toEqual(adapted);
  } finally {
    fresh.dispose();
  }
});
