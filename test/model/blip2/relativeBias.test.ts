/** T5's relative position buckets against the published table and a restatement. */
import { describe, expect, it } from 'vitest';
import { Rng } from '../../../src/base/random.js';
import { relativeBucket, relativeBuckets } from '../../../src/model/blip2/relativeBias.js';

/** First distance of every bucket for 32 buckets and maximum distance 128, as PyTorch computes them. */
const ENCODER_STARTS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91];
const DECODER_STARTS = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 19, 21, 24, 27, 31, 35, 40, 46, 52, 59, 67, 77,
  87, 99, 113,
];

/** The last bucket that has begun at this distance. */
function fromTable(starts: readonly number[], distance: number): number {
  return starts.findLastIndex((start) => start <= distance);
}

describe('T5 relative position buckets', () => {
  it.each([true, false])('agree with the published table, bidirectional %s', (bidirectional) => {
    const settings = { buckets: 32, maxDistance: 128, bidirectional };
    for (let distance = 0; distance <= 1000; distance++) {
      const starts = bidirectional ? ENCODER_STARTS : DECODER_STARTS;
      const expected = fromTable(starts, distance);
      expect(relativeBucket(-distance, settings)).toBe(expected);
      const future = bidirectional ? 16 + expected : 0;
      expect(relativeBucket(distance, settings)).toBe(distance === 0 ? 0 : future);
    }
  });

  /**
   * Restated without logarithms: bucket k of the logarithmic half begins where distance / exact reaches
   * (max / exact)^(k / half), compared as whole powers in arbitrary precision.
   */
  function restated(relative: number, buckets: number, maxDistance: number, bidirectional: boolean): number {
    const side = bidirectional ? Math.floor(buckets / 2) : buckets;
    const offset = bidirectional && relative > 0 ? side : 0;
    const distance = bidirectional ? Math.abs(relative) : Math.max(0, -relative);
    const exact = Math.floor(side / 2);
    if (distance < exact) return offset + distance;
    const half = side - exact;
    const reached = (k: number) =>
      BigInt(distance) ** BigInt(half) * BigInt(exact) ** BigInt(k) >=
      BigInt(maxDistance) ** BigInt(k) * BigInt(exact) ** BigInt(half);
    let k = 0;
    while (k + 1 < half && reached(k + 1)) k++;
    return offset + exact + k;
  }

  /** Distances where a power is met exactly: there float32 logarithms, as PyTorch takes them, may fall just below. */
  function onBoundary(
    relative: number,
    buckets: number,
    maxDistance: number,
    bidirectional: boolean,
  ): boolean {
    const side = bidirectional ? Math.floor(buckets / 2) : buckets;
    const exact = Math.floor(side / 2);
    const half = side - exact;
    const position = (Math.log(Math.abs(relative) / exact) / Math.log(maxDistance / exact)) * half;
    return Math.abs(position - Math.round(position)) < 1e-5;
  }

  it('agree with an exact restatement for many settings', () => {
    const rng = new Rng('buckets');
    let compared = 0;
    for (let round = 0; round < 60; round++) {
      const bidirectional = rng.int(2) === 1;
      const buckets = 4 + 2 * rng.int(31);
      const exact = Math.floor((bidirectional ? buckets / 2 : buckets) / 2);
      const maxDistance = exact + 1 + rng.int(200);
      for (let relative = -300; relative <= 300; relative += 1 + rng.int(3)) {
        if (onBoundary(relative, buckets, maxDistance, bidirectional)) continue;
        const actual = relativeBucket(relative, { buckets, maxDistance, bidirectional });
        expect(actual, `${buckets}/${maxDistance} ${bidirectional} at ${relative}`).toBe(
          restated(relative, buckets, maxDistance, bidirectional),
        );
        compared++;
      }
    }
    expect(compared).toBeGreaterThan(10_000);
  });

  it('never leave the table and never fall with distance', () => {
    const rng = new Rng('range');
    for (let round = 0; round < 50; round++) {
      const bidirectional = rng.int(2) === 1;
      const settings = { buckets: 4 + 2 * rng.int(31), maxDistance: 70 + rng.int(500), bidirectional };
      let before = 0;
      for (let distance = 0; distance < 800; distance++) {
        const bucket = relativeBucket(-distance, settings);
        expect(bucket).toBeGreaterThanOrEqual(before);
        expect(bucket).toBeLessThan(bidirectional ? settings.buckets / 2 : settings.buckets);
        before = bucket;
      }
    }
  });

  it('fill a (queries, keys) matrix from positions that restart', () => {
    const settings = { buckets: 32, maxDistance: 128, bidirectional: false };
    const queries = [0, 1, 2, 0, 1];
    const keys = [0, 1, 0, 1, 40];
    const matrix = relativeBuckets(queries, keys, settings);
    queries.forEach((q, i) => {
      keys.forEach((k, j) => {
        expect(matrix[i * keys.length + j]).toBe(relativeBucket(k - q, settings));
      });
    });
  });
});
