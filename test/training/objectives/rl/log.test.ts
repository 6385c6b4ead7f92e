/** Values of completions for metrics, and the rules that end training. */
import { describe, expect, it } from 'vitest';
import type { Scored } from '../../../../src/rewards/index.js';
import {
  type Batch,
  BatchLog,
  reasonToStop,
  valuesOf,
  WINDOW,
} from '../../../../src/training/objectives/rl/log.js';

const scored = (reward: number | null, form: number | null = null): Scored => ({
  values: { choice: reward, format: form },
  ...{ reward, highest: 1 },
});

const batch = (rewards: (number | null)[], fields: Partial<Batch> = {}): Batch => ({
  ...{ group: 2, scored: rewards.map((reward) => scored(reward)), entropy: 1 },
  ...{ lengths: rewards.map((_, i) => i + 1), cut: rewards.map((_, i) => i === 0) },
  ...fields,
});

const RULES = { stopNoSpread: 0.8, stopKl: 0.5, stopFormat: 0.9 };

describe('values of batches', () => {
  it('are means over completions, without rewards that do not apply', () => {
    expect(valuesOf([batch([1, 0, null, 1], { kl: 0.25 }), batch([1, 1], { kl: 0.75 })])).toEqual({
      'rl/reward': 0.8,
      'rl/reward_choice': 0.8,
      'rl/unrewarded': 1 / 6,
      'rl/no_spread': 0.75,
      'rl/kl': 0.5,
      'rl/entropy': 1,
      'rl/length': expect.closeTo(13 / 6, 12),
      'rl/length_min': 1,
      'rl/length_max': 4,
      'rl/cut': expect.closeTo(2 / 6, 12),
    });
    expect(valuesOf([])).toEqual({});
  });

  it('are taken once', () => {
    const log = new BatchLog(RULES);
    log.add(batch([1, 0]));
    expect(log.take()['rl/reward']).toBe(0.5);
    expect(log.take()).toEqual({});
  });
});

describe('the rules that end training', () => {
  it.each([
    [
      { 'rl/no_spread': 0.81, 'rl/reward': 0.98 },
      /^81\.0 % of the groups have equal rewards .*mean reward is 0\.980/,
    ],
    [{ 'rl/no_spread': 1, 'rl/unrewarded': 1 }, /no reward applies to 100\.0 % of the completions/],
    [{ 'rl/no_spread': 0.1, 'rl/kl': 0.6 }, /^the KL divergence .* is 0\.600 .*raise train\.rl\.beta/],
    [{ 'rl/reward_format': 0.5 }, /^50\.0 % of the completions have the format/],
    [{ 'rl/no_spread': 0.8, 'rl/kl': 0.5, 'rl/reward_format': 0.9 }, undefined],
    [{}, undefined],
  ])('find in %j %s', (values, expected) => {
    const reason = reasonToStop(values, RULES);
    if (expected === undefined) expect(reason).toBeUndefined();
    else expect(reason).toMatch(expected);
  });

  it('can be switched off', () => {
    const off = { stopNoSpread: 1, stopKl: 0, stopFormat: 0 };
    expect(reasonToStop({ 'rl/no_spread': 1, 'rl/kl': 9, 'rl/reward_format': 0 }, off)).toBeUndefined();
  });

  it('look at whole windows, which end at the same steps whenever a run was continued', () => {
    const stops = (from: number) => {
      const log = new BatchLog(RULES);
      const found: number[] = [];
      for (let step = from; step <= 3 * WINDOW; step++) {
        log.add(batch([1, 1]));
        if (log.update(step) !== undefined) found.push(step);
      }
      return found;
    };
    expect(stops(1)).toEqual([WINDOW, 2 * WINDOW, 3 * WINDOW]);
    expect(stops(8)).toEqual([2 * WINDOW, 3 * WINDOW]);
  });

  it('judge a window by its own batches', () => {
    const log = new BatchLog(RULES);
    for (let step = 1; step < WINDOW; step++) {
      log.add(batch([1, 0]));
      expect(log.update(step)).toBeUndefined();
    }
    expect(log.update(WINDOW)).toBeUndefined();
    for (let step = WINDOW + 1; step < 2 * WINDOW; step++) {
      log.add(batch([1, 1]));
      log.update(step);
    }
    expect(log.update(2 * WINDOW)).toMatch(/^100\.0 %/);
  });
});
