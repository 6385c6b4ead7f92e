/** Training by rewards: the bandit, a run that is killed and continued, the reference, metrics and what stops it. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Interrupted, UsageError } from '../../../../src/base/errors.js';
import { Rng } from '../../../../src/base/random.js';
import type { Sample } from '../../../../src/data/sample.js';
import { trainingContext } from '../../../../src/model/context.js';
import type { StudentInput, Target } from '../../../../src/model/student.js';
import { selectTrainable } from '../../../../src/model/trainable.js';
import { encodePrompt } from '../../../../src/text/encode.js';
import { qaPrompt } from '../../../../src/text/prompts.js';
import { evaluateLosses, gradients } from '../../../../src/training/gradients.js';
import type { ObjectiveSettings } from '../../../../src/training/objectives/objective.js';
import { Reference } from '../../../../src/training/objectives/rl/reference.js';
import { rl } from '../../../../src/training/objectives/rl/rl.js';
import { AdamW } from '../../../../src/training/optimizer.js';
import { readMetrics } from '../../../../src/training/run/metrics.js';
import { train } from '../../../../src/training/train.js';
import { openTrial, type Trial } from '../../../../src/training/trial.js';
import type { Blip2Config } from '../../../../src/weights/config.js';
import { DROPOUT, randomBatch, tinyStudent, useFastEngine } from '../../../model/support.js';
import { equalMetrics, learned, makeWorld, signalAtLook, type World, worldConfig } from '../../support.js';

const SHAPES = fileURLToPath(new URL('../../../../weights/shapes', import.meta.url));

let scratch: string;
let world: World;
beforeAll(async () => {
  await useFastEngine();
  scratch = await mkdtemp(join(tmpdir(), 'reasvqa-rl-'));
  world = await makeWorld(scratch);
});
afterAll(() => rm(scratch, { recursive: true }));

const REWARDED = [
  'train.mode=rl',
  'train.rl.rewards.choice=1',
  'train.rl.group=4',
  'train.rl.maxNewTokens=6',
];

const optimizerOf = (trial: Trial) =>
  new AdamW(trial.trainable, { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, clipNorm: 1 });

describe('a bandit', () => {
  it('that pays for the letter A is learned within 30 updates, from the shipped weights', async () => {
    const config = await worldConfig(
      world,
      ...['train.mode=rl', 'train.rl.rewards.choice=1', 'train.rl.group=16', 'train.rl.maxNewTokens=4'],
      // The student hardly ever says A of itself; at a temperature of 2 it does.
      ...['train.rl.temperature=2', 'train.rl.beta=0', 'train.batch=2'],
      ...[`model.base=${SHAPES}`, 'model.train=[lora]', 'features.cache=false'],
    );
    const trial = await openTrial(config);
    const { student, tokenizer, objective, trainable } = trial;
    const touched = (colour: string) => `the ${colour} object touched it.`;
    const samples = ['change colour', 'grow'].map(
      (what): Sample => ({
        ...{ id: what, dataset: 'shapes', video: 'none', type: 'why', answer: 0 },
        question: `why did the red object ${what}?`,
        options: ['yellow', 'blue', 'purple', 'cyan', 'green'].map(touched),
      }),
    );
    const { imageSize } = student.preprocessing;
    const features = student.features(tf.zeros([samples.length, 3, imageSize, imageSize]));
    const input: StudentInput = {
      visual: { features },
      frames: 1,
      prompts: samples.map((sample) => encodePrompt(tokenizer, qaPrompt(sample), 128).ids),
    };
    const optimizer = optimizerOf(trial);
    const shareOfA = () => {
      const encoded = student.encode(input);
      const scores = student.tokenScores(encoded, tokenizer.answerStart(), tokenizer.letterIds(5));
      encoded.dispose();
      return scores.map((row) => {
        const weights = row.map((score) => Math.exp(score - Math.max(...row)));
        return weights[0]! / weights.reduce((a, b) => a + b);
      });
    };
    expect(Math.max(...shareOfA())).toBeLessThan(0.1);
    const context = { ...trainingContext('f32', 1, false), training: false };
    let pass = 0;
    for (; pass < 30 && Math.min(...shareOfA()) <= 0.9; pass++) {
      const targets = await objective.respond!({
        ...{ student, input, samples, pass },
        lesson: objective.encode(samples),
      });
      const { losses, grads } = gradients(student, input, targets, objective, trainable, context);
      losses.dispose();
      optimizer.update(grads, () => 0.005, objective.scale!(1));
      tf.dispose(grads);
    }
    expect(Math.min(...shareOfA())).toBeGreaterThan(0.9);
    // The share that sampling pays for has risen with it.
    objective.metrics!();
    const lesson = objective.encode(samples);
    const targets = await objective.respond!({ student, input, samples, pass, lesson });
    evaluateLosses(student, input, targets, objective, context);
    expect(objective.metrics!()['rl/reward']).toBeGreaterThan(0.3);
    optimizer.dispose();
    features.dispose();
    trial.dispose();
  });
});

describe('a run that learns from rewards', () => {
  let runs = 0;
  async function run({
    overrides = [] as string[],
    folder = join(scratch, `run-${runs++}`),
    signal = undefined as AbortSignal | undefined,
  } = {}) {
    const config = await worldConfig(world, ...REWARDED, ...overrides);
    const request = { config, folder, engine: {} };
    return { folder, result: await train(signal ? { ...request, signal } : request) };
  }

  it('equals itself, interrupted and continued, bit for bit, and says what became of its completions', async () => {
    const overrides = ['train.rl.rewards.rouge=0.5', 'train.rl.dgrpo=true', 'train.accumulate=2'];
    const before = tf.memory().numTensors;
    const whole = await run({ overrides });
    expect(tf.memory().numTensors).toBe(before);
    const folder = join(scratch, 'interrupted');
    await expect(run({ overrides, folder, signal: signalAtLook(2) })).rejects.toThrow(Interrupted);
    await run({ overrides, folder });
    expect(await learned(folder)).toEqual(await learned(whole.folder));
    expect(equalMetrics(folder)).toEqual(equalMetrics(whole.folder));
    expect(await readFile(join(folder, 'predictions.jsonl'))).toEqual(
      await readFile(join(whole.folder, 'predictions.jsonl')),
    );
    const lines = readMetrics(whole.folder).filter((line) => 'train/loss' in line);
    expect(lines).toHaveLength(whole.result.steps);
    for (const line of lines) {
      const value = (name: string) => line[`rl/${name}`] as number;
      expect(value('reward')).toBeCloseTo(value('reward_choice'), 9);
      // The world's questions have options and no free answer.
      expect(line).not.toHaveProperty('rl/reward_rouge');
      expect(value('unrewarded')).toBe(0);
      for (const share of ['no_spread', 'cut']) expect(value(share)).toBeGreaterThanOrEqual(0);
      for (const share of ['no_spread', 'cut']) expect(value(share)).toBeLessThanOrEqual(1);
      expect(value('length_min')).toBeGreaterThanOrEqual(1);
      expect(value('length_max')).toBeLessThanOrEqual(6);
      expect(value('length')).toBeGreaterThanOrEqual(value('length_min'));
      expect(value('entropy')).toBeGreaterThan(0);
      expect(line['train/loss_own']).toBeCloseTo(value('entropy'), 4);
    }
    // The reference is the student as training began, also of the run that was continued.
    expect(lines[0]!['rl/kl']).toBe(0);
    expect(lines.at(-1)!['rl/kl']).toBeGreaterThanOrEqual(0);
  });

  it('has in a line of metrics what came before the checkpoint that it was continued from', async () => {
    const lines = ['train.logEverySteps=5', 'train.rl.survey=0', 'train.rl.stopNoSpread=1'];
    const overrides = [...lines, 'train.batch=2', 'train.epochs=1'];
    const whole = await run({ overrides });
    const folder = join(scratch, 'between-lines');
    for (const _ of [1, 2])
      await expect(run({ overrides, folder, signal: signalAtLook(3) })).rejects.toThrow(Interrupted);
    await run({ overrides, folder });
    expect(equalMetrics(folder)).toEqual(equalMetrics(whole.folder));
  });

  it('learns nothing where no reward applies, and goes on', async () => {
    const { folder } = await run({
      overrides: [
        'train.rl.rewards.choice=null',
        'train.rl.rewards.iou=1',
        'train.rl.beta=0',
        'train.epochs=1',
      ],
    });
    const lines = readMetrics(folder).filter((line) => 'train/loss' in line);
    for (const line of lines) {
      expect(Math.abs(line['train/loss'] as number)).toBe(0);
      expect(line['rl/unrewarded']).toBe(1);
      expect(line['rl/no_spread']).toBe(1);
      expect(line).not.toHaveProperty('rl/reward');
      expect(line).not.toHaveProperty('rl/kl');
    }
  });

  it('is stopped with a checkpoint and a sentence when nothing can be learned', async () => {
    const overrides = ['train.rl.rewards.choice=null', 'train.rl.rewards.iou=1', 'train.rl.beta=0'];
    const small = ['train.rl.group=2', 'train.rl.maxNewTokens=1', 'data.val=null', 'train.epochs=4'];
    const folder = join(scratch, 'stopped');
    const stopped = run({ overrides: [...overrides, ...small], folder });
    await expect(stopped).rejects.toThrow(UsageError);
    await expect(stopped).rejects.toThrow(
      /stopped at step 20 with a checkpoint: 100\.0 % of the groups have equal rewards over the last 20 updates \(no reward applies to 100\.0 %/,
    );
    expect((await learned(folder)).last).toBe('step-00000020');
    // The sentence names the rule: with another value of it the run goes on.
    await run({ overrides: [...overrides, ...small, 'train.rl.stopNoSpread=1'], folder });
    // One that was continued in the middle of those updates is stopped at the same one.
    const again = join(scratch, 'stopped-later');
    const request = { overrides: [...overrides, ...small], folder: again };
    await expect(run({ ...request, signal: signalAtLook(7) })).rejects.toThrow(Interrupted);
    await expect(run(request)).rejects.toThrow(/stopped at step 20 with a checkpoint/);
  });

  it('divides by the tokens of all batches of an update for dapo, by the batches otherwise', async () => {
    for (const loss of ['dapo', 'grpo']) {
      const config = await worldConfig(world, ...REWARDED, `train.rl.loss=${loss}`, 'train.rl.beta=0');
      const { student, objective, trainable, dispose } = await openTrial(config);
      const batch = randomBatch(new Rng('update'), student.config as Blip2Config, { videos: 2, prefix: 0 });
      const samples = ['a', 'b'].map(
        (id): Sample => ({
          ...{ id, dataset: 'shapes', video: 'none', question: 'what?', type: 'what', answer: 0 },
          options: ['x', 'y'],
        }),
      );
      const context = { ...trainingContext('f32', 1, false), training: false };
      let tokens = 0;
      for (const pass of [0, 1]) {
        const step = { student, input: batch.input, samples, pass, lesson: objective.encode(samples) };
        const targets = await objective.respond!(step);
        tokens += targets.flatMap(({ rows }) => rows).reduce((sum, row) => sum + row.length, 0);
        const { losses, grads } = gradients(student, batch.input, targets, objective, trainable, context);
        losses.dispose();
        tf.dispose(grads);
      }
      // Batches of 4 samples, 4 completions each, of 6 tokens at most.
      expect(objective.scale!(2)).toBe(loss === 'dapo' ? (4 * 4 * 6) / tokens : 1 / 2);
      batch.pixels.dispose();
      dispose();
    }
  });

  it('refuses the format where the vocabulary has no tags, and takes it where it has', async () => {
    const config = await worldConfig(
      world,
      ...[...REWARDED, 'train.rl.rewards.format=1', 'eval.scorer=generate'],
    );
    const settings = (tokenizer: unknown) => ({ config, tokenizer }) as ObjectiveSettings;
    const trial = await openTrial(config);
    const { tokenizer } = trial;
    expect(() => rl(settings(tokenizer))).not.toThrow();
    const without = { ...tokenizer, origin: 't5', encode: () => [2], decode: () => 'think>a' };
    expect(() => rl(settings(without))).toThrow(UsageError);
    trial.dispose();
  });
});

describe('the reference', () => {
  it('stays as training began, while the student that it shares memory with learns in place', () => {
    const student = tinyStudent(DROPOUT);
    const parameters = selectTrainable(student, ['lora', 'qformer']);
    const batch = randomBatch(new Rng('reference'), student.config);
    const reference = new Reference(parameters);
    const targets: Target[] = [{ ...batch.answer, temperature: 1.5 }];
    const now = () => new Reference(parameters);
    const first = [...reference.logProbs(student, batch.input, targets)];
    const optimizer = new AdamW(parameters, {
      beta1: 0.9,
      beta2: 0.999,
      eps: 1e-8,
      weightDecay: 0,
      clipNorm: 0,
    });
    const grads = parameters.map(({ shape }) => tf.ones(shape));
    optimizer.update(grads, () => 0.05);
    tf.dispose(grads);
    const before = tf.memory().numTensors;
    expect([...reference.logProbs(student, batch.input, targets)]).toEqual(first);
    expect(tf.memory().numTensors).toBe(before);
    const present = now();
    // The present student is another one, and is as it was before the reference took its place.
    expect([...present.logProbs(student, batch.input, targets)]).not.toEqual(first);
    present.dispose();
    reference.dispose();
    optimizer.dispose();
    student.dispose();
    batch.pixels.dispose();
  });
});
