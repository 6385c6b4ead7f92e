// Registers the toy; first, because the config's schema asks for the groups of all architectures when it is imported.
import './toyStudent.js';

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { DataError, UsageError } from '../../src/base/errors.js';
import { Rng } from '../../src/base/random.js';
import { readAnnotations } from '../../src/data/annotations.js';
import { blip2 } from '../../src/model/blip2/kind.js';
import { inferenceContext } from '../../src/model/context.js';
import { llava } from '../../src/model/llava/kind.js';
import { attach, openBase, saveStudent } from '../../src/model/load.js';
import { kindOf, readStudentConfig, studentKinds, trainableGroups } from '../../src/model/registry.js';
import { evaluateRun } from '../../src/training/evaluateRun.js';
import { runPaths } from '../../src/training/run/folder.js';
import { readMetrics } from '../../src/training/run/metrics.js';
import { train } from '../../src/training/train.js';
import { openTrained } from '../../src/training/trained.js';
import { openTrial } from '../../src/training/trial.js';
import {
  copyTokenizer,
  learned,
  makeWorld,
  signalAtLook,
  type World,
  worldConfig,
} from '../training/support.js';
import { withFile } from '../weights/fixtures.js';
import { nativeMissing, randomise, useFastEngine } from './support.js';
import { ToyStudent, toy } from './toyStudent.js'; // Registers the toy, before the config's schema asks what there is.

let scratch: string;
let world: World;
beforeAll(async () => {
  await useFastEngine();
  scratch = await mkdtemp(join(tmpdir(), 'reasvqa-registry-'));
  const made = await makeWorld(scratch);
  world = { ...made, base: join(scratch, 'toy') };
  await makeToy(world.base);
});
afterAll(() => rm(scratch, { recursive: true }));

/** A folder with a random toy that reads and writes the words of the shapes world. */
async function makeToy(folder: string): Promise<void> {
  const vocabulary = await copyTokenizer(folder);
  const student = new ToyStudent({ model_type: 'toy', width: 24, image_size: 16, vocab_size: vocabulary });
  randomise(student.module.parameters(), new Rng('toy'));
  await saveStudent(student, folder);
  student.dispose();
}

/** A recipe of the world for the toy: two steps an epoch, one epoch. */
const toyConfig = (...overrides: string[]) => silentConfig('model.train=[projector, mix]', ...overrides);
/** One that names no groups. */
const silentConfig = (...overrides: string[]) =>
  worldConfig(world, 'train.epochs=1', 'train.batch=12', ...overrides);

describe('the registry of architectures', () => {
  it('knows BLIP-2 and registered architectures, with their groups', () => {
    expect(studentKinds()).toEqual([blip2, llava, toy]);
    expect(trainableGroups()).toEqual([...blip2.groups, ...llava.groups, 'projector', 'mix', 'lora', 'all']);
  });

  it('finds the architecture by model_type; BLIP-2 where a file does not say', () => {
    expect(kindOf({ model_type: 'toy' }, 'config.json')).toBe(toy);
    expect(kindOf({ model_type: 'blip-2' }, 'config.json')).toBe(blip2);
    for (const silent of [{}, { model_type: null }, null, 3])
      expect(kindOf(silent, 'config.json')).toBe(blip2);
  });

  it('names the known architectures for an unknown model_type', async () => {
    const folder = await mkdtemp(join(scratch, 'other-'));
    await writeFile(join(folder, 'config.json'), JSON.stringify({ model_type: 'florence2' }));
    const error = await readStudentConfig(folder).catch((e) => e);
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toBe(
      `${join(folder, 'config.json')}: model_type is "florence2", which is not supported; expected BLIP-2 with FlanT5 or LLaVA-OneVision with Qwen2 or a bag of words`,
    );
  });

  it('reads the config of a folder or a file as its architecture does', async () => {
    for (const path of [world.base, join(world.base, 'config.json')]) {
      const { kind, config, file } = await readStudentConfig(path);
      expect([kind, file]).toEqual([toy, join(world.base, 'config.json')]);
      expect(config).toMatchObject({ model_type: 'toy', width: 24 });
    }
    const folder = await mkdtemp(join(scratch, 'bad-'));
    await writeFile(join(folder, 'config.json'), JSON.stringify({ model_type: 'toy', width: 0 }));
    await expect(readStudentConfig(folder)).rejects.toThrow(/config\.json: width 0, expected above 0/);
  });
});

describe('a student of another architecture', () => {
  it('is loaded, and attached to a shared base', async () => {
    const before = tf.memory().numTensors;
    const base = await openBase(world.base, { trained: ['projector'] });
    expect(base.comparison).toMatchObject({ missing: [], unexpected: [], misshaped: [], own: [] });
    const student = await attach(base, ['projector']);
    expect(student).toBeInstanceOf(ToyStudent);
    await withFile(join(world.base, 'model.safetensors'), async (file) => {
      for (const { name, value } of student.module.parameters())
        expect(value.dataSync(), name).toEqual((await file.read(name)).data);
    });
    const own = [...student.module.weights].map(({ originalName }) => originalName);
    expect(own).toEqual(['projector.weight', 'projector.bias']);
    student.dispose();
    base.student.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('is trained for two steps on both losses, evaluated, and answers with its best checkpoint', async () => {
    const before = tf.memory().numTensors;
    const folder = join(scratch, 'run');
    const config = await toyConfig();
    const result = await train({ config, folder, engine: {} });
    expect(result).toMatchObject({ steps: 2, epochs: 1 });
    expect(tf.memory().numTensors).toBe(before);
    const lines = readMetrics(folder).filter((line) => 'train/loss' in line);
    expect(lines).toHaveLength(2);
    for (const line of lines) {
      const [qa, reasoning] = ['qa', 'reasoning'].map((name) => line[`train/loss_${name}`] as number);
      expect(line['train/loss']).toBeCloseTo(0.2 * qa! + 0.8 * reasoning!, 5);
    }
    const { trial } = await openTrained(runPaths(folder), config);
    expect(trial.trainable.map(({ name }) => name)).toEqual([
      ...['projector.weight', 'projector.bias', 'text.mix.weight', 'text.mix.bias'],
    ]);
    for (const { name, value } of trial.trainable)
      expect(Math.max(...value.dataSync().map(Math.abs)), name).toBeGreaterThan(0);
    trial.dispose();

    const out = join(folder, 'official.json');
    const { samples } = await readAnnotations({ dataset: 'shapes', file: config.data.val! });
    const { answered, score } = await evaluateRun({
      ...{ paths: runPaths(folder), config, file: config.data.val!, out },
    });
    expect(answered).toBe(samples.length);
    expect(score!.total).toEqual(result.score!.total);
    expect(Object.keys(JSON.parse(await readFile(out, 'utf8')))).not.toHaveLength(0);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('learns: its loss falls over epochs, and a run that is interrupted continues to the same bits', async () => {
    const config = await toyConfig(
      ...['model.train=[all]', 'features.cache=false', 'train.epochs=6'],
      ...['train.learningRate=0.02', 'train.warmupSteps=0'],
    );
    const [whole, stopped] = [join(scratch, 'whole'), join(scratch, 'stopped')];
    await train({ config, folder: whole, engine: {} });
    const losses = readMetrics(whole).flatMap((line) =>
      'train/loss' in line ? [line['train/loss'] as number] : [],
    );
    expect(losses.at(-1)).toBeLessThan(0.9 * losses[0]!);
    await expect(train({ config, folder: stopped, engine: {}, signal: signalAtLook(4) })).rejects.toThrow(
      /stopped/,
    );
    await train({ config, folder: stopped, engine: {} });
    expect(await learned(stopped)).toEqual(await learned(whole));
  });

  it.each([
    [
      'single-task training that writes the reasoning first',
      ['train.mode=stl', 'train.stlTarget=reasoning-answer', 'eval.scorer=generate', 'text.maxReasoning=20'],
    ],
    ['a prompt of its own for the reasoning', ['text.reasoningPrompt=Why? {question} {options}']],
    ['its own colours, decoded every time', ['features.cache=false', 'model.train=[all]']],
    [
      'random frames and no word before them',
      ['features.cache=false', 'video.sampling=random', 'video.prefix=false'],
    ],
    ['recomputation and accumulation', ['train.recompute=true', 'train.accumulate=2']],
    ...(nativeMissing === undefined ? [['frozen weights in bf16', ['model.precision=bf16']] as const] : []),
  ] as [string, string[]][])('goes through the rest of a recipe: %s', async (title, overrides) => {
    const folder = join(scratch, title.replaceAll(' ', '-'));
    const result = await train({ config: await toyConfig(...overrides), folder, engine: {} });
    expect(result.score).not.toBeNull();
    expect(await readdir(join(folder, 'checkpoints'))).toHaveLength(1);
  });

  it('has adapters below its own language model, which are saved and loaded again', async () => {
    const lora = ['model.train=[projector, lora]', 'model.lora.targets=[mix]'];
    const first = join(scratch, 'adapter-run');
    const config = await toyConfig(...lora);
    await train({ config, folder: first, engine: {} });
    const { last } = await learned(first);
    const adapter = join(first, 'checkpoints', last!);
    const saved = await withFile(join(adapter, 'trainable.safetensors'), async (file) => {
      expect(file.names.sort()).toEqual([
        ...['projector.bias', 'projector.weight', 'text.mix.lora_A.weight', 'text.mix.lora_B.weight'],
      ]);
      return (await file.read('text.mix.lora_B.weight')).data;
    });
    expect(Math.max(...(saved as Float32Array).map(Math.abs))).toBeGreaterThan(0);
    const loaded = await openTrial(await toyConfig(...lora, `model.adapter=${adapter}`));
    const parameter = [...loaded.student.module.parameters()].find(({ name }) =>
      name.endsWith('lora_B.weight'),
    );
    expect(parameter!.name).toBe('text.mix.lora_B.weight');
    expect(parameter!.value.dataSync()).toEqual(saved);
    loaded.dispose();
  });

  it('trains its own default groups when a recipe names none, and the run says so', async () => {
    const folder = join(scratch, 'default-groups');
    const config = await silentConfig('model.lora.targets=[mix]');
    await train({ config, folder, engine: {} });
    const written = parse(await readFile(runPaths(folder).config, 'utf8'));
    expect(written.model.train).toEqual(toy.defaultGroups);
    const names = [
      ...['projector.weight', 'projector.bias', 'text.mix.lora_A.weight', 'text.mix.lora_B.weight'],
    ];
    const { trial } = await openTrained(runPaths(folder), config);
    expect(trial.trainable.map(({ name }) => name)).toEqual(names);
    trial.dispose();

    const { train: _, ...model } = config.model;
    const early = await openTrial({ ...config, model });
    expect(early.trainable.map(({ name }) => name)).toEqual(names);
    early.dispose();
  });

  it('refuses the groups of another one, by name', async () => {
    const before = tf.memory().numTensors;
    const request = { folder: join(scratch, 'groups'), engine: {} };
    const error = await train({ ...request, config: await toyConfig('model.train=[qformer]') }).catch(
      (e) => e,
    );
    expect(error).toBeInstanceOf(UsageError);
    expect(error.message).toBe(
      'model.train: a bag of words has no qformer; it has projector, mix, lora, all',
    );
    expect(tf.memory().numTensors).toBe(before);
  });

  it('gives written tokens the log-probabilities of its own losses', async () => {
    const base = await openBase(world.base, { trained: [] });
    const { student } = base;
    const rng = new Rng('toy input');
    const [tokens, width] = student.featureShape;
    const features = tf.tensor3d(
      Float32Array.from({ length: 6 * tokens * width }, () => rng.normal()),
      [6, tokens, width],
    );
    const input = { visual: { features }, frames: 2, prompts: [[5, 6, 7], [8], [9, 10]] };
    const encoded = student.encode(input);
    const sampling = { temperature: 1, seeds: ['a', 'b', 'c'] };
    const { ids, logProbs } = student.generate(encoded, { maxNewTokens: 5, sampling });
    const seen = tf.tidy(() => {
      const losses = student.losses(input, [{ name: 'own', rows: ids }], inferenceContext());
      return losses.values.dataSync();
    });
    logProbs.flat().forEach((value, i) => {
      expect(value).toBeCloseTo(-seen[i]!, 5);
    });
    encoded.dispose();
    features.dispose();
    student.dispose();
  });
});
