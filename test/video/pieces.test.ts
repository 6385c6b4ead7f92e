/** Cutting two videos into pieces that take turns. */
import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { alternate, cutPieces } from '../../src/video/pieces.js';

const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);

describe('cutPieces', () => {
  it('cuts any length into pieces within the bounds, wherever their number allows', () => {
    const rng = new Rng('pieces');
    for (let i = 0; i < 3000; i++) {
      const least = 1 + rng.int(40);
      const most = least + rng.int(20);
      const length = rng.int(400);
      const pieces = cutPieces(length, least, most, rng);
      expect(sum(pieces)).toBe(length);
      expect(Math.max(0, ...pieces)).toBeLessThanOrEqual(most);
      if (length > 0) expect(Math.min(...pieces)).toBeGreaterThan(0);
      const fits = Math.floor(length / least) * most >= length && length > 0;
      if (fits) expect(Math.min(...pieces)).toBeGreaterThanOrEqual(least);
    }
  });

  it('draws every length there is', () => {
    const rng = new Rng('all');
    const seen = new Set(Array.from({ length: 200 }, () => cutPieces(16, 2, 3, rng).join()));
    expect(seen.size).toBeGreaterThan(20);
    expect([...new Set([...seen].flatMap((text) => text.split(',')))].sort()).toEqual(['2', '3']);
  });
});

describe('alternate', () => {
  it('takes turns, then lays what is left of the longer one', () => {
    expect(
      alternate(
        [
          [2, 3],
          [1, 1, 2],
        ],
        1,
      ),
    ).toEqual([
      { side: 1, from: 0, to: 1 },
      { side: 0, from: 0, to: 2 },
      { side: 1, from: 1, to: 2 },
      { side: 0, from: 2, to: 5 },
      { side: 1, from: 2, to: 4 },
    ]);
    expect(alternate([[4], [1, 1, 1]], 0).map(({ side }) => side)).toEqual([0, 1, 1, 1]);
    expect(alternate([[], []], 0)).toEqual([]);
  });
});
