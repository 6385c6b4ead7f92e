/**
 * Advantages of completions: how much better each was rewarded than the others of its prompt. GRPO (Shao et al. 2024) as
 * TRL computes it, Dr. GRPO's scaling `none` (Liu et al. 2025), and the sample weight of VITAL's DGRPO (arXiv 2508.04416).
 *
 * A reward that is null or NaN does not apply: it is in no mean and no deviation, and its advantage is 0.
 */

import type { Scaling } from '../../../config/modes.js';
import { applies } from '../../../rewards/combine.js';
import type { RewardValue } from '../../../rewards/reward.js';

export interface AdvantageSettings {
  /** Completions of a prompt; those of one prompt follow each other. */
  group: number;
  scale: Scaling;
  /** Added to the deviation. TRL and VersaVid-R1 have 1e-4, VITAL 1e-6. */
  epsilon?: number;
}

/**
 * (reward - mean of its group) / (deviation + epsilon), with Bessel's correction. A group whose rewards are equal, or of
 * which one alone applies, has advantages of exactly 0.
 *
 * @param rewards one a completion. @returns one a completion
 * @throws RangeError for a number of rewards that is no whole number of groups, and for a reward that is infinite
 */
export function advantagesOf(
  rewards: readonly RewardValue[],
  { group, scale, epsilon = 1e-4 }: AdvantageSettings,
): number[] {
  const groups = groupsOf(rewards, group);
  const ofBatch = scale === 'batch' ? deviation(applying(rewards)) : 0;
  return groups.flatMap((own) => {
    const known = applying(own);
    if (!hasSpread(own)) return own.map(() => 0);
    const mean = meanOf(known);
    const divisor = scale === 'none' ? 1 : (scale === 'group' ? deviation(known) : ofBatch) + epsilon;
    return own.map((reward) => (applies(reward) ? (reward - mean) / divisor : 0));
  });
}

/**
 * DGRPO's weight of each group, (d + 1) / 2 for a difficulty d = clamp(highest - mean reward, 0, 1): 0.5 where all is right
 * already, 1 where a point or more is missing. It multiplies the advantages. Multiplying the rewards would change nothing,
 * since the group's deviation has the same factor.
 *
 * @param highest largest reward that the prompt of each group allows; VITAL's is 2, accuracy and format
 * @returns one a group; 1 for a group to which no reward applies
 */
export function difficultyWeights(
  rewards: readonly RewardValue[],
  group: number,
  highest: readonly number[],
): number[] {
  return groupsOf(rewards, group).map((own, i) => {
    const known = applying(own);
    if (known.length === 0) return 1;
    const difficulty = Math.min(1, Math.max(0, highest[i]! - meanOf(known)));
    return (difficulty + 1) / 2;
  });
}

/** Share of the groups whose rewards are all equal, or do not apply: nothing is learned from them. NaN without a group. */
export function shareWithoutSpread(rewards: readonly RewardValue[], group: number): number {
  const groups = groupsOf(rewards, group);
  return groups.filter((own) => !hasSpread(own)).length / groups.length;
}

const applying = (rewards: readonly RewardValue[]): number[] => rewards.filter(applies);

/** Measured from the first value, so that equal ones have it as their mean bit for bit. */
export function meanOf(values: readonly number[]): number {
  const first = values[0]!;
  return first + values.reduce((sum, value) => sum + (value - first), 0) / values.length;
}

function deviation(values: readonly number[]): number {
  const mean = meanOf(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
}

function hasSpread(rewards: readonly RewardValue[]): boolean {
  const known = applying(rewards);
  return known.some((reward) => reward !== known[0]);
}

function groupsOf(rewards: readonly RewardValue[], group: number): RewardValue[][] {
  if (!Number.isInteger(group) || group < 1)
    throw new RangeError(`advantages: groups of ${group}, expected a whole number from 1`);
  if (rewards.length % group !== 0)
    throw new RangeError(`advantages: ${rewards.length} rewards are no whole number of groups of ${group}`);
  const infinite = rewards.findIndex((reward) => Math.abs(reward ?? 0) === Number.POSITIVE_INFINITY);
  if (infinite >= 0)
    throw new RangeError(
      `advantages: the reward of completion ${infinite} is ${rewards[infinite]}, expected a finite number, or null where none applies`,
    );
  return Array.from({ length: rewards.length / group }, (_, i) => rewards.slice(i * group, (i + 1) * group));
}
