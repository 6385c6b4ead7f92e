/** The order of an epoch, with and without length buckets. */
import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { Order, type OrderSettings } from '../../src/batches/order.js';

const SETTINGS: OrderSettings = { batch: 4, shuffle: true, seed: 7, dropLast: false };

const orderOf = (count: number, settings: Partial<OrderSettings> = {}) =>
  new Order(count, { ...SETTINGS, ...settings });

/** Lengths of `count` samples: every fourth has no reasoning, the others 20 to 200 tokens; prompts 40 to 90. */
function lengthsOf(count: number): [number, number][] {
  const rng = new Rng('lengths');
  return Array.from({ length: count }, (_, i) => [i % 4 === 0 ? 0 : 20 + rng.int(180), 40 + rng.int(50)]);
}

/** Share of padding when batches are padded to the longest of one length. */
function padding(batches: readonly number[][], lengths: readonly number[]): number {
  const rows = batches.map((batch) => batch.map((i) => lengths[i]!));
  const all = rows.reduce((sum, row) => sum + row.length * Math.max(...row), 0);
  return 1 - rows.flat().reduce((sum, length) => sum + length, 0) / all;
}

it('without buckets is the order that runs have had from the start', () => {
  expect(orderOf(10).batches(0)).toEqual([
    [4, 9, 6, 8],
    [3, 1, 2, 0],
    [7, 5],
  ]);
  expect(orderOf(10, { dropLast: true }).batches(3)).toEqual([
    [3, 0, 5, 7],
    [8, 9, 2, 1],
  ]);
});

describe('length buckets', () => {
  it('have every sample once an epoch, in whole batches but for the last', () => {
    const rng = new Rng('once');
    for (let round = 0; round < 60; round++) {
      const [count, batch] = [1 + rng.int(700), 1 + rng.int(9)];
      const order = orderOf(count, { batch, seed: rng.int(1000), lengths: lengthsOf(count) });
      const batches = order.batches(rng.int(5));
      expect(batches).toHaveLength(order.batchesPerEpoch);
      expect(batches.slice(0, -1).every(({ length }) => length === batch)).toBe(true);
      expect(batches.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
    }
  });

  it('leave out whole samples of the epoch alone, of any length, with dropLast', () => {
    const lengths = lengthsOf(22);
    const order = orderOf(22, { dropLast: true, lengths });
    const dropped = Array.from({ length: 200 }, (_, epoch) => {
      const seen = new Set(order.batches(epoch).flat());
      expect(seen.size).toBe(20);
      return lengths.flatMap((_length, i) => (seen.has(i) ? [] : [i]));
    });
    // The longest and the shortest are left out as any other: 200 epochs leave out 400, about 18 a sample.
    expect(new Set(dropped.flat()).size).toBe(22);
  });

  it('follow seed and epoch alone, and have other batches in every epoch', () => {
    const lengths = lengthsOf(100);
    const batches = (seed: number, epoch: number) => orderOf(100, { seed, lengths }).batches(epoch);
    expect(batches(7, 3)).toEqual(batches(7, 3));
    expect(batches(7, 3)).not.toEqual(batches(8, 3));
    const sets = (epoch: number) => batches(7, epoch).map((batch) => [...batch].sort((a, b) => a - b).join());
    const first = new Set(sets(0));
    expect(first.size).toBe(25);
    expect(sets(1).filter((batch) => first.has(batch)).length).toBeLessThan(3);
  });

  it('come in shuffled order, not from short to long', () => {
    const lengths = lengthsOf(800);
    const first = orderOf(800, { batch: 8, lengths })
      .batches(0)
      .map(([i]) => lengths[i!]![0]);
    const rising = first.filter((length, i) => i > 0 && length >= first[i - 1]!).length;
    expect(rising).toBeGreaterThan(30);
    expect(rising).toBeLessThan(70);
  });

  it('cut the padding of the first length, and of the second where the first is equal', () => {
    const lengths = lengthsOf(800);
    const [reasoning, prompt] = [lengths.map(([r]) => r), lengths.map(([, p]) => p)];
    const plain = orderOf(800, { batch: 8 }).batches(0);
    const sorted = orderOf(800, { batch: 8, lengths }).batches(0);
    expect(padding(plain, reasoning)).toBeGreaterThan(0.4);
    expect(padding(sorted, reasoning)).toBeLessThan(0.08);
    const equal = prompt.map((length) => [5, length]);
    expect(padding(plain, prompt)).toBeGreaterThan(0.2);
    expect(padding(orderOf(800, { batch: 8, lengths: equal }).batches(0), prompt)).toBeLessThan(0.04);
  });

  it('change nothing without shuffling, and are the plain order in batches of one but for the order of batches', () => {
    const lengths = lengthsOf(10);
    expect(orderOf(10, { shuffle: false, lengths }).batches(2)).toEqual(
      orderOf(10, { shuffle: false }).batches(2),
    );
    expect(orderOf(10, { batch: 1, lengths }).batches(0).flat().sort()).toEqual(
      orderOf(10, { batch: 1 }).batches(0).flat().sort(),
    );
  });
});
