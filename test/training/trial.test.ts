/** Trials on a shared base equal runs of their own. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataError, UsageError } from '../../src/base/errors.js';
import { type BatchBuilder, disposeVisual, type HostBatch } from '../../src/batches/batch.js';
import { Loader } from '../../src/batches/loader.js';
import { readSplit, type Split } from '../../src/batches/split.js';
import type { Config } from '../../src/config/schema.js';
import { evaluateSplit } from '../../src/evaluation/split.js';
import { type Context, trainingContext } from '../../src/model/context.js';
import type { Parameter } from '../../src/model/layers/module.js';
import { isBf16 } from '../../src/ops/bf16.js';
import { gradients } from '../../src/training/gradients.js';
import { AdamW } from '../../src/training/optimizer.js';
import { train } from '../../src/training/train.js';
import {
  attachTrial,
  type Base,
  openBase,
  openBuilder,
  openTrial,
  type Trial,
} from '../../src/training/trial.js';
import { writeAdapter } from '../../src/weights/peft.js';
import { nativeMissing, useFastEngine } from '../model/support.js';
import { withFile } from '../weights/fixtures.js';
import { learned, makeBase, makeWorld, type World, worldConfig } from './support.js';

let scratch: string;
beforeAll(async () => {
  await useFastEngine();
  scratch = await mkdtemp(join(tmpdir(), 'reasvqa-trial-'));
});
afterAll(() => rm(scratch, { recursive: true }));

it('has another feature hash when config.json changes the computation of the same vision weights', async () => {
  const base = join(scratch, 'base');
  await makeBase(base, 0);
  const config = await worldConfig({ folder: scratch, data: join(scratch, 'data'), base });
  const path = join(base, 'config.json');
  const written = await readFile(path, 'utf8');
  const hashWith = async (change: Record<string, number>) => {
    const json = JSON.parse(written);
    Object.assign(json.vision_config, change);
    await writeFile(path, JSON.stringify(json));
    const trial = await openTrial(config);
    trial.dispose();
    return trial.visionHash;
  };
  const first = await hashWith({});
  expect(await hashWith({})).toBe(first);
  expect(await hashWith({ layer_norm_eps: 1e-3 })).not.toBe(first);
  expect(await hashWith({ num_attention_heads: 1 })).not.toBe(first);
});

it('trains an adapter of the vision model, as PEFT may have put one on BLIP-2, and keeps no features then', async () => {
  const world = await makeWorld(join(scratch, 'world'));
  const adapter = join(scratch, 'adapter');
  const path = 'vision_model.encoder.layers.0.self_attn.qkv';
  const width = (await readFile(join(world.base, 'config.json'), 'utf8').then(JSON.parse)).vision_config
    .hidden_size as number;
  const module = { r: 1, inFeatures: width, outFeatures: 3 * width, scaling: 2 };
  const config = {
    ...{ r: 1, alpha: 2, dropout: 0, targetModules: ['qkv'] },
    ...{ rankPattern: {}, alphaPattern: {}, useRslora: false },
  };
  const [a, b] = [new Float32Array(width).fill(0.1), new Float32Array(3 * width)];
  await writeAdapter(adapter, { config, base: 'blip2', modules: new Map([[path, { a, b, ...module }]]) });

  const recipe = (cache: boolean) =>
    worldConfig(world, 'train.epochs=1', `model.adapter=${adapter}`, `features.cache=${cache}`);
  await expect(openTrial(await recipe(true))).rejects.toThrow(UsageError);
  await expect(openTrial(await recipe(true))).rejects.toThrow(/^features\.cache: .*adapter makes it learn/);
  const folder = join(scratch, 'run');
  await train({ config: await recipe(false), folder, engine: {} });
  const { last } = await learned(folder);
  const file = join(folder, 'checkpoints', last!, 'trainable.safetensors');
  const after = await withFile(file, (source) => source.read(`${path}.lora_B.weight`));
  expect(Math.max(...(after.data as Float32Array).map(Math.abs))).toBeGreaterThan(1e-4);
});

it("has another feature hash when a frozen adapter changes the vision model's computation", async () => {
  const world = await makeWorld(join(scratch, 'frozen-adapter'));
  const path = 'vision_model.encoder.layers.0.self_attn.qkv';
  const width = (await readFile(join(world.base, 'config.json'), 'utf8').then(JSON.parse)).vision_config
    .hidden_size as number;
  const module = { r: 1, inFeatures: width, outFeatures: 3 * width, scaling: 2 };
  const config = {
    ...{ r: 1, alpha: 2, dropout: 0, targetModules: ['qkv'] },
    ...{ rankPattern: {}, alphaPattern: {}, useRslora: false },
  };
  const hashes: (string | undefined)[] = [];
  for (const value of [undefined, 0.1, 0.2]) {
    const adapter = join(scratch, `frozen-adapter-${value}`);
    const [a, b] = [new Float32Array(width).fill(0.1), new Float32Array(3 * width).fill(value ?? 0)];
    if (value !== undefined)
      await writeAdapter(adapter, { config, base: 'blip2', modules: new Map([[path, { a, b, ...module }]]) });
    const given = value === undefined ? [] : [`model.adapter=${adapter}`];
    const trial = await openTrial(await worldConfig(world, 'model.train=[qformer]', ...given));
    hashes.push(trial.visionHash);
    trial.dispose();
  }
  expect(new Set(hashes).size).toBe(3);
});

/** A trial with what one step of its training needs. */
class Training {
  readonly losses: number[] = [];
  private readonly batches: AsyncGenerator<{ batch: HostBatch }>;
  private readonly optimizer: AdamW;
  private readonly context: Context;

  private constructor(
    readonly trial: Trial,
    readonly config: Config,
    private readonly builder: BatchBuilder,
    split: Split,
  ) {
    const { batch, seed, recompute, dropLast } = config.train;
    const settings = { batch, seed, shuffle: true, dropLast };
    this.batches = new Loader(split.samples, settings, (samples, rng) => builder.prepare(samples, rng)).epoch(
      0,
    );
    this.optimizer = new AdamW(trial.trainable, config.train);
    this.context = trainingContext(trial.student.precision, seed, recompute);
  }

  static async start(trial: Trial, config: Config): Promise<Training> {
    const split = await readSplit(config, config.data.train!, true);
    const options = { runFolder: scratch, onWarning: () => undefined, training: true };
    return new Training(trial, config, openBuilder(trial, config, split, options), split);
  }

  /** One batch, one update. */
  async step(): Promise<void> {
    const { trial, builder, context } = this;
    const { batch } = (await this.batches.next()).value as { batch: HostBatch };
    context.dropout.startStep(this.losses.length);
    const input = builder.input(batch);
    const { targets } = batch.lesson;
    const { losses, grads } = gradients(
      trial.student,
      input,
      targets,
      trial.objective,
      trial.trainable,
      context,
    );
    this.optimizer.update(grads, () => 0.003);
    this.losses.push(losses.read().loss);
    disposeVisual(input);
    tf.dispose(grads);
  }

  /** What it has learned, bit for bit. */
  get learned(): Record<string, Float32Array> {
    return Object.fromEntries(
      this.trial.trainable.map(({ name, value }) => [name, Float32Array.from(value.dataSync())]),
    );
  }

  dispose(): void {
    this.optimizer.dispose();
    this.trial.dispose();
  }
}

describe('trials on one base', () => {
  const STEPS = 3;
  const RECIPES = [
    ['train.beta=0.8', 'train.seed=1'],
    ['train.beta=0.3', 'train.seed=2'],
    ['train.beta=0.8', 'train.seed=1', 'model.train=[language_projection, qformer]'],
    [
      'train.beta=0',
      'train.seed=3',
      'model.train=[lora]',
      'model.lora.targets=[k, wo]',
      'train.recompute=true',
    ],
  ];

  let world: World;
  beforeAll(async () => {
    world = await makeWorld(join(scratch, 'shared'));
  });

  const configsOf = (...overrides: string[]) =>
    Promise.all(RECIPES.map((recipe) => worldConfig(world, ...recipe, ...overrides)));

  const all = ({ student }: Trial | Base['weights']): Map<string, Parameter> =>
    new Map([...student.module.parameters()].map((p) => [p.name, p]));

  /** Losses and final values of a run that has a base of its own. */
  async function alone(config: Config) {
    const training = await Training.start(await openTrial(config), config);
    for (let step = 0; step < STEPS; step++) await training.step();
    const { losses, learned } = training;
    training.dispose();
    return { losses, learned };
  }

  describe.each(['f32', 'bf16'] as const)('in %s', (precision) => {
    const missing = precision === 'bf16' ? nativeMissing : undefined;
    if (missing !== undefined) {
      it.skip(`SKIPPED, native-cpu cannot run: ${missing}`, () => undefined);
      return;
    }

    it('that take turns step by step compute the bits of runs of their own', async () => {
      const configs = await configsOf(`model.precision=${precision}`);
      const before = tf.memory().numTensors;
      const expected: Awaited<ReturnType<typeof alone>>[] = [];
      for (const config of configs) expected.push(await alone(config));
      expect(tf.memory().numTensors).toBe(before);

      const base = await openBase(configs);
      const trainings: Training[] = [];
      for (const config of configs)
        trainings.push(await Training.start(await attachTrial(base, config), config));
      for (let step = 0; step < STEPS; step++) for (const training of trainings) await training.step();
      const found = trainings.map(({ losses, learned }) => ({ losses, learned }));
      expect(found.map(({ losses }) => losses)).toEqual(expected.map(({ losses }) => losses));
      expect(found).toEqual(expected);
      expect(new Set(found.map(({ losses }) => losses.join())).size).toBe(RECIPES.length);
      for (const training of trainings) training.dispose();
      base.dispose();
      expect(tf.memory().numTensors).toBe(before);
    });

    it('share the variables that none of them trains, and no other', async () => {
      const configs = await configsOf(`model.precision=${precision}`);
      const base = await openBase(configs);
      const trials = [];
      for (const config of configs) trials.push(await attachTrial(base, config));
      const shared = [...all(base.weights).values()].filter(({ loaded }) => loaded);
      // Everything but the groups of the first recipe, which has those of the others, too.
      const frozen = [...all(trials[0]!).values()].filter(({ value }) => !value.trainable);
      expect(shared.map(({ name }) => name)).toEqual(frozen.map(({ name }) => name));
      for (const trial of trials)
        for (const { name, value } of shared) expect(all(trial).get(name)!.value, name).toBe(value);
      const own = trials.flatMap((trial) => trial.trainable.map(({ value }) => value));
      expect(new Set(own).size).toBe(own.length);
      for (const { value } of shared) expect(own).not.toContain(value);
      const inBf16 = shared.filter(({ value }) => isBf16(value)).length;
      if (precision === 'bf16') expect(inBf16).toBeGreaterThan(20);
      else expect(inBf16).toBe(0);
      for (const trial of trials) trial.dispose();
      base.dispose();
    });
  });

  it('can be freed in any order; the base stays unchanged, and a later trial starts as the first did', async () => {
    const [config, other] = (await configsOf()) as [Config, Config];
    const base = await openBase([config, other]);
    const held = tf.memory().numTensors;
    const values = () =>
      [...all(base.weights).values()].filter(({ loaded }) => loaded).map(({ value }) => value.dataSync());
    const before = values().map((value) => Float32Array.from(value));
    const first = await Training.start(await attachTrial(base, config), config);
    const second = await Training.start(await attachTrial(base, other), other);
    await first.step();
    await second.step();
    first.dispose();
    await second.step();
    expect(values()).toEqual(before);
    const again = await Training.start(await attachTrial(base, config), config);
    await again.step();
    expect(again.losses).toEqual(first.losses);
    second.dispose();
    await again.step();
    expect(again.losses.every(Number.isFinite)).toBe(true);
    again.dispose();
    expect(tf.memory().numTensors).toBe(held);
    base.dispose();
  });

  it('in runs that go on beside each other leave the run folders of runs alone, evaluations too', async () => {
    const [one, two] = (await configsOf('train.epochs=1')) as [Config, Config];
    const folderOf = (name: string) => join(scratch, name);
    await train({ config: one, folder: folderOf('one-alone'), engine: {} });
    await train({ config: two, folder: folderOf('two-alone'), engine: {} });
    const base = await openBase([one, two]);
    const held = tf.memory().numTensors;
    await Promise.all([
      train({ config: one, folder: folderOf('one'), engine: {}, base }),
      train({ config: two, folder: folderOf('two'), engine: {}, base }),
    ]);
    expect(tf.memory().numTensors).toBe(held);
    base.dispose();
    for (const name of ['one', 'two']) {
      expect(await learned(folderOf(name))).toEqual(await learned(folderOf(`${name}-alone`)));
      for (const file of ['predictions.jsonl', 'evaluations.json'])
        expect(await readFile(join(folderOf(name), file))).toEqual(
          await readFile(join(folderOf(`${name}-alone`), file)),
        );
    }
  });

  it('answer as they do alone while another trains', async () => {
    const [config, other] = (await configsOf()) as [Config, Config];
    const validation = await readSplit(config, config.data.val!, false);
    const options = { runFolder: scratch, onWarning: () => undefined, training: false };
    const answers = async (trial: Trial) => {
      const builder = openBuilder(trial, config, validation, options);
      return (await evaluateSplit({ ...trial, builder, config }, validation.samples)).predictions;
    };
    const single = await openTrial(config);
    const expected = await answers(single);
    single.dispose();
    const base = await openBase([config, other]);
    const trial = await attachTrial(base, config);
    const training = await Training.start(await attachTrial(base, other), other);
    await training.step();
    expect(await answers(trial)).toEqual(expected);
    expect(trial.visionHash).toBe(training.trial.visionHash);
    training.dispose();
    trial.dispose();
    base.dispose();
  });

  it('need one base model, tokenizer and precision, and groups that the model has', async () => {
    const config = await worldConfig(world);
    const before = tf.memory().numTensors;
    for (const [key, value] of [
      ['base', join(scratch, 'elsewhere')],
      ['tokenizer', join(scratch, 'elsewhere')],
      ['precision', 'bf16'],
    ] as const) {
      const different = { ...config, model: { ...config.model, [key]: value } } as Config;
      const error = await openBase([config, different]).catch((e) => e);
      expect(error).toBeInstanceOf(UsageError);
      expect(error.message).toBe(
        `model.${key}: trials on one base need one value, got ${config.model[key]} and ${value}`,
      );
    }
    const missing = { ...config, model: { ...config.model, base: join(scratch, 'elsewhere') } };
    await expect(openBase([missing])).rejects.toThrow(DataError);
    const base = await openBase([config]);
    const unknown = {
      ...config,
      model: { ...config.model, train: ['lora', 'perceiver'] },
    } as unknown as Config;
    const error = await attachTrial(base, unknown).catch((e) => e);
    expect(error).toBeInstanceOf(UsageError);
    expect(error.message).toMatch(
      /^model\.train: BLIP-2 with FlanT5 has no perceiver; it has qformer, .*lora, all$/,
    );
    base.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});
