/** The policy loss: TRL's values, small cases by hand, and what has to hold for any batch. */
import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { Rng } from '../../../../src/base/random.js';
import { LOSS_TYPES } from '../../../../src/config/modes.js';
import { valueAndGradients } from '../../../../src/ops/backward.js';
import {
  type PolicyBatch,
  type PolicySettings,
  policyLoss,
  policyMetrics,
} from '../../../../src/training/objectives/rl/policyLoss.js';
import { useFastEngine } from '../../../model/support.js';
import { describeWithShared, sharedPath } from '../../../support/shared.js';

beforeAll(useFastEngine);

const GOLDEN = 'data/grounding/golden-grpo.json';

/** The loss and its gradient in the log-probabilities. */
function lossOf(logp: ArrayLike<number>, batch: PolicyBatch, settings: PolicySettings) {
  const before = tf.memory().numTensors;
  const x = tf.tensor1d(Float32Array.from(logp));
  const { value, grads } = valueAndGradients(() => policyLoss(x, batch, settings), [x]);
  const result = { loss: value.dataSync()[0]!, gradient: [...grads[0]!.dataSync()] };
  tf.dispose([x, value, ...(grads as tf.Tensor[])]);
  expect(tf.memory().numTensors).toBe(before);
  return result;
}

function expectClose(actual: readonly number[], expected: readonly number[], tolerance = 1e-6): void {
  expect(actual).toHaveLength(expected.length);
  expected.forEach((value, i) => {
    expect(Math.abs(actual[i]! - value), `value ${i}: ${actual[i]} for ${value}`).toBeLessThan(tolerance);
  });
}

interface GoldenCase {
  loss_type: PolicySettings['type'];
  beta: number;
  loss: number;
  grad_logp: number[][];
  on_policy_loss: number;
  on_policy_grad_logp: number[][];
}

describeWithShared('golden policy losses', [GOLDEN], () => {
  const golden = JSON.parse(readFileSync(sharedPath(GOLDEN) ?? '/dev/null', 'utf8') || '{"mask":[]}');
  const flat = (rows: number[][]) => Float32Array.from(rows.flat());
  const completion = golden.mask.flatMap((row: number[], i: number) =>
    row.map((one, t) => (one * golden.tool_mask[i][t] === 1 ? i : -1)),
  );
  const batch = (): PolicyBatch => ({
    completion,
    advantages: golden.advantages.group,
    old: flat(golden.old_logp),
    reference: flat(golden.ref_logp),
  });
  const { epsilon, max_completion_length: maxLength, cases = [] } = golden;

  it.each(cases as GoldenCase[])(
    'of $loss_type with beta $beta are those of TRL, and so are the gradients',
    (expected) => {
      const { loss_type: type, beta } = expected;
      const settings: PolicySettings = { type, beta, epsilon, maxLength };
      const off = lossOf(flat(golden.logp), batch(), settings);
      expectClose([off.loss], [expected.loss]);
      expectClose(off.gradient, expected.grad_logp.flat());
      const { old: _, ...onPolicy } = batch();
      const on = lossOf(flat(golden.logp), onPolicy, settings);
      expectClose([on.loss], [expected.on_policy_loss]);
      expectClose(on.gradient, expected.on_policy_grad_logp.flat());
    },
  );

  it('with ratios of whole completions are those of TRL', () => {
    const settings = { type: 'grpo', beta: 0, epsilon, level: 'sequence' } as const;
    expectClose([lossOf(flat(golden.logp), batch(), settings).loss], [golden.sequence_level_grpo_loss_beta0]);
  });

  it('come with the clip shares and the KL of TRL', () => {
    const metrics = policyMetrics(flat(golden.logp), batch(), { type: 'grpo', beta: 0, epsilon });
    const { clip_low, clip_high, kl } = golden.metrics;
    expectClose([metrics.clipLow, metrics.clipHigh, metrics.kl!], [clip_low, clip_high, kl]);
  });
});

/** Two completions of two tokens and of one, and a token of none. */
const SMALL = { completion: [0, 0, 1, -1], advantages: [1, -2] };
const GRPO: PolicySettings = { type: 'grpo', epsilon: 0.2, beta: 0 };

describe('the policy loss by hand', () => {
  const logp = [-1, -2, -0.5, -3];

  it.each([
    // -(1 + 1) / 2 / 2 completions + 2 / 2; each token's gradient is -A over its length and 2 completions.
    ['grpo', 0.5, [-0.25, -0.25, 1, 0]],
    // (-1 - 1 + 2) / 3 tokens.
    ['bnpo', 0, [-1 / 3, -1 / 3, 2 / 3, 0]],
    ['dapo', 0, [-1 / 3, -1 / 3, 2 / 3, 0]],
    // Over 2 completions of at most 4 tokens.
    ['dr_grpo', 0, [-1 / 8, -1 / 8, 2 / 8, 0]],
  ] as const)('is for %s what its definition says', (type, loss, gradient) => {
    const result = lossOf(logp, SMALL, { ...GRPO, type, maxLength: 4 });
    expectClose([result.loss], [loss]);
    expectClose(result.gradient, gradient);
  });

  it('stops to reward a ratio above 1 + epsilonHigh, and to punish one below 1 - epsilon', () => {
    const ratios = [2, 0.5, 2, 0.5];
    const old = Float32Array.from(logp, (value, i) => value - Math.log(ratios[i]!));
    const batch = { completion: [0, 1, 2, 3], advantages: [1, 1, -1, -1], old };
    const settings = { ...GRPO, type: 'bnpo', epsilonHigh: 0.3 } as const;
    const result = lossOf(logp, batch, settings);
    // 1.3 and 0.5 are gained, 2 and 0.8 are paid: a bad completion that became likelier is not clipped.
    expectClose([result.loss], [-(1.3 + 0.5 - 2 - 0.8) / 4]);
    expectClose(result.gradient, [0, -0.5 / 4, 2 / 4, 0]);
    const capped = lossOf(logp, batch, { ...settings, delta: 1.5 });
    expectClose([capped.loss], [-(1.3 + 0.5 - 1.5 - 0.8) / 4]);
    expectClose(capped.gradient, [0, -0.5 / 4, 0, 0]);
    expect(policyMetrics(logp, batch, settings)).toMatchObject({ clipLow: 0.25, clipHigh: 0.25, tokens: 4 });
  });

  it('adds beta times the divergence from the reference, whose gradient is 1 - reference / p', () => {
    const above = [0.5, -0.5, 0, 7];
    const reference = Float32Array.from(logp, (value, i) => value + above[i]!);
    const k3 = above.map((d) => Math.exp(d) - d - 1);
    const batch = { ...SMALL, advantages: [0, 0], reference };
    const result = lossOf(logp, batch, { ...GRPO, type: 'bnpo', beta: 0.1 });
    expectClose([result.loss], [(0.1 * (k3[0]! + k3[1]! + k3[2]!)) / 3]);
    expectClose(
      result.gradient,
      above.map((d, i) => (i === 3 ? 0 : (0.1 * (1 - Math.exp(d))) / 3)),
    );
    const { kl, entropy } = policyMetrics(logp, batch, GRPO);
    expect(kl).toBeCloseTo((k3[0]! + k3[1]! + k3[2]!) / 3, 6);
    expect(entropy).toBeCloseTo(3.5 / 3, 9);
  });

  it('takes a ratio of the whole completion for GSPO, whose gradient its tokens share', () => {
    const old = Float32Array.from([-1.1, -1.8, -0.6, 0]);
    const result = lossOf(logp, { ...SMALL, old }, { ...GRPO, level: 'sequence' });
    const [first, second] = [Math.exp((0.1 - 0.2) / 2), Math.exp(0.1)];
    expectClose([result.loss], [-(first - 2 * second) / 2]);
    expectClose(result.gradient, [-first / 4, -first / 4, second, 0]);
  });
});

/** A random batch of six completions with some tokens that do not count. */
function randomBatch(rng: Rng) {
  const completion = Array.from({ length: 40 }, () => rng.int(7) - 1);
  const logp = completion.map(() => -3 * rng.float());
  const near = () => Float32Array.from(logp, (value) => value + 0.4 * rng.normal());
  return {
    logp,
    batch: { completion, advantages: Array.from({ length: 6 }, () => rng.normal()), reference: near() },
    old: near(),
  };
}

const settingsOf = (type: PolicySettings['type'], beta = 0): PolicySettings => ({
  ...GRPO,
  type,
  beta,
  maxLength: 12,
});

describe.each(LOSS_TYPES)('the policy loss %s', (type) => {
  it('has a value of its own and a gradient that finite differences give', () => {
    const rng = new Rng(`differences/${type}`);
    for (const level of ['token', 'sequence'] as const) {
      const { logp, batch, old } = randomBatch(rng);
      const settings = { ...settingsOf(type, 0.05), level };
      const given = { ...batch, old };
      const { gradient } = lossOf(logp, given, settings);
      const step = 1e-2;
      for (const i of [0, 7, 23]) {
        const moved = (by: number) =>
          lossOf(
            logp.map((value, at) => (at === i ? value + by : value)),
            given,
            settings,
          ).loss;
        const slope = (moved(step) - moved(-step)) / (2 * step);
        expect(Math.abs(slope - gradient[i]!), `token ${i}`).toBeLessThan(2e-3);
      }
    }
  });

  it('does not see tokens that do not count, not even -Infinity and NaN', () => {
    const { logp, batch, old } = randomBatch(new Rng(`masked/${type}`));
    const settings = settingsOf(type, 0.05);
    const given = { ...batch, old };
    const plain = lossOf(logp, given, settings);
    for (const value of [Number.NEGATIVE_INFINITY, Number.NaN, 5]) {
      const spoiled = (values: ArrayLike<number>) =>
        Float32Array.from(values, (own, i) => (batch.completion[i] === -1 ? value : own));
      const other = { ...given, old: spoiled(old), reference: spoiled(batch.reference) };
      expect(lossOf(spoiled(logp), other, settings)).toEqual(plain);
      expect(policyMetrics(spoiled(logp), other, settings)).toEqual(
        policyMetrics(Float32Array.from(logp), given, settings),
      );
    }
    batch.completion.forEach((index, i) => {
      if (index < 0) expect(Math.abs(plain.gradient[i]!)).toBe(0);
    });
  });

  it('has a zero gradient where all advantages are 0, with no KL', () => {
    const { logp, batch } = randomBatch(new Rng(`zero/${type}`));
    const { loss, gradient } = lossOf(logp, { ...batch, advantages: new Array(6).fill(0) }, settingsOf(type));
    expect(Math.abs(loss)).toBe(0);
    expect(gradient.map(Math.abs)).toEqual(gradient.map(() => 0));
  });
});

describe('the policy loss', () => {
  it('of the policy that wrote the tokens is 0 in value for grpo, and not in its gradient', () => {
    const { logp, batch } = randomBatch(new Rng('on policy'));
    const centred = batch.advantages.map((a, _, all) => a - all.reduce((x, y) => x + y) / all.length);
    const { loss, gradient } = lossOf(logp, { ...batch, advantages: centred }, GRPO);
    expect(Math.abs(loss)).toBeLessThan(1e-6);
    expect(Math.max(...gradient.map(Math.abs))).toBeGreaterThan(1e-3);
  });

  it('dapo over two batches equals dapo over one, given the tokens of both', () => {
    const { logp, batch, old } = randomBatch(new Rng('micro'));
    const settings = settingsOf('dapo', 0.05);
    const whole = lossOf(logp, { ...batch, old }, settings);
    const tokens = batch.completion.filter((index) => index >= 0).length;
    const parts = [0, 3].map((from) => ({
      completion: batch.completion.map((index) => (index >= from && index < from + 3 ? index - from : -1)),
      advantages: batch.advantages.slice(from, from + 3),
      ...{ old, reference: batch.reference, tokens },
    }));
    const [first, second] = parts.map((part) => lossOf(logp, part, settings));
    expectClose([first!.loss + second!.loss], [whole.loss]);
    expectClose(
      first!.gradient.map((value, i) => value + second!.gradient[i]!),
      whole.gradient,
    );
  });

  it('stays finite where the policies are worlds apart', () => {
    const far = {
      ...SMALL,
      old: Float32Array.of(-1e4, 0, -1e4, 0),
      reference: Float32Array.of(0, -1e4, 0, 0),
    };
    for (const level of ['token', 'sequence'] as const) {
      const { loss, gradient } = lossOf([0, -1e4, -1e4, 0], far, { ...GRPO, beta: 0.1, level });
      expect(Number.isFinite(loss)).toBe(true);
      expect(gradient.every(Number.isFinite)).toBe(true);
    }
  });

  it('says what is missing', () => {
    expect(() => lossOf([0], SMALL, GRPO)).toThrow(/1 log-probabilities for 4 tokens/);
    expect(() => lossOf([0, 0, 0, 0], SMALL, { ...GRPO, beta: 0.1 })).toThrow(/reference/);
    expect(() => lossOf([0, 0, 0, 0], SMALL, { ...GRPO, type: 'dr_grpo' })).toThrow(/maxLength/);
  });
});
