/**
 * Whether a difference between two settings is more than noise: means over seeds, and comparisons that are paired over
 * questions, since both settings answer the same ones.
 */
import { type BootstrapOptions, binomial, bootstrap } from '../base/bootstrap.js';
import type { Answers } from './answers.js';

/** Standard error of a proportion over n independent questions: sqrt(p (1 - p) / n). */
export function proportionStandardError(accuracy: number, n: number): number {
  return n > 0 ? Math.sqrt((accuracy * (1 - accuracy)) / n) : Number.NaN;
}

/** Mean over seeds and its standard error, s / sqrt(k) with k - 1 in s; the error is NaN for one seed. */
export function meanAndStandardError(values: readonly number[]): { mean: number; standardError: number } {
  const k = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / k;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, standardError: k > 1 ? Math.sqrt(squares / (k - 1) / k) : Number.NaN };
}

/** What one trained student answered. */
export interface SeededAnswers {
  seed: number;
  answers: Answers;
}

/** What one trained student's answers were worth, each from 0 to 1, by id. */
export interface SeededValues {
  seed: number;
  values: ReadonlyMap<string, number>;
}

/** The accuracy of one setting less that of another, as fractions. */
export interface Comparison {
  difference: number;
  /** Over questions: the spread of the resampled differences. */
  standardError: number;
  /** Bounds of the 95 % interval over questions. */
  low: number;
  high: number;
  /** Whether the interval holds 0. */
  insideNoise: boolean;
  /** Questions that every compared student answered. */
  questions: number;
  /** Seeds that both settings have. */
  seeds: number[];
  /** The difference of each of those seeds. */
  perSeed: number[];
  /** Standard error of their mean; NaN for one seed. */
  seedStandardError: number;
  /** McNemar's exact p-value, for one seed: answers of several to one question are not independent. */
  mcnemar?: number;
}

/**
 * Compares two settings over the seeds and questions that both have. What is resampled is the question, with the answers
 * of all seeds to it: the interval says what other questions could have given, with these students; what other seeds
 * could have given says `seedStandardError`.
 *
 * @returns undefined when they have no seed or no question in common
 */
export function compare(
  ours: readonly SeededAnswers[],
  baseline: readonly SeededAnswers[],
  options: BootstrapOptions = {},
): Comparison | undefined {
  const valued = (runs: readonly SeededAnswers[]) =>
    runs.map(({ seed, answers }) => ({
      seed,
      values: new Map([...answers].map(([id, { right }]) => [id, Number(right)])),
    }));
  return comparePaired(valued(ours), valued(baseline), 1, options);
}

/** {@link compare} for answers that are worth a part: an overlap in time, say. Values count in steps of a millionth. */
export function compareValues(
  ours: readonly SeededValues[],
  baseline: readonly SeededValues[],
  options: BootstrapOptions = {},
): Comparison | undefined {
  return comparePaired(ours, baseline, 1e6, options);
}

/** @param steps in a value of 1: sums over seeds are whole numbers of them */
function comparePaired(
  ours: readonly SeededValues[],
  baseline: readonly SeededValues[],
  steps: number,
  options: BootstrapOptions,
): Comparison | undefined {
  const pairs = ours.flatMap(({ seed, values }) => {
    const other = baseline.find((run) => run.seed === seed);
    return other ? [{ seed, a: values, b: other.values }] : [];
  });
  const [first] = pairs;
  const ids = [...(first?.a.keys() ?? [])].filter((id) => pairs.every(({ a, b }) => a.has(id) && b.has(id)));
  if (!first || ids.length === 0) return undefined;
  const gain = ({ a, b }: (typeof pairs)[number], id: string) => a.get(id)! - b.get(id)!;
  const sums = Int32Array.from(ids, (id) =>
    Math.round(steps * pairs.reduce((sum, pair) => sum + gain(pair, id), 0)),
  );
  const perSeed = pairs.map((pair) => ids.reduce((sum, id) => sum + gain(pair, id), 0) / ids.length);
  const { standardError, low, high } = bootstrap(sums, options);
  const scale = 1 / (pairs.length * steps);
  const comparison: Comparison = {
    difference: meanAndStandardError(perSeed).mean,
    standardError: standardError * scale,
    low: low * scale,
    high: high * scale,
    insideNoise: low <= 0 && high >= 0,
    questions: ids.length,
    seeds: pairs.map(({ seed }) => seed),
    perSeed,
    seedStandardError: meanAndStandardError(perSeed).standardError,
  };
  if (pairs.length === 1 && steps === 1) {
    const count = (wanted: number) => sums.reduce((sum, value) => sum + Number(value === wanted), 0);
    comparison.mcnemar = mcnemar(count(1), count(-1));
  }
  return comparison;
}

/** `+2.6 [+0.9, +4.3]`, in percent; a `~` behind it says that the interval holds 0. */
export function differenceText({
  difference,
  low,
  high,
  insideNoise,
}: Pick<Comparison, 'difference' | 'low' | 'high' | 'insideNoise'>): string {
  const interval = `[${signed(100 * low)}, ${signed(100 * high)}]`;
  return `${signed(100 * difference)} ${interval}${insideNoise ? ' ~' : ''}`;
}

/** With one decimal and its sign; a difference that rounds to nothing has none. */
export function signed(value: number): string {
  const text = value.toFixed(1);
  return Number(text) === 0 ? '0.0' : value > 0 ? `+${text}` : text;
}

/**
 * McNemar's exact test, two-sided (McNemar 1947): under no difference, which of two settings alone is right about a
 * question is a fair coin.
 *
 * @param gained questions that the first alone answers right. @param lost those that the second alone does
 */
export function mcnemar(gained: number, lost: number): number {
  const below = binomial(gained + lost, 0.5).slice(0, Math.min(gained, lost) + 1);
  return Math.min(1, 2 * below.reduce((sum, probability) => sum + probability, 0));
}
