/** One reward from several: a weighted sum, with the format added to it or as a factor. */
import type { FormatRule } from '../config/modes.js';
import type { RewardValue } from './reward.js';

/** Rewards, or weights, by name. */
export type ByName<T> = Readonly<Record<string, T>>;

const FORMAT = 'format';

/** Whether a value counts: null and NaN do not. */
export const applies = (value: RewardValue | undefined): value is number =>
  value !== undefined && value !== null && !Number.isNaN(value);

/**
 * The sum of weight * value over the rewards that apply. With `multiply` (VersaVid-R1) the format is a factor and its weight
 * has no effect: what is not in the form earns nothing. With `add` (VITAL) it is a term like the others.
 *
 * @returns null where none applies, and with `multiply` where none besides the format does
 */
export function combined(
  values: ByName<RewardValue>,
  weights: ByName<number>,
  rule: FormatRule,
): RewardValue {
  const isFactor = rule === 'multiply' && weights[FORMAT] !== undefined;
  const terms = Object.entries(weights).flatMap(([name, weight]) => {
    const value = values[name];
    return applies(value) && !(isFactor && name === FORMAT) ? [weight * value] : [];
  });
  if (terms.length === 0) return null;
  const sum = terms.reduce((a, b) => a + b, 0);
  const form = values[FORMAT];
  return isFactor && applies(form) ? form * sum : sum;
}
