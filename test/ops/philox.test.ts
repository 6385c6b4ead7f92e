/** Philox against its published values. */
import { describe, expect, it } from 'vitest';
import { philox, philoxKeepMask } from '../../src/ops/philox.js';

/** Philox4x32-10 over BigInt, as the paper defines it: independent of the 16-bit arithmetic under test. */
function philoxBig(counter: number[], key: number[]): number[] {
  const mask = 0xffffffffn;
  let [c0, c1, c2, c3] = counter.map((x) => BigInt(x)) as [bigint, bigint, bigint, bigint];
  let [k0, k1] = key.map((x) => BigInt(x)) as [bigint, bigint];
  for (let round = 0; round < 10; round++) {
    const p0 = 0xd2511f53n * c0;
    const p1 = 0xcd9e8d57n * c2;
    [c0, c1, c2, c3] = [(p1 >> 32n) ^ c1 ^ k0, p1 & mask, (p0 >> 32n) ^ c3 ^ k1, p0 & mask];
    k0 = (k0 + 0x9e3779b9n) & mask;
    k1 = (k1 + 0xbb67ae85n) & mask;
  }
  return [c0, c1, c2, c3].map(Number);
}

describe('philox', () => {
  // The known-answer vectors of the authors' Random123 library.
  it.each([
    [
      [0, 0, 0, 0],
      [0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ])('gives the published words for counter %j', (counter, key, expected) => {
    const out = new Uint32Array(4);
    philox(counter, key as [number, number], out);
    expect([...out]).toEqual(expected);
  });

  it('keeps an element exactly when its word reaches the threshold, wherever the row ends', () => {
    const key = { rate: 0.3, seed: 4000000000, step: 77, call: 3 };
    const [rows, columns] = [5, 11];
    const mask = philoxKeepMask(rows, columns, key);
    const expected = Array.from({ length: rows * columns }, (_, i) => {
      const [row, column] = [Math.floor(i / columns), i % columns];
      const words = philoxBig([column >> 2, row, key.call, key.step], [key.seed, 0x5ea5]);
      return words[column & 3]! >= Math.round(0.3 * 2 ** 32) ? 1 : 0;
    });
    expect([...mask]).toEqual(expected);
  });

  it('drops the asked share, independently between calls and steps', () => {
    const n = 200_000;
    const a = philoxKeepMask(200, 1000, { rate: 0.1, seed: 1, step: 1, call: 0 });
    const b = philoxKeepMask(200, 1000, { rate: 0.1, seed: 1, step: 1, call: 1 });
    const c = philoxKeepMask(200, 1000, { rate: 0.1, seed: 1, step: 2, call: 0 });
    const share = (m: Float32Array): number => m.reduce((s, x) => s + x, 0) / n;
    const both = (x: Float32Array, y: Float32Array): number => x.reduce((s, v, i) => s + v * y[i]!, 0) / n;
    // Five standard deviations of a binomial share of 200,000 draws.
    const bound = (p: number): number => 5 * Math.sqrt((p * (1 - p)) / n);
    for (const mask of [a, b, c]) expect(Math.abs(share(mask) - 0.9)).toBeLessThan(bound(0.9));
    expect(Math.abs(both(a, b) - 0.81)).toBeLessThan(bound(0.81));
    expect(Math.abs(both(a, c) - 0.81)).toBeLessThan(bound(0.81));
  });
});
