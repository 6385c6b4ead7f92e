/** Advantages of groups of completions: TRL's values, and what has to hold for any rewards. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Rng } from '../../../../src/base/random.js';
import { SCALINGS } from '../../../../src/config/modes.js';
import type { RewardValue } from '../../../../src/rewards/reward.js';
import {
  advantagesOf,
  difficultyWeights,
  shareWithoutSpread,
} from '../../../../src/training/objectives/rl/advantages.js';
import { describeWithShared, sharedPath } from '../../../support/shared.js';

const GOLDEN = 'data/grounding/golden-grpo.json';

function expectClose(actual: readonly number[], expected: readonly number[], digits = 9): void {
  expect(actual).toHaveLength(expected.length);
  expected.forEach((value, i) => {
    expect(actual[i], `value ${i}`).toBeCloseTo(value, digits);
  });
}

describeWithShared('golden advantages', [GOLDEN], () => {
  const golden = JSON.parse(readFileSync(sharedPath(GOLDEN) ?? '/dev/null', 'utf8') || '{}');

  it.each(SCALINGS)('are those of TRL, scaled by %s', (scale) => {
    expectClose(advantagesOf(golden.reward, { group: golden.group_size, scale }), golden.advantages[scale]);
  });

  it('follow the cases of equal, missing and nearly equal rewards', () => {
    for (const { rewards, group_size: group, advantages } of golden.advantage_cases)
      expectClose(advantagesOf(rewards, { group, scale: 'group' }), advantages);
  });

  it('have the weight of DGRPO on them, and not on the rewards, where it cancels', () => {
    const { reward, group_size: group, dgrpo } = golden;
    const weights = difficultyWeights(reward, group, [2, 2]);
    expectClose(weights, dgrpo.weight);
    const settings = { group, scale: 'group', epsilon: 1e-6 } as const;
    const weighted = advantagesOf(reward, settings).map((a, i) => a * weights[Math.floor(i / group)]!);
    expectClose(weighted, dgrpo['advantages_eps1e-6']);
    const wrong = reward.map((r: number, i: number) => r * weights[Math.floor(i / group)]!);
    expectClose(advantagesOf(wrong, settings), dgrpo.scaling_rewards_instead_cancels);
  });
});

describe('advantages', () => {
  it('are the distance from the mean in deviations, by hand', () => {
    // Mean 1, deviation sqrt((1 + 1) / 1) = sqrt(2); then mean 4, deviation sqrt(18).
    const rewards = [0, 2, 1, 7];
    const divided = (value: number, deviation: number) => value / (deviation + 1e-4);
    expectClose(advantagesOf(rewards, { group: 2, scale: 'group' }), [
      divided(-1, Math.SQRT2),
      divided(1, Math.SQRT2),
      divided(-3, Math.sqrt(18)),
      divided(3, Math.sqrt(18)),
    ]);
    expect(advantagesOf(rewards, { group: 2, scale: 'none' })).toEqual([-1, 1, -3, 3]);
    // Of the batch: mean 2.5, squares 6.25 + 0.25 + 2.25 + 20.25 = 29, over 3.
    expectClose(
      advantagesOf(rewards, { group: 2, scale: 'batch' }),
      [-1, 1, -3, 3].map((difference) => divided(difference, Math.sqrt(29 / 3))),
    );
  });

  it.each(SCALINGS)('scaled by %s are exactly 0 for equal rewards and for a group of one', (scale) => {
    const rng = new Rng('equal');
    for (let round = 0; round < 50; round++) {
      const reward = rng.normal();
      const group = 1 + rng.int(9);
      const equal = advantagesOf([...new Array(group).fill(reward), ...new Array(group).fill(0)], {
        group,
        scale,
      });
      expect(equal.map(Math.abs)).toEqual(new Array(2 * group).fill(0));
    }
    expect(advantagesOf([3, 1, 2], { group: 1, scale })).toEqual([0, 0, 0]);
    expect(advantagesOf([null, 5, Number.NaN], { group: 3, scale })).toEqual([0, 0, 0]);
    expect(advantagesOf([], { group: 4, scale })).toEqual([]);
  });

  it('are the same for a * reward + b, where nothing is added to the deviation', () => {
    const rng = new Rng('affine');
    for (let round = 0; round < 50; round++) {
      const rewards = Array.from({ length: 12 }, () => (rng.chance(0.2) ? null : rng.normal()));
      const [a, b] = [0.1 + 5 * rng.float(), 10 * rng.normal()];
      const moved = rewards.map((reward) => (reward === null ? null : a * reward + b));
      for (const scale of ['group', 'batch'] as const) {
        // The batch has one deviation, to which groups without spread belong too.
        const settings = { group: 4, scale, epsilon: 0 };
        expectClose(advantagesOf(moved, settings), advantagesOf(rewards, settings), 7);
      }
    }
  });

  it('leave a missing reward out of mean and deviation, whatever stands for it', () => {
    const settings = { group: 4, scale: 'group' } as const;
    const two = advantagesOf([1, 0], { ...settings, group: 2 });
    expect(advantagesOf([1, null, 0, Number.NaN], settings)).toEqual([two[0], 0, two[1], 0]);
  });

  it('sum to 0 in each group', () => {
    const rng = new Rng('sum');
    const rewards: RewardValue[] = Array.from({ length: 40 }, () => rng.int(4));
    for (const scale of SCALINGS) {
      const values = advantagesOf(rewards, { group: 8, scale });
      for (let i = 0; i < 5; i++)
        expect(values.slice(8 * i, 8 * i + 8).reduce((a, b) => a + b)).toBeCloseTo(0, 9);
    }
  });

  it('are refused for infinite rewards and broken groups', () => {
    const settings = { group: 2, scale: 'group' } as const;
    expect(() => advantagesOf([1, Number.POSITIVE_INFINITY], settings)).toThrow(/completion 1 is Infinity/);
    expect(() => advantagesOf([1, 2, 3], settings)).toThrow(/3 rewards are no whole number of groups of 2/);
    expect(() => advantagesOf([1], { ...settings, group: 0 })).toThrow(RangeError);
    expect(() => advantagesOf([1], { ...settings, group: 1.5 })).toThrow(RangeError);
  });
});

describe('the weight of DGRPO', () => {
  it('is 1 for prompts that miss a point and 0.5 for solved ones', () => {
    const rewards = [0, 2, 2, 2, 1.5, 1.5, null, null];
    expect(difficultyWeights(rewards, 2, [2, 2, 2, 2])).toEqual([1, 0.5, 0.75, 1]);
    // A prompt whose largest reward is 1 is as easy at a mean of 1 as others at 2.
    expect(difficultyWeights([1, 1, 0, 1], 2, [1, 1])).toEqual([0.5, 0.75]);
    expect(difficultyWeights([5, 5], 2, [2])).toEqual([0.5]);
  });
});

describe('the share of groups without spread', () => {
  it('counts equal and missing rewards, group by group', () => {
    expect(shareWithoutSpread([1, 1, 0, 1, null, 1, Number.NaN, null], 2)).toBe(0.75);
    // The batch has a spread, no group has.
    expect(shareWithoutSpread([1, 1, 0, 0], 2)).toBe(1);
    expect(shareWithoutSpread([], 2)).toBeNaN();
  });
});
