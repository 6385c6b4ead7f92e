import { describe, expect, it } from 'vitest';
import { IGNORED } from '../../../src/ops/labels.js';
import { countTokens, MASKED, packTargets, segmentMeans, tokenWeights } from '../../../src/model/blip2/packing.js';
import { Rng } from '../../../src/random.js';
import { randomLabels } from '../support.js';

const ROUNDS = 60;

/** Random targets: one to three segments, rows without any label in the later ones. */
function randomTargets(rng: Rng) {
  const rows = 1 + rng.int(4);
  const segments = Array.from({ length: 1 + rng.int(3) }, (_, s) => {
    const empty = s === 0 ? [] : [...Array(rows).keys()].filter(() => rng.float() < 0.3);
    return randomLabels(rng, rows, 1 + rng.int(8), 30, empty);
  });
  const startIds = segments.map(() => rng.int(5));
  return { rows, segments, startIds, packed: packTargets(segments, startIds, 99) };
}

describe('packing several targets into one sequence', () => {
  it('shifts every segment right behind its own start token, with padding for ignored labels', () => {
    const packed = packTargets(
      [
        { data: Int32Array.of(5, 6, 1, 7, 1, IGNORED), columns: 3 },
        { data: Int32Array.of(8, 1, IGNORED, IGNORED), columns: 2 },
      ],
      [0, 3],
      9,
    );
    expect(packed).toMatchObject({ rows: 2, columns: 5, lengths: [3, 2] });
    expect([...packed.inputIds]).toEqual([0, 5, 6, 3, 8, 0, 7, 1, 3, 9]);
    expect([...packed.labels]).toEqual([5, 6, 1, 8, 1, 7, 1, IGNORED, IGNORED, IGNORED]);
    expect([...packed.positions]).toEqual([0, 1, 2, 0, 1]);
  });

  it('lets a column see exactly the earlier columns of its own segment', () => {
    const rng = new Rng('mask');
    for (let round = 0; round < ROUNDS; round++) {
      const { packed } = randomTargets(rng);
      const segmentOf = packed.lengths.flatMap((length, s) => Array.from({ length }, () => s));
      for (let query = 0; query < packed.columns; query++)
        for (let key = 0; key < packed.columns; key++) {
          const seen = key <= query && segmentOf[key] === segmentOf[query];
          expect(packed.mask[query * packed.columns + key]).toBe(seen ? 0 : MASKED);
        }
    }
  });

  it('refuses targets with different numbers of rows, and none at all', () => {
    const two = { data: Int32Array.of(1, 1), columns: 1 };
    const three = { data: Int32Array.of(1, 1, 1), columns: 1 };
    expect(() => packTargets([two, three], [0, 0], 0)).toThrow(/target 1 has 3 labels, expected 2 rows/);
    expect(() => packTargets([], [], 0)).toThrow(/no target/);
  });
});

describe('token weights', () => {
  it('sum to each segment weight and make the weighted sum of losses the weighted sum of means', () => {
    const rng = new Rng('weights');
    for (let round = 0; round < ROUNDS; round++) {
      const { packed } = randomTargets(rng);
      const segmentWeights = packed.lengths.map(() => rng.float());
      const weights = tokenWeights(packed, segmentWeights);
      const losses = Float64Array.from(weights, () => rng.float() * 9);
      const means = segmentMeans(packed, losses);
      const counts = countTokens(packed);
      let total = 0;
      weights.forEach((weight, i) => {
        if (packed.labels[i] === IGNORED) expect(weight).toBe(0);
        else expect(weight).toBeGreaterThan(0);
        total += weight * losses[i]!;
      });
      const expected = means.reduce((sum, mean, s) => sum + (counts[s] ? segmentWeights[s]! * mean : 0), 0);
      expect(total).toBeCloseTo(expected, 5);
      const sum = weights.reduce((a, b) => a + b, 0);
      expect(sum).toBeCloseTo(
        segmentWeights.reduce((a, weight, s) => a + (counts[s] ? weight : 0), 0),
        5,
      );
    }
  });

  it('count tokens over the whole batch, so that long answers weigh more than short ones', () => {
    const packed = packTargets([{ data: Int32Array.of(5, 1, 1, IGNORED), columns: 2 }], [0], 0);
    expect(countTokens(packed)).toEqual([3]);
    expect(segmentMeans(packed, [3, 6, 9, 1000])).toEqual([6]);
    expect([...tokenWeights(packed, [0.5])]).toEqual([1, 1, 1, 0].map((one) => Math.fround(one / 6)));
  });

  it('give NaN as the mean of a segment without tokens, and weight 0', () => {
    const packed = packTargets(
      [
        { data: Int32Array.of(1), columns: 1 },
        { data: Int32Array.of(IGNORED, IGNORED), columns: 2 },
      ],
      [0, 0],
      0,
    );
    expect(segmentMeans(packed, [2, 5, 5])).toEqual([2, Number.NaN]);
    expect([...tokenWeights(packed, [1, 1])]).toEqual([1, 0, 0]);
  });
});
