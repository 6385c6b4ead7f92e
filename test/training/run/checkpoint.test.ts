/** Checkpoints: full disks, damage, values that are not finite. */
import {
  type FileHandle,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { DataError, ReasVqaError } from '../../../src/base/errors.js';
import { Rng } from '../../../src/base/random.js';
import { type AttachedAdapter, addAdapter, loadAdapter } from '../../../src/model/adapter.js';
import type { Blip2Student } from '../../../src/model/blip2/student.js';
import { selectTrainable } from '../../../src/model/trainable.js';
import { AdamW } from '../../../src/training/optimizer.js';
import {
  keepCheckpoints,
  listCheckpoints,
  loadCheckpoint,
  loadTrainables,
  type RunState,
  readState,
  removePartials,
  saveCheckpoint,
} from '../../../src/training/run/checkpoint.js';
import { randomise, tinyStudent, useFastEngine } from '../../model/support.js';
import { fileHandlePrototype } from '../../weights/fixtures.js';

const SETTINGS = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.05, clipNorm: 0 };
const LORA = {
  ...{ r: 2, alpha: 4, dropout: 0, targetModules: ['q', 'v'] },
  ...{ rankPattern: {}, alphaPattern: {}, useRslora: false },
};

let scratch: string;
let folder: string;
let student: Blip2Student;
let adapter: AttachedAdapter;
let optimizer: AdamW;

beforeAll(async () => {
  await useFastEngine();
  scratch = await mkdtemp(join(tmpdir(), 'reasvqa-checkpoint-'));
});
afterAll(() => rm(scratch, { recursive: true }));

beforeEach(async () => {
  folder = await mkdtemp(join(scratch, 'run-'));
  [student, adapter, optimizer] = fresh(1);
});
afterEach(() => {
  vi.restoreAllMocks();
  optimizer.dispose();
  student.dispose();
});

function fresh(seed: number): [Blip2Student, AttachedAdapter, AdamW] {
  const student = tinyStudent({}, { seed, lora: null });
  const attached = addAdapter(student, LORA);
  randomise(
    [...student.module.parameters()].filter((p) => !p.loaded),
    new Rng(seed),
  );
  const trainable = selectTrainable(student, ['lora', 'language_projection', 'query_tokens']);
  return [student, attached, new AdamW(trainable, SETTINGS)];
}

function takeSteps(count: number, of: AdamW, seed = 'grads'): void {
  for (let i = 0; i < count; i++) {
    const rng = new Rng(`${seed}/${of.step}`);
    const grads = of.parameters.map((p) =>
      tf.tensor(
        Float32Array.from({ length: p.size }, () => rng.normal()),
        p.shape,
      ),
    );
    of.update(grads, () => 0.01);
    tf.dispose(grads);
  }
}

const stateAt = (step: number): RunState => ({ step, epoch: 1, batch: 3, seconds: 12.5, config: 'hash' });
const snapshot = (of: AdamW) => [
  ...of.parameters.map((p) => [p.name, Float32Array.from(p.value.dataSync())] as const),
  ...[...of.state()].map(([name, variable]) => [name, Float32Array.from(variable.dataSync())] as const),
];

describe('a checkpoint', () => {
  it('brings back every trainable and moment, so that the next steps are the same bits', async () => {
    takeSteps(3, optimizer);
    await saveCheckpoint(folder, { student, adapter }, optimizer, stateAt(3));
    const [other, , resumed] = fresh(2);
    expect(snapshot(resumed)).not.toEqual(snapshot(optimizer));
    expect(await listCheckpoints(folder)).toEqual([3]);
    expect(await readState(folder, 3, 'hash')).toEqual(stateAt(3));
    await loadCheckpoint(folder, 3, resumed);
    expect(resumed.step).toBe(3);
    expect(snapshot(resumed)).toEqual(snapshot(optimizer));
    takeSteps(4, optimizer);
    takeSteps(4, resumed);
    expect(snapshot(resumed)).toEqual(snapshot(optimizer));
    resumed.dispose();
    other.dispose();
  });

  it('holds the adapter in a form that loads by itself', async () => {
    const final = await saveCheckpoint(folder, { student, adapter }, optimizer, stateAt(1));
    const other = tinyStudent({}, { seed: 1, lora: null });
    await loadAdapter(other, final);
    const values = ({ module }: Blip2Student) =>
      [...module.parameters()]
        .filter((p) => p.name.includes('lora'))
        .map((p) => [p.name, p.value.dataSync()]);
    expect(new Map(values(other) as never)).toEqual(new Map(values(student) as never));
    other.dispose();
  });

  it('replaces one of the same step, and only asked-for steps are kept', async () => {
    for (const step of [2, 10, 9, 10]) {
      takeSteps(1, optimizer);
      await saveCheckpoint(folder, { student, adapter }, optimizer, stateAt(step));
    }
    expect(await listCheckpoints(folder)).toEqual([2, 9, 10]);
    const [other, , resumed] = fresh(2);
    await loadCheckpoint(folder, 10, resumed);
    expect(snapshot(resumed)).toEqual(snapshot(optimizer));
    await keepCheckpoints(folder, [10, 2]);
    expect(await listCheckpoints(folder)).toEqual([2, 10]);
    resumed.dispose();
    other.dispose();
  });

  it('that is half written is no checkpoint, stays while others look, and is swept away by the next run', async () => {
    await saveCheckpoint(folder, { student, adapter }, optimizer, stateAt(5));
    await mkdir(join(folder, '.partial-step-00000006'));
    await writeFile(join(folder, '.partial-step-00000006', 'trainable.safetensors'), 'half');
    expect(await listCheckpoints(folder)).toEqual([5]);
    // Another process may be writing it.
    expect((await readdir(folder)).sort()).toEqual(['.partial-step-00000006', 'step-00000005']);
    await removePartials(folder);
    expect(await readdir(folder)).toEqual(['step-00000005']);
    expect(await listCheckpoints(join(folder, 'nowhere'))).toEqual([]);
    await removePartials(join(folder, 'nowhere'));
  });
});

describe('a full disk', () => {
  it('at any write leaves the earlier checkpoint and nothing half done', async () => {
    takeSteps(1, optimizer);
    const first = await saveCheckpoint(folder, { student, adapter }, optimizer, stateAt(1));
    const contents = async () =>
      Promise.all(
        (await readdir(first)).sort().map(async (name) => [name, await readFile(join(first, name))]),
      );
    const before = await contents();
    takeSteps(1, optimizer);
    const prototype = await fileHandlePrototype(scratch);
    const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    let failures = 0;
    for (let allowed = 0; ; allowed += 1 + (allowed >> 2)) {
      const stopped = await writesFailAfter(prototype, allowed, full, () =>
        saveCheckpoint(folder, { student, adapter }, optimizer, stateAt(2)),
      );
      if (stopped === undefined) break;
      failures++;
      expect(stopped).toBeInstanceOf(DataError);
      expect((stopped as Error).message).toMatch(
        /step-00000002: the checkpoint could not be saved \(.*ENOSPC.*\); earlier checkpoints are untouched/,
      );
      expect((stopped as Error).message).not.toContain('\n');
      expect(await readdir(folder)).toEqual(['step-00000001']);
      expect(await contents()).toEqual(before);
    }
    expect(failures).toBeGreaterThan(3);
    expect(await listCheckpoints(folder)).toEqual([1, 2]);
  });

  /** Runs `action` while every write after the first `allowed` ones fails; returns its error, if any. */
  async function writesFailAfter(
    prototype: FileHandle,
    allowed: number,
    failure: Error,
    action: () => Promise<unknown>,
  ): Promise<unknown> {
    let calls = 0;
    for (const name of ['write', 'writeFile'] as const) {
      const original = prototype[name] as (...rest: unknown[]) => Promise<never>;
      vi.spyOn(prototype, name).mockImplementation(function (this: FileHandle, ...args: unknown[]) {
        if (calls++ >= allowed) return Promise.reject(failure);
        return original.apply(this, args);
      });
    }
    const error = await action().then(
      () => undefined,
      (e) => e,
    );
    vi.restoreAllMocks();
    return error;
  }
});

describe('values that are no longer finite', () => {
  it.each([
    ['a parameter', 'query_tokens', Number.NaN],
    ['a moment', 'query_tokens.v', Number.POSITIVE_INFINITY],
  ])('are not saved over good ones: %s', async (_, name, value) => {
    await saveCheckpoint(folder, { student, adapter }, optimizer, stateAt(1));
    const variables = new Map([
      ...optimizer.parameters.map((p) => [p.name, p.value] as const),
      ...optimizer.state(),
    ]);
    const victim = variables.get(name)!;
    const values = Float32Array.from(victim.dataSync());
    values[3] = value;
    const damaged = tf.tensor(values, victim.shape);
    victim.assign(damaged);
    damaged.dispose();
    const error = await saveCheckpoint(folder, { student, adapter }, optimizer, stateAt(2)).catch((e) => e);
    expect(error).toBeInstanceOf(ReasVqaError);
    expect(error.message).toContain(`${name} is no longer finite after step 2`);
    expect(await readdir(folder)).toEqual(['step-00000001']);
  });
});

describe('a damaged checkpoint', () => {
  const FINAL = 'step-00000004';
  beforeEach(() => saveCheckpoint(folder, { student, adapter }, optimizer, stateAt(4)));

  it.each([
    ['{"step": 4}', /state\.json: not the state of a checkpoint/],
    ['{', /state\.json: not the state of a checkpoint/],
    ['', /state\.json: not the state of a checkpoint/],
    [JSON.stringify({ ...stateAt(4), step: -1 }), /state\.json: not the state of a checkpoint/],
  ])('with the state %s says so', async (text, message) => {
    await writeFile(join(folder, FINAL, 'state.json'), text);
    const error = await readState(folder, 4, 'hash').catch((e) => e);
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain('\n');
  });

  it('with sums for the next line of metrics that cannot be read goes on without them', async () => {
    const sums = { losses: [], inputs: { samples: null } };
    await writeFile(join(folder, FINAL, 'state.json'), JSON.stringify({ ...stateAt(4), pending: sums }));
    expect(await readState(folder, 4, 'hash')).toEqual(stateAt(4));
  });

  it('or one of another configuration is refused', async () => {
    await expect(readState(folder, 4, 'other')).rejects.toThrow(/belongs to another configuration/);
  });

  it.each(['trainable.safetensors', 'optimizer.safetensors'])(
    'with a truncated %s is refused by name',
    async (name) => {
      const path = join(folder, FINAL, name);
      const { length } = await readFile(path);
      for (const size of [0, 5, length >> 1, length - 1]) {
        await truncate(path, size);
        const error = await loadCheckpoint(folder, 4, optimizer).catch((e) => e);
        expect(error).toBeInstanceOf(DataError);
        expect(error.message).toContain(name);
        expect(error.message).not.toContain('\n');
        await rm(join(folder, FINAL), { recursive: true });
        await saveCheckpoint(folder, { student, adapter }, optimizer, stateAt(4));
      }
    },
  );

  it('with a tensor that is not trainable here is refused: it would stay untrained', async () => {
    const fewer = optimizer.parameters.filter((p) => !p.name.startsWith('language_projection.'));
    await expect(loadTrainables(folder, 4, fewer)).rejects.toThrow(
      /trainable\.safetensors: tensor language_projection\.\w+ is not among what learns/,
    );
  });

  it('of another set of parameters is refused by tensor', async () => {
    const all = selectTrainable(student, ['lora', 'language_projection', 'query_tokens', 'qformer']);
    await expect(loadTrainables(folder, 4, all)).rejects.toThrow(
      /trainable\.safetensors: tensor qformer\.layernorm\.weight is missing, expected \(16\)/,
    );
  });
});
