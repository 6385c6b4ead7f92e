/** Objectives: weighted means, a loss of their own, targets made inside the step. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { Interrupted } from '../../../src/base/errors.js';
import { Rng } from '../../../src/base/random.js';
import { inferenceContext } from '../../../src/model/context.js';
import type { Parameter } from '../../../src/model/layers/module.js';
import type { Target, TokenLosses } from '../../../src/model/student.js';
import { selectTrainable } from '../../../src/model/trainable.js';
import { evaluateLosses, gradients } from '../../../src/training/gradients.js';
import { registerObjective } from '../../../src/training/objectives/index.js';
import {
  meansByTarget,
  type Objective,
  type ObjectiveSettings,
  type StepInput,
  tokenWeights,
  weightedMeans,
} from '../../../src/training/objectives/objective.js';
import { readMetrics } from '../../../src/training/run/metrics.js';
import { train } from '../../../src/training/train.js';
import {
  OBJECTIVE,
  randomBatch,
  relativeDifference,
  tinyStudent,
  useFastEngine,
} from '../../model/support.js';
import { learned, makeWorld, signalAtLook, type World, worldConfig } from '../support.js';

beforeAll(useFastEngine);

const ROUNDS = 60;

/** Up to three targets with the places of up to forty tokens, of which some are padding. */
function randomPlaces(rng: Rng) {
  const targets: Target[] = Array.from({ length: 1 + rng.int(3) }, (_, i) => ({
    name: `target ${i}`,
    rows: [],
  }));
  const target = Int16Array.from({ length: rng.int(40) }, () => rng.int(targets.length + 1) - 1);
  const values = Float32Array.from(target, (index) => (index < 0 ? 0 : 9 * rng.float()));
  return { targets, target, values };
}

/** Token losses as a student gives them. */
function lossesOf({ target, values }: { target: Int16Array; values: Float32Array }): TokenLosses {
  const unused = () => {
    throw new Error('not asked for');
  };
  return { values: tf.tensor1d(values), target, row: new Int32Array(target.length), likeliest: unused };
}

/** Mean of each target's values, taken one by one; undefined for a target without any. */
function meansOneByOne({ targets, target, values }: ReturnType<typeof randomPlaces>) {
  return targets.map((_, index) => {
    const own = [...values].filter((_, i) => target[i] === index);
    return own.length === 0 ? undefined : own.reduce((a, b) => a + b, 0) / own.length;
  });
}

describe('token weights', () => {
  it('make the weighted sum of losses the weighted sum of means, and sum to the weights', () => {
    const rng = new Rng('weights');
    for (let round = 0; round < ROUNDS; round++) {
      const places = randomPlaces(rng);
      const losses = lossesOf(places);
      const shares = places.targets.map(() => rng.float());
      const weights = tokenWeights(losses, shares);
      const means = meansOneByOne(places);
      places.target.forEach((index, i) => {
        if (index < 0) expect(weights[i]).toBe(0);
        else {
          const count = places.target.filter((other) => other === index).length;
          expect(weights[i]).toBe(Math.fround(shares[index]! / count));
        }
      });
      const total = means.reduce<number>(
        (sum, mean, i) => sum + (mean === undefined ? 0 : shares[i]! * mean),
        0,
      );
      const scalar = tf.tidy(() => weightedMeans(losses, weights).dataSync()[0]!);
      expect(scalar).toBeCloseTo(total, 4);
      const sum = weights.reduce((a, b) => a + b, 0);
      expect(sum).toBeCloseTo(
        shares.reduce((a, share, i) => a + (means[i] === undefined ? 0 : share), 0),
        5,
      );
      losses.values.dispose();
    }
  });

  it('count tokens over the whole batch, so that long answers weigh more than short ones', () => {
    const places = { target: Int16Array.of(0, 0, 0, -1), values: Float32Array.of(3, 6, 9, 0) };
    const losses = lossesOf(places);
    const [target] = [{ name: 'qa', rows: [] }];
    expect(meansByTarget(places.values, losses, [target!])).toEqual({ qa: 6 });
    expect([...tokenWeights(losses, [0.5])]).toEqual([1, 1, 1, 0].map((one) => Math.fround(one / 6)));
    losses.values.dispose();
  });
});

describe('means by target', () => {
  it('are those of each target by name, without the targets that have no token', () => {
    const rng = new Rng('means');
    for (let round = 0; round < ROUNDS; round++) {
      const places = randomPlaces(rng);
      const means = meansByTarget(places.values, places, places.targets);
      const expected = meansOneByOne(places);
      places.targets.forEach(({ name }, i) => {
        if (expected[i] === undefined) expect(means).not.toHaveProperty(name);
        else expect(means[name]).toBeCloseTo(expected[i]!, 9);
      });
      expect(Object.keys(means)).toHaveLength(expected.filter((mean) => mean !== undefined).length);
    }
  });

  it('leave out a target without tokens, whose weight is on none', () => {
    const places = { target: Int16Array.of(0, -1, -1), values: Float32Array.of(2, 0, 0) };
    const losses = lossesOf(places);
    const targets = ['qa', 'reasoning'].map((name) => ({ name, rows: [] }));
    expect(meansByTarget(places.values, losses, targets)).toEqual({ qa: 2 });
    expect([...tokenWeights(losses, [1, 1])]).toEqual([1, 0, 0]);
    losses.values.dispose();
  });
});

describe('a loss of the objective', () => {
  const student = () => tinyStudent();

  function gradientsOf(rule: Pick<Objective, 'losses' | 'loss'>) {
    const model = student();
    const batch = randomBatch(new Rng('own loss'), model.config);
    const parameters: Parameter[] = selectTrainable(model, ['lora', 'language_projection']);
    const before = tf.memory().numTensors;
    const given = [model, batch.input, batch.targets, rule] as const;
    const { losses, grads } = gradients(...given, parameters, inferenceContext());
    const values = losses.read();
    expect(evaluateLosses(...given, inferenceContext())).toEqual(values);
    const all = grads.flatMap((grad) => [...grad.dataSync()]);
    tf.dispose(grads);
    expect(tf.memory().numTensors).toBe(before);
    batch.pixels.dispose();
    model.dispose();
    return { values, all };
  }

  it('that equals the weighted sum trains the same, and its gradient is the one that is used', () => {
    const weighted = gradientsOf(OBJECTIVE);
    const shares = [0.2, 0.8];
    const same = (losses: TokenLosses) => weightedMeans(losses, tokenWeights(losses, shares));
    const own = gradientsOf({ losses: OBJECTIVE.losses, loss: same });
    expect(own.values.parts).toEqual(weighted.values.parts);
    expect(own.values.loss).toBeCloseTo(weighted.values.loss, 5);
    expect(own.all).toEqual(weighted.all);
    const tripled = gradientsOf({ losses: [], loss: (losses) => tf.mul(3, same(losses)) });
    expect(tripled.values.loss).toBeCloseTo(3 * weighted.values.loss, 5);
    expect(
      relativeDifference(
        tripled.all,
        weighted.all.map((value) => 3 * value),
      ),
    ).toBeLessThan(1e-5);
  });

  it('need not be linear in the losses of the tokens', () => {
    let slopes: number[] = [];
    const squares = ({ values }: TokenLosses): tf.Scalar => {
      const v = values.dataSync();
      slopes = [...v].map((value) => (2 * value) / v.length);
      return tf.mean(tf.square(values));
    };
    const own = gradientsOf({ losses: [], loss: squares });
    // By the chain rule: the sum of token losses, each weighed by the slope of the squares where it stands.
    const linear = gradientsOf({ losses: [], loss: ({ values }) => tf.sum(tf.mul(values, slopes)) });
    expect(relativeDifference(own.all, linear.all)).toBeLessThan(1e-5);
    expect(own.values.parts).toEqual(linear.values.parts);
  });

  it('may weigh each row by itself, as policy gradients do', () => {
    const shares = [0.5, -2, 0.25];
    const byRow = ({ values, target, row }: TokenLosses, only?: number) => {
      const weights = Float32Array.from(target, (index, at) => {
        const isIn = index >= 0 && (only === undefined || row[at] === only);
        return isIn ? shares[row[at]!]! : 0;
      });
      return tf.sum(tf.mul(values, tf.tensor1d(weights))) as tf.Scalar;
    };
    const whole = gradientsOf({ losses: [], loss: (losses) => byRow(losses) });
    const rows = shares.map((_, only) => gradientsOf({ losses: [], loss: (losses) => byRow(losses, only) }));
    const sum = whole.all.map((_, i) => rows.reduce((total, { all }) => total + all[i]!, 0));
    expect(relativeDifference(whole.all, sum)).toBeLessThan(1e-5);
    for (const { all } of rows) expect(Math.max(...all.map(Math.abs))).toBeGreaterThan(1e-3);
  });
});

describe('an objective that answers with the student itself', () => {
  let scratch: string;
  let world: World;
  let runs = 0;
  beforeAll(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'reasvqa-objective-'));
    world = await makeWorld(scratch);
  });
  afterAll(() => rm(scratch, { recursive: true }));
  afterEach(() => vi.restoreAllMocks());

  const WORDS = 6;

  /**
   * Writes WORDS words of its own for each sample, drawn with the pass and the sample's id, and learns them; with a reward
   * it learns the more from a row the better that is: policy gradients (Williams 1992), whose loss goes to `expected`.
   */
  function ownWords(
    { tokenizer }: ObjectiveSettings,
    steps: StepInput[],
    reward?: (ids: readonly number[]) => number,
    expected: number[] = [],
  ): Objective {
    return {
      losses: [{ name: 'own', weight: 1 }],
      encode: () => ({ targets: [], truncated: new Map() }),
      respond: (step) => {
        steps.push(step);
        const { student, input, samples, pass } = step;
        const encoded = student.encode(input);
        const seeds = samples.map(({ id }) => `${pass}/${id}`);
        const { ids } = student.generate(encoded, {
          maxNewTokens: WORDS,
          eosId: tokenizer.eosId,
          sampling: { temperature: 0.7, seeds },
        });
        encoded.dispose();
        return [{ name: 'own', rows: ids.map((row) => [...row, tokenizer.eosId]) }];
      },
      ...(reward
        ? {
            loss: (losses, [own]) => {
              const rewards = own!.rows.map(reward);
              const mean = rewards.reduce((a, b) => a + b, 0) / rewards.length;
              const advantages = Float32Array.from(losses.target, (index, at) =>
                index < 0 ? 0 : rewards[losses.row[at]!]! - mean,
              );
              const values = [...losses.values.dataSync()];
              expected.push(
                values.reduce((sum, value, at) => sum + value * advantages[at]!, 0) / values.length,
              );
              return tf.mean(tf.mul(losses.values, tf.tensor1d(advantages)));
            },
          }
        : {}),
    };
  }

  /** Trains a recipe of the world on it, in a new folder. */
  async function run({
    overrides = [] as string[],
    reward = undefined as ((ids: readonly number[]) => number) | undefined,
    expected = [] as number[],
    folder = join(scratch, `run-${runs++}`),
    signal = undefined as AbortSignal | undefined,
  } = {}) {
    const steps: StepInput[] = [];
    registerObjective('own-words', (settings) => ownWords(settings, steps, reward, expected));
    const config = await worldConfig(world, 'train.mode=own-words', ...overrides);
    const request = { config, folder, engine: {} };
    const result = await train(signal ? { ...request, signal } : request);
    return { folder, result, steps };
  }

  const lossesIn = (folder: string) =>
    readMetrics(folder)
      .filter((line) => 'train/loss' in line)
      .map((line) => [line['train/loss'], line['train/loss_own']] as [number, number]);

  it('trains on the words that it writes in the step, evaluates and leaves nothing in memory', async () => {
    const before = tf.memory().numTensors;
    const { folder, result, steps } = await run({ overrides: ['train.epochs=8', 'train.learningRate=0.01'] });
    expect(tf.memory().numTensors).toBe(before);
    expect(result.score).not.toBeNull();
    expect(steps.map(({ pass }) => pass)).toEqual(steps.map((_, i) => i));
    expect(steps).toHaveLength(result.steps);
    for (const { samples, lesson } of steps) {
      expect(samples).toHaveLength(4);
      expect(lesson.targets).toEqual([]);
    }
    const losses = lossesIn(folder);
    expect(losses).toHaveLength(result.steps);
    for (const [loss, own] of losses) expect(loss).toBeCloseTo(own, 5);
    const mean = (part: [number, number][]) => part.reduce((sum, [loss]) => sum + loss, 0) / part.length;
    // What it writes is ever likelier: it learns its own words.
    expect(mean(losses.slice(-4))).toBeLessThan(0.8 * mean(losses.slice(0, 4)));
  });

  it('is the same twice, and when it is interrupted and continued', async () => {
    const whole = await run();
    expect(await learned((await run()).folder)).toEqual(await learned(whole.folder));
    const folder = join(scratch, 'interrupted');
    await expect(run({ folder, signal: signalAtLook(2) })).rejects.toThrow(Interrupted);
    await run({ folder });
    expect(await learned(folder)).toEqual(await learned(whole.folder));
    expect(lossesIn(folder)).toEqual(lossesIn(whole.folder));
    expect(await readFile(join(folder, 'predictions.jsonl'))).toEqual(
      await readFile(join(whole.folder, 'predictions.jsonl')),
    );
  });

  it('can learn the more from a row the better it rewards that, by a loss of its own', async () => {
    const even = (ids: readonly number[]) => ids.filter((id) => id % 2 === 0).length / ids.length;
    const expected: number[] = [];
    const { folder, result } = await run({ reward: even, expected });
    expect(expected).toHaveLength(result.steps);
    lossesIn(folder).forEach(([loss, own], step) => {
      expect(loss).toBeCloseTo(expected[step]!, 6);
      expect(own).toBeGreaterThan(0);
    });
    expect(new Set(expected.map((loss) => Math.sign(loss))).size).toBeGreaterThan(1);
  });
});
