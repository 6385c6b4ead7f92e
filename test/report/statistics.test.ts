import { describe, expect, it } from 'vitest';
import { binomial, bootstrap } from '../../src/base/bootstrap.js';
import { Rng } from '../../src/base/random.js';
import type { Answers } from '../../src/report/answers.js';
import {
  compare,
  mcnemar,
  meanAndStandardError,
  proportionStandardError,
  type SeededAnswers,
} from '../../src/report/statistics.js';

/** Answers as a text: `1` right, `0` wrong, `-` not answered; ids are positions. */
function answered(text: string): Answers {
  return new Map(
    [...text].flatMap((char, i) => (char === '-' ? [] : [[`q${i}`, { right: char === '1', type: 'CW' }]])),
  );
}
const runs = (...texts: string[]): SeededAnswers[] =>
  texts.map((text, i) => ({ seed: i + 1, answers: answered(text) }));

describe('means', () => {
  it('have the standard errors of the textbook', () => {
    expect(proportionStandardError(0.5, 100)).toBeCloseTo(0.05, 12);
    expect(proportionStandardError(0.5, 0)).toBeNaN();
    expect(meanAndStandardError([1, 2, 4])).toEqual({
      mean: 7 / 3,
      standardError: expect.closeTo(Math.sqrt(7) / 3, 12),
    });
    expect(meanAndStandardError([3]).standardError).toBeNaN();
  });
});

describe('the binomial distribution', () => {
  const choose = (n: number, k: number): number => (k === 0 ? 1 : (choose(n - 1, k - 1) * n) / k);

  it.each([
    [1, 0.5],
    [7, 0.5],
    [12, 0.03],
    [12, 0.97],
  ])('of %i at %d is the product formula', (n, p) => {
    const exact = Array.from({ length: n + 1 }, (_, k) => choose(n, k) * p ** k * (1 - p) ** (n - k));
    binomial(n, p).forEach((value, k) => {
      expect(value).toBeCloseTo(exact[k]!, 12);
    });
  });

  it.each([0.001, 0.3, 0.5])('of very many at %d has mean and variance of its formula', (p) => {
    const n = 100_000;
    const probabilities = binomial(n, p);
    const moment = (power: number) => probabilities.reduce((sum, q, k) => sum + q * (k - n * p) ** power, 0);
    expect(moment(0)).toBeCloseTo(1, 9);
    expect(moment(1)).toBeCloseTo(0, 6);
    expect(moment(2) / (n * p * (1 - p))).toBeCloseTo(1, 9);
  });
});

describe('McNemar', () => {
  it('is the two-sided exact test', () => {
    expect(mcnemar(10, 2)).toBeCloseTo((2 * (1 + 12 + 66)) / 2 ** 12, 12);
    expect(mcnemar(2, 10)).toBe(mcnemar(10, 2));
    expect(mcnemar(1, 0)).toBe(1);
    expect(mcnemar(6, 0)).toBeCloseTo(2 / 64, 12);
    expect(mcnemar(5, 5)).toBe(1);
    expect(mcnemar(0, 0)).toBe(1);
  });
});

describe('the bootstrap', () => {
  const values = (counts: [number, number][]) =>
    Int32Array.from(counts.flatMap(([value, count]) => Array<number>(count).fill(value)));

  it('has the distribution of every possible resample of a tiny sample', () => {
    const sample = [2, 0, -1, 0];
    const sums = [[0]]
      .concat(Array.from({ length: 4 }, () => sample))
      .reduce<number[]>(
        (all, next) => (all.length === 0 ? next : all.flatMap((sum) => next.map((value) => sum + value))),
        [],
      );
    const exactMean = sums.reduce((a, b) => a + b) / sums.length / 4;
    const variance = sums.reduce((sum, value) => sum + (value / 4 - exactMean) ** 2, 0) / sums.length;
    const found = bootstrap(Int32Array.from(sample), { resamples: 40_000 });
    expect(found.mean).toBe(exactMean);
    expect(found.standardError / Math.sqrt(variance)).toBeCloseTo(1, 1);
    const sorted = sums.map((sum) => sum / 4).sort((a, b) => a - b);
    expect(found.low).toBe(sorted[Math.floor(0.025 * sorted.length)]);
    expect(found.high).toBe(sorted[Math.ceil(0.975 * sorted.length) - 1]);
  });

  it.each([
    [
      'few differences',
      values([
        [0, 4700],
        [1, 180],
        [-1, 120],
      ]),
    ],
    [
      'many differences',
      values([
        [0, 200],
        [1, 2500],
        [-1, 2300],
      ]),
    ],
    [
      'three seeds',
      values([
        [0, 3000],
        [1, 900],
        [-1, 700],
        [2, 200],
        [-3, 200],
      ]),
    ],
    [
      'no tie at all',
      values([
        [1, 600],
        [-1, 400],
      ]),
    ],
  ])('has the standard error of a mean for %s', (_, sample) => {
    const { standardError, mean, low, high } = bootstrap(sample);
    const closed = Math.sqrt(
      sample.reduce((sum, value) => sum + (value - mean) ** 2, 0) / sample.length / sample.length,
    );
    expect(standardError / closed).toBeGreaterThan(0.97);
    expect(standardError / closed).toBeLessThan(1.03);
    // Of so many, the mean is normal.
    expect((high - low) / (2 * 1.96 * closed)).toBeGreaterThan(0.95);
    expect((high - low) / (2 * 1.96 * closed)).toBeLessThan(1.05);
  });

  it('depends on its seed alone', () => {
    const sample = values([
      [0, 80],
      [1, 12],
      [-1, 8],
    ]);
    expect(bootstrap(sample, { seed: 3 })).toEqual(bootstrap(sample, { seed: 3 }));
    expect(bootstrap(sample, { seed: 3 }).standardError).not.toBe(
      bootstrap(sample, { seed: 4 }).standardError,
    );
  });

  it('of values that are all the same is certain', () => {
    expect(bootstrap(values([[0, 5]]))).toEqual({ mean: 0, standardError: 0, low: 0, high: 0 });
    expect(bootstrap(values([[1, 5]]))).toEqual({ mean: 1, standardError: 0, low: 1, high: 1 });
  });

  it('has an interval that holds the truth 95 times of 100', () => {
    const rng = new Rng('coverage');
    const [better, worse] = [0.12, 0.06];
    const covered = Array.from({ length: 600 }, (_, trial) => {
      const sample = Int32Array.from({ length: 400 }, () => {
        const roll = rng.float();
        return roll < better ? 1 : roll < better + worse ? -1 : 0;
      });
      const { low, high } = bootstrap(sample, { resamples: 1000, seed: trial });
      return low <= better - worse && better - worse <= high;
    }).filter(Boolean).length;
    // 95 % of 600 with three standard deviations on either side.
    expect(covered).toBeGreaterThan(570 - 16);
    expect(covered).toBeLessThan(570 + 16);
  });
});

describe('a comparison', () => {
  it('is paired over the questions that both answered, whatever their order', () => {
    const shuffled = new Map([...answered('1-01')].reverse());
    const found = compare([{ seed: 1, answers: shuffled }], runs('01-1'))!;
    expect(found.questions).toBe(2);
    expect(found.difference).toBe(0.5);
    expect(found.perSeed).toEqual([0.5]);
    expect(found.seedStandardError).toBeNaN();
    expect(found.mcnemar).toBe(1);
  });

  it('takes all seeds of a question together, and tells their spread', () => {
    const [ours, baseline] = [runs('1111', '1100'), runs('0011', '1110')];
    const found = compare(ours, baseline)!;
    expect(found.perSeed).toEqual([0.5, -0.25]);
    expect(found.difference).toBe(0.125);
    expect(found.seedStandardError).toBeCloseTo(0.375, 12);
    expect(found.mcnemar).toBeUndefined();
    const half = bootstrap(Int32Array.from([1, 1, -1, 0]));
    expect(found.standardError).toBe(half.standardError / 2);
    expect([found.low, found.high]).toEqual([half.low / 2, half.high / 2]);
  });

  it('pairs a seed with the same seed and leaves out the others', () => {
    const found = compare(runs('11', '00', '11'), [{ seed: 3, answers: answered('10') }])!;
    expect(found.seeds).toEqual([3]);
    expect(found.difference).toBe(0.5);
    expect(compare(runs('1'), [{ seed: 9, answers: answered('1') }])).toBeUndefined();
    expect(compare(runs('1-'), runs('-1'))).toBeUndefined();
    expect(compare([], [])).toBeUndefined();
  });

  it('calls small differences noise and large ones not', () => {
    const many = (share: number, offset = 0) =>
      Array.from({ length: 1000 }, (_, i) => ((i * 7919 + offset) % 1000 < share * 1000 ? '1' : '0')).join(
        '',
      );
    expect(compare(runs(many(0.7)), runs(many(0.5)))!.insideNoise).toBe(false);
    expect(compare(runs(many(0.5)), runs(many(0.7)))!.insideNoise).toBe(false);
    expect(compare(runs(many(0.51, 400)), runs(many(0.5)))!.insideNoise).toBe(true);
    expect(compare(runs(many(0.5)), runs(many(0.5)))!.insideNoise).toBe(true);
  });
});
