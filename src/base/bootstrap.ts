/** Intervals by resampling. */
import { Rng } from './random.js';

export interface BootstrapOptions {
  /** Default 10,000. */
  resamples?: number;
  /** Default 0. */
  seed?: number | string;
}

/** The mean of n values, its standard error and 95 % interval under resampling. */
export interface Resampled {
  mean: number;
  standardError: number;
  low: number;
  high: number;
}

/**
 * Bootstrap of a mean (Efron 1979; percentile interval): n values are drawn with replacement from the n values, 10,000
 * times unless told otherwise.
 *
 * Most differences of paired answers are 0: how many of a resample's n draws are 0 is binomial, and only the others are
 * drawn one by one.
 *
 * @param values whole numbers, so that sums are exact in any order
 */
export function bootstrap(
  values: Int32Array,
  { resamples = 10_000, seed = 0 }: BootstrapOptions = {},
): Resampled {
  const n = values.length;
  const rng = new Rng(`bootstrap/${seed}`);
  const others = values.filter((value) => value !== 0);
  const drawCount = binomialSampler(n, others.length / n, rng);
  const means = new Float64Array(resamples);
  for (let i = 0; i < resamples; i++) {
    let sum = 0;
    for (let left = drawCount(); left > 0; left--) sum += others[(rng.float() * others.length) | 0]!;
    means[i] = sum / n;
  }
  means.sort();
  const center = means.reduce((sum, value) => sum + value, 0) / resamples;
  const variance = means.reduce((sum, value) => sum + (value - center) ** 2, 0) / Math.max(1, resamples - 1);
  const tail = Math.floor(0.025 * resamples);
  return {
    mean: values.reduce((sum, value) => sum + value, 0) / n,
    standardError: Math.sqrt(variance),
    low: means[tail]!,
    high: means[resamples - 1 - tail]!,
  };
}

/** Probabilities of 0 to n successes among n, by their ratios outward from the most likely one. */
export function binomial(n: number, p: number): Float64Array {
  const probabilities = new Float64Array(n + 1);
  const mode = Math.min(n, Math.floor((n + 1) * p));
  probabilities[mode] = 1;
  for (let k = mode; k < n; k++)
    probabilities[k + 1] = (probabilities[k]! * (n - k) * p) / ((k + 1) * (1 - p));
  for (let k = mode; k > 0; k--) probabilities[k - 1] = (probabilities[k]! * k * (1 - p)) / ((n - k + 1) * p);
  const total = probabilities.reduce((sum, value) => sum + value, 0);
  return probabilities.map((value) => value / total);
}

/** Draws the number of successes among n by inversion. */
function binomialSampler(n: number, p: number, rng: Rng): () => number {
  if (p === 0 || p === 1) return () => n * p;
  let sum = 0;
  const cumulative = binomial(n, p).map((probability) => {
    sum += probability;
    return sum;
  });
  return () => {
    const wanted = rng.float();
    let low = 0;
    let high = n;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (cumulative[middle]! > wanted) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}
