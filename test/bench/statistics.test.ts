/** Medians and rates of measured times. */
import { describe, expect, it } from 'vitest';
import { median, mediansOf, secondsPerCall, spread } from '../../bench/speed/statistics.mjs';
import { Rng } from '../../src/base/random.js';

describe('median', () => {
  it('has as many values below as above, for any order', () => {
    const rng = new Rng('median');
    for (let n = 1; n < 30; n++) {
      const values = Array.from({ length: n }, () => rng.normal() * 100);
      const middle = median(values);
      expect(values.filter((v) => v < middle).length).toBe(values.filter((v) => v > middle).length);
    }
    expect(median([10, 9, 1, 100])).toBe(9.5);
    expect(() => median([])).toThrow('no values');
  });

  it('leaves its input as it is', () => {
    const values = [3, 1, 2];
    expect(median(values)).toBe(2);
    expect(values).toEqual([3, 1, 2]);
  });

  it('is taken of each field, and with the extremes', () => {
    const records = [
      { a: 1, b: 9 },
      { a: 5, b: 7 },
      { a: 3, b: 8 },
    ];
    expect(mediansOf(records)).toEqual({ a: 3, b: 8 });
    expect(spread([4, 1, 2])).toEqual({ median: 2, min: 1, max: 4, n: 3 });
  });
});

describe('secondsPerCall', () => {
  it('divides by the calls it made', () => {
    let calls = 0;
    const wait = () => {
      calls++;
      const end = performance.now() + 0.5;
      while (performance.now() < end);
    };
    const seconds = secondsPerCall(wait, { samples: 3, sampleMs: 5 });
    expect(seconds).toBeGreaterThanOrEqual(0.0005);
    expect(calls).toBeGreaterThanOrEqual(3);
  });
});
