/** Padding of token ids and labels. */
import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { padLabels, padTokens } from '../../src/model/tokens.js';

const ROUNDS = 60;

/** Up to five rows of up to eight ids, some of them empty. */
function randomRagged(rng: Rng): number[][] {
  return Array.from({ length: rng.int(6) }, () =>
    Array.from({ length: rng.int(9) }, () => 1 + rng.int(1000)),
  );
}

/** Row `row` of a rectangle. */
const rowOf = (values: Int32Array, columns: number, row: number) => [
  ...values.subarray(row * columns, (row + 1) * columns),
];

describe('padTokens', () => {
  it('pads on the right to the longest row, with a mask of the real tokens', () => {
    const rng = new Rng('tokens');
    for (let round = 0; round < ROUNDS; round++) {
      const rows = randomRagged(rng);
      const padId = rng.int(3);
      const { ids, mask, columns } = padTokens(rows, padId);
      expect(columns).toBe(Math.max(0, ...rows.map((row) => row.length)));
      expect([ids.length, mask.length]).toEqual([rows.length * columns, rows.length * columns]);
      for (const [i, row] of rows.entries()) {
        const rest = columns - row.length;
        expect(rowOf(ids, columns, i)).toEqual([...row, ...new Array(rest).fill(padId)]);
        expect(rowOf(mask, columns, i)).toEqual([...row.map(() => 1), ...new Array(rest).fill(0)]);
      }
    }
  });

  it('masks a token that happens to be the padding as the real one it is', () => {
    expect([...padTokens([[7, 0], [7, 0, 7], []], 0).mask]).toEqual([1, 1, 0, 1, 1, 1, 0, 0, 0]);
  });
});

describe('padLabels', () => {
  it('pads on the right to the longest row, with -100', () => {
    const rng = new Rng('labels');
    for (let round = 0; round < ROUNDS; round++) {
      const rows = randomRagged(rng);
      const { data, columns } = padLabels(rows);
      expect(columns).toBe(Math.max(0, ...rows.map((row) => row.length)));
      expect(data).toHaveLength(rows.length * columns);
      for (const [i, row] of rows.entries())
        expect(rowOf(data, columns, i)).toEqual([...row, ...new Array(columns - row.length).fill(-100)]);
    }
  });

  it('has no column when no row has a token', () => {
    expect(padLabels([[], []])).toEqual({ data: new Int32Array(0), columns: 0 });
    expect(padLabels([])).toEqual({ data: new Int32Array(0), columns: 0 });
  });
});
