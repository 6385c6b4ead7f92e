/** Several targets packed into one decoder sequence. */
import { describe, expect, it } from 'vitest';
import { Rng } from '../../../src/base/random.js';
import { MASKED, packTargets } from '../../../src/model/blip2/packing.js';
import { padLabels } from '../../../src/model/tokens.js';
import { IGNORED } from '../../../src/ops/labels.js';
import { randomRows } from '../support.js';

const ROUNDS = 60;

/** Random targets: one to three segments, rows without any label in the later ones. */
function randomTargets(rng: Rng) {
  const rows = 1 + rng.int(4);
  const segments = Array.from({ length: 1 + rng.int(3) }, (_, s) => {
    const empty = s === 0 ? [] : [...Array(rows).keys()].filter(() => rng.float() < 0.3);
    return padLabels(randomRows(rng, rows, 1 + rng.int(8), 30, empty));
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
