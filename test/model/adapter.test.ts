/** LoRA adapters: fresh, saved, loaded, refused. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { DataError, UsageError } from '../../src/base/errors.js';
import { Rng } from '../../src/base/random.js';
import { addAdapter, loadAdapter, saveAdapter } from '../../src/model/adapter.js';
import type { Blip2Student } from '../../src/model/blip2/student.js';
import { inferenceContext } from '../../src/model/context.js';
import { linearsOf } from '../../src/model/layers/linear.js';
import { isTarget } from '../../src/weights/loraConfig.js';
import type { LoraConfig } from '../../src/weights/peft.js';
import {
  encoderBatch,
  labelsOf,
  randomBatch,
  randomise,
  type TestBatch,
  tinyStudent,
  useFastEngine,
} from './support.js';

const CONFIG: LoraConfig = {
  r: 3,
  alpha: 12,
  dropout: 0.1,
  targetModules: ['q', 'v'],
  rankPattern: {},
  alphaPattern: {},
  useRslora: false,
};

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'reasvqa-adapter-'));
});
afterAll(() => rm(scratch, { recursive: true }));

let student: Blip2Student;
let batch: TestBatch;
function start(config: LoraConfig = CONFIG) {
  student = tinyStudent({}, { lora: null });
  const adapter = addAdapter(student, config);
  randomise(
    [...student.module.parameters()].filter((p) => /lora/.test(p.name)),
    new Rng('adapter'),
  );
  batch = randomBatch(new Rng('adapter'), student.config);
  return adapter;
}
afterEach(() => {
  student.dispose();
  batch?.pixels.dispose();
});

function outputs({ module: of }: Blip2Student): Float32Array {
  return tf.tidy(() => {
    const context = inferenceContext();
    const projected = of.project(of.visionFeatures(batch.pixels), context);
    const encoded = of.encode(projected, encoderBatch(batch.input), context);
    const packed = of.pack(labelsOf(batch.targets));
    return of.logits(of.decode(encoded, packed, context)).dataSync() as unknown as tf.TensorContainer;
  }) as unknown as Float32Array;
}

describe('adapters', () => {
  beforeAll(useFastEngine);

  it('begin as no change: A by torch, B zero', () => {
    start();
    const names = [...student.module.parameters()].filter((p) => p.name.includes('lora'));
    // q and v of two encoder self-attentions, two decoder self-attentions and two cross-attentions.
    expect(names).toHaveLength(2 * 2 * 6);
    student.dispose();
    student = tinyStudent({}, { lora: null });
    const before = outputs(student);
    addAdapter(student, CONFIG);
    for (const parameter of student.module.parameters())
      if (!parameter.loaded) parameter.initialise(new Rng(3));
    expect(outputs(student)).toEqual(before);
    for (const { lora, inFeatures } of linearsOf(student.module).values()) {
      if (!lora) continue;
      const bound = 1 / Math.sqrt(inFeatures);
      const values = lora.A.value.dataSync();
      expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(bound);
      expect(Math.max(...values.map(Math.abs))).toBeGreaterThan(bound / 2);
      expect(lora.B.value.dataSync().every((value) => value === 0)).toBe(true);
    }
  });

  it.each([
    ['the paper', CONFIG],
    ['all linear layers', { ...CONFIG, targetModules: ['q', 'k', 'v', 'o', 'wi_0', 'wi_1', 'wo'] }],
    ['rank 1 on k', { ...CONFIG, r: 1, alpha: 1, targetModules: ['k'] }],
  ])('saved and loaded again give the same outputs: %s', async (_, config) => {
    const adapter = start(config);
    const before = outputs(student);
    const folder = await mkdtemp(join(scratch, 'saved-'));
    await saveAdapter(student, adapter, folder);
    const other = tinyStudent({}, { lora: null });
    const loaded = await loadAdapter(other, folder);
    expect(loaded.config).toMatchObject({ r: config.r, alpha: config.alpha, dropout: 0.1 });
    expect(outputs(other)).toEqual(before);
    other.dispose();
  });

  it.each([
    ['of whole attentions', 'encoder.*SelfAttention.*', /^encoder\..*SelfAttention\.[qkvo]$/],
    ['of one block', 'decoder\\.block\\.1\\..*', /^decoder\.block\.1\..*\.(q|k|v|o|wi_0|wi_1|wo)$/],
    ['of queries', '.*SelfAttention\\.q', /SelfAttention\.q$/],
  ])('by a pattern %s name Linear layers alone, as PEFT wants', async (_, targetModules, adapted) => {
    const { config } = start({ ...CONFIG, targetModules });
    const prefix = 'language_model.';
    const names = [...linearsOf(student.module).keys()].filter((path) => path.startsWith(prefix));
    const paths = names.map((path) => path.slice(prefix.length));
    const others = paths.flatMap((path) => path.split('.').map((_, i, parts) => parts.slice(0, i).join('.')));
    others.push('encoder.block.0.layer.0.SelfAttention.relative_attention_bias');
    const made = [...paths, ...others].filter((path) => isTarget(path, config.targetModules));
    expect(made).toEqual(paths.filter((path) => adapted.test(path)));
    expect(made.length).toBeGreaterThan(0);
  });

  it('are the same file after a second round', async () => {
    const adapter = start();
    const [first, second] = [await mkdtemp(join(scratch, 'a-')), await mkdtemp(join(scratch, 'b-'))];
    await saveAdapter(student, adapter, first);
    const other = tinyStudent({}, { lora: null });
    await saveAdapter(other, await loadAdapter(other, first), second);
    for (const name of ['adapter_model.safetensors', 'adapter_config.json'])
      expect(await readFile(join(second, name))).toEqual(await readFile(join(first, name)));
    other.dispose();
  });

  it('of another model are refused by module and shape, in one line', async () => {
    const adapter = start();
    const folder = await mkdtemp(join(scratch, 'other-'));
    await saveAdapter(student, adapter, folder);
    const smaller = tinyStudent({ text_config: { num_layers: 1 } }, { lora: null });
    const missing = await loadAdapter(smaller, folder).catch((e) => e);
    expect(missing).toBeInstanceOf(DataError);
    expect(missing.message).toMatch(
      /changes language_model\.(en|de)coder\.block\.1\.layer\.0\.SelfAttention\.q, which is no/,
    );
    smaller.dispose();
    const wider = tinyStudent({ text_config: { d_kv: 7 } }, { lora: null });
    const shape = await loadAdapter(wider, folder).catch((e) => e);
    expect(shape).toBeInstanceOf(DataError);
    expect(shape.message).toMatch(/SelfAttention\.q is for \(18, 20\), the model has \(21, 20\)/);
    wider.dispose();
  });

  it('with a truncated file are refused', async () => {
    const adapter = start();
    const folder = await mkdtemp(join(scratch, 'cut-'));
    await saveAdapter(student, adapter, folder);
    const path = join(folder, 'adapter_model.safetensors');
    const bytes = await readFile(path);
    await writeFile(path, bytes.subarray(0, bytes.length - 8));
    const other = tinyStudent({}, { lora: null });
    await expect(loadAdapter(other, folder)).rejects.toThrow(/adapter_model\.safetensors/);
    other.dispose();
  });

  it('without a layer that their targets name are refused, unless their layers were chosen', async () => {
    const adapter = start();
    const folder = await mkdtemp(join(scratch, 'lacking-'));
    await saveAdapter(student, adapter, folder);
    const path = join(folder, 'adapter_config.json');
    const json = JSON.parse(await readFile(path, 'utf8'));
    const write = (more: object) => writeFile(path, JSON.stringify({ ...json, ...more }));
    await write({ target_modules: ['q', 'v', 'wo'] });
    const other = tinyStudent({}, { lora: null });
    await expect(loadAdapter(other, folder)).rejects.toThrow(
      `${folder}: adapter_model.safetensors lacks 4 of the layers that target_modules ["q","v","wo"] names, language_model.encoder.block.0.layer.1.DenseReluDense.wo the first; save the adapter again`,
    );
    other.dispose();
    await write({ target_modules: ['q', 'v', 'wo'], exclude_modules: ['wo'] });
    const chosen = tinyStudent({}, { lora: null });
    await loadAdapter(chosen, folder);
    expect(outputs(chosen)).toEqual(outputs(student));
    chosen.dispose();
  });

  it('need targets that exist', () => {
    start();
    const other = tinyStudent({}, { lora: null });
    expect(() => addAdapter(other, { ...CONFIG, targetModules: ['q_proj'] })).toThrow(UsageError);
    other.dispose();
  });
});
