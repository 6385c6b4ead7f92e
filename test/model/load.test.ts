/** Checkpoints saved, loaded and damaged. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DataError } from '../../src/base/errors.js';
import type { Blip2Student } from '../../src/model/blip2/student.js';
import { loadStudent, saveStudent } from '../../src/model/load.js';
import { bf16Parameters } from '../../src/model/precision.js';
import type { Student } from '../../src/model/student.js';
import { isBf16 } from '../../src/ops/bf16.js';
import type { Dtype, TensorData } from '../../src/weights/dtypes.js';
import { writeSafetensors } from '../../src/weights/safetensors.js';
import { nearestBf16 } from '../support/bf16.js';
import { withFile } from '../weights/fixtures.js';
import { onEngines, tinyStudent, useFastEngine } from './support.js';

beforeAll(useFastEngine);

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'reasvqa-load-'));
});
afterAll(() => rm(scratch, { recursive: true }));

/** float16: 11 significant bits down to 2^-14, then steps of 2^-24. Ties to even. */
function toF16(value: number): number {
  const exponent = Math.max(-14, Math.floor(Math.log2(Math.abs(value))));
  const step = 2 ** (exponent - 10);
  const quotient = value / step;
  const floor = Math.floor(quotient);
  const rest = quotient - floor;
  const up = rest > 0.5 || (rest === 0.5 && floor % 2 !== 0);
  return (up ? floor + 1 : floor) * step;
}

describe('a saved model', () => {
  it.each([
    ['F32', (value: number) => value],
    ['BF16', nearestBf16],
    ['F16', toF16],
  ] as const)('is loaded back as %s rounds it', async (dtype, rounded) => {
    const folder = await mkdtemp(join(scratch, 'round-'));
    const student = tinyStudent({}, { lora: null });
    await saveStudent(student, folder, { purpose: 'test' }, dtype);
    const seen: number[] = [];
    const loaded = await loadStudent(folder, {
      onProgress: (bytes, total) => seen.push(bytes / total),
    });
    expect(loaded.comparison).toEqual({
      missing: [],
      unexpected: [],
      misshaped: [],
      unreadable: [],
      own: [],
      unread: [],
    });
    expect(loaded.student.config).toEqual(student.config);
    expect(seen.at(-1)).toBe(1);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    const again = [...loaded.student.module.parameters()];
    for (const [i, parameter] of [...student.module.parameters()].entries())
      expect(again[i]!.value.dataSync(), parameter.name).toEqual(
        parameter.value.dataSync().map((v) => rounded(v)),
      );
    await withFile(join(folder, 'model.safetensors'), async (file) => {
      expect(file.metadata).toMatchObject({ format: 'pt', purpose: 'test' });
      expect(file.info('query_tokens').dtype).toBe(dtype);
    });
    student.dispose();
    loaded.student.dispose();
  });
});

it('is saved with real numbers that read as such in Python, which tells 1.0 from 1', async () => {
  const folder = await mkdtemp(join(scratch, 'config-'));
  const student = tinyStudent({ text_config: { initializer_factor: 1 } }, { lora: null });
  await saveStudent(student, folder);
  const text = await readFile(join(folder, 'config.json'), 'utf8');
  for (const line of ['"initializer_factor": 1.0', '"dropout_rate": 0.0', '"attention_dropout": 0.0'])
    expect(text).toContain(line);
  expect(text).toContain('"num_heads": 3,');
  expect(text).toContain('"layer_norm_eps": 0.000001,');
  expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(student.config)));
  student.dispose();
});

describe('a damaged checkpoint', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(scratch, 'bad-'));
    const student = tinyStudent({}, { lora: null });
    await saveStudent(student, folder);
    student.dispose();
  });

  type Tensor = { dtype: Dtype; shape: number[]; data: TensorData };

  async function change(edit: (tensors: Map<string, Tensor>) => void): Promise<void> {
    const path = join(folder, 'model.safetensors');
    const tensors = await withFile(path, async (file) => {
      const found = new Map<string, Tensor>();
      for (const name of file.names) {
        const { shape, data } = await file.read(name);
        found.set(name, { dtype: 'F32', shape, data });
      }
      return found;
    });
    edit(tensors);
    await writeSafetensors(path, tensors);
  }

  /** The one-line error of loading it; nothing may stay in memory. */
  async function refusal(): Promise<string> {
    const before = tf.memory().numTensors;
    const error = await loadStudent(folder).catch((e) => e);
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).not.toContain('\n');
    expect(error.message).toContain(folder);
    expect(tf.memory().numTensors).toBe(before);
    return error.message;
  }

  const VICTIM = 'language_model.decoder.block.1.layer.1.EncDecAttention.k.weight';

  it('names a missing tensor', async () => {
    await change((tensors) => tensors.delete(VICTIM));
    expect(await refusal()).toContain(`missing tensor ${VICTIM}`);
  });

  it('names a tensor of another shape, found and expected', async () => {
    await change((tensors) => {
      tensors.get(VICTIM)!.shape.reverse();
    });
    expect(await refusal()).toMatch(new RegExp(`${VICTIM} has shape .20, ?18., expected .18, ?20.`));
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])('names a tensor that holds %s', async (value) => {
    await change((tensors) => {
      tensors.get(VICTIM)!.data[7] = value;
    });
    expect(await refusal()).toContain(VICTIM);
  });

  it.each([
    ['F64', Float64Array],
    ['I32', Int32Array],
    ['I8', Int8Array],
    ['BOOL', Uint8Array],
  ] as const)('names a weight in %s, which is no weight without its scale', async (dtype, type) => {
    await change((tensors) => {
      const { shape, data } = tensors.get(VICTIM)!;
      tensors.set(VICTIM, { dtype, shape, data: new type(data.length) });
    });
    expect(await refusal()).toMatch(
      new RegExp(`model\\.safetensors: tensor "${VICTIM}" is ${dtype}, expected F32, F16 or BF16`),
    );
  });

  it('names a copy of the embedding that is not shaped like it', async () => {
    const name = 'language_model.decoder.embed_tokens.weight';
    await change((tensors) => {
      tensors.set(name, { dtype: 'F32', shape: [3, 3], data: new Float32Array(9) });
    });
    expect(await refusal()).toMatch(new RegExp(`${name} has shape .3, 3., expected .\\d+, 20.`));
  });

  it('names the missing part of a truncated file, at any length', async () => {
    const path = join(folder, 'model.safetensors');
    const bytes = await readFile(path);
    for (const length of [0, 7, 100, bytes.length >> 1, bytes.length - 1]) {
      await writeFile(path, bytes.subarray(0, length));
      expect(await refusal()).toContain('model.safetensors');
    }
  });

  it('names the config key that does not fit', async () => {
    const path = join(folder, 'config.json');
    const config = JSON.parse(await readFile(path, 'utf8'));
    config.text_config.num_heads = -1;
    await writeFile(path, JSON.stringify(config));
    expect(await refusal()).toMatch(/config\.json: text_config\.num_heads/);
  });

  it('names the weights when the folder has none', async () => {
    await rm(join(folder, 'model.safetensors'));
    await refusal();
  });
});

const moduleOf = (student: Student) => (student as Blip2Student).module;

describe('a checkpoint whose configuration ties the tables of T5', () => {
  const TABLES = ['language_model.lm_head.weight', 'language_model.decoder.embed_tokens.weight'];

  /** A tied model on disk with these tables beside the shared one, each as far from it as said. */
  async function tied(offsets: Record<string, number>, prefix = 'language_model.'): Promise<string> {
    const folder = await mkdtemp(join(scratch, 'tied-'));
    const student = tinyStudent({ text_config: { tie_word_embeddings: true } }, { lora: null });
    await saveStudent(student, folder);
    const path = join(folder, 'model.safetensors');
    const tensors = await withFile(path, async (file) => {
      const found = new Map<string, { dtype: 'F32'; shape: number[]; data: Float32Array }>();
      for (const name of file.names) {
        const { shape, data } = await file.read(name);
        found.set(name, { dtype: 'F32', shape, data: data as Float32Array });
      }
      return found;
    });
    const shared = tensors.get('language_model.shared.weight')!;
    for (const [name, offset] of Object.entries(offsets))
      tensors.set(name.replace('language_model.', prefix), {
        ...shared,
        data: shared.data.map((value) => value + offset),
      });
    await writeSafetensors(path, tensors);
    student.dispose();
    return folder;
  }

  it.each(['language_model.', 't5_model.'])(
    'uses those that %s... names and that are no copies',
    async (prefix) => {
      for (const [name, other] of [TABLES, [...TABLES].reverse()] as [string, string][]) {
        const folder = await tied({ [name]: 0.25, [other]: 0 }, prefix);
        const { student, comparison } = await loadStudent(folder);
        expect(comparison.own).toEqual([name]);
        const { languageModel: t5 } = moduleOf(student);
        const shared = t5.shared.value.dataSync();
        const moved = shared.map((value) => value + 0.25);
        const embedded = tf.tidy(() =>
          t5.embedTarget(tf.range(0, t5.shared.shape[0]!, 1, 'int32')).dataSync(),
        );
        const isHead = name.endsWith('lm_head.weight');
        expect(t5.head.dataSync()).toEqual(isHead ? moved : shared);
        expect(embedded).toEqual(isHead ? shared : moved);
        expect(t5.config.scale_decoder_outputs).toBe(true);
        const again = await mkdtemp(join(scratch, 'again-'));
        await saveStudent(student, again);
        const reloaded = await loadStudent(again);
        expect(reloaded.comparison.own).toEqual([name]);
        expect(moduleOf(reloaded.student).languageModel.head.dataSync()).toEqual(t5.head.dataSync());
        student.dispose();
        reloaded.student.dispose();
      }
    },
  );

  it('has one table where all are copies', async () => {
    const folder = await tied(Object.fromEntries(TABLES.map((name) => [name, 0])));
    const { student, comparison } = await loadStudent(folder);
    expect(comparison.own).toEqual([]);
    expect(moduleOf(student).languageModel.lmHead).toBeUndefined();
    student.dispose();
  });
});

onEngines('weights kept as bf16', ['native-cpu', 'native-cuda', 'tensorflow'], (engine) => {
  it.each(['F32', 'BF16'] as const)(
    'have the values that a file in %s gives, rounded once',
    async (dtype) => {
      const folder = await mkdtemp(join(scratch, 'kept-'));
      const student = tinyStudent({}, { lora: null });
      await saveStudent(student, folder, {}, dtype);
      const loaded = await loadStudent(folder, { precision: 'bf16', groups: ['qformer'] });
      const kept = new Set([...bf16Parameters(loaded.student, ['qformer'])].map(({ name }) => name));
      expect(kept.size).toBeGreaterThan(10);
      const again = [...loaded.student.module.parameters()];
      for (const [i, { name, value }] of [...student.module.parameters()].entries()) {
        const inFile = value.dataSync().map((v) => (dtype === 'BF16' || kept.has(name) ? nearestBf16(v) : v));
        expect(again[i]!.value.dataSync(), name).toEqual(inFile);
        if (engine !== 'native-cuda') expect(isBf16(again[i]!.value), name).toBe(kept.has(name));
      }
      student.dispose();
      loaded.student.dispose();
    },
  );

  it('are refused when the file has NaN, naming file and tensor', async () => {
    const folder = await mkdtemp(join(scratch, 'kept-nan-'));
    const student = tinyStudent({}, { lora: null });
    const [parameter] = bf16Parameters(student, []);
    const values = parameter!.value.dataSync().map((value, i) => (i === 1 ? Number.NaN : value));
    parameter!.set(tf.tensor(values, parameter!.shape));
    await saveStudent(student, folder, {}, 'BF16');
    student.dispose();
    const failure = await loadStudent(folder, { precision: 'bf16' }).catch((e) => e);
    expect(failure).toBeInstanceOf(DataError);
    expect(failure.message).toMatch(/model\.safetensors: tensor "\S+" has NaN( or infinity)? at \[0, 1\]/);
  });
});
