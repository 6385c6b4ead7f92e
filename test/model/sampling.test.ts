/** Choosing tokens: greedy, sampled, with log-probabilities. */
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { selectEngine } from '../../src/engine/engine.js';
import { argMaxRows, type Choice, HostChooser } from '../../src/model/sampling.js';
import type { Sampling } from '../../src/model/student.js';

beforeAll(() => selectEngine('cpu'));

const ROUNDS = 40;

/** Chooses from these logits, one list a row. */
function choose(
  chooser: HostChooser,
  rows: readonly (readonly number[])[],
  ...rest: [number?, number?]
): Choice {
  const logits = tf.tensor2d(rows.map((row) => [...row]));
  const choice = chooser.choose(logits, ...rest);
  logits.dispose();
  return choice;
}

const randomLogits = (rng: Rng, width: number, scale = 2) =>
  Array.from({ length: width }, () => Math.fround(scale * rng.normal()));

const argMax = (values: readonly number[]) => values.indexOf(Math.max(...values));

function softmax(logits: readonly number[], temperature = 1): number[] {
  const largest = Math.max(...logits);
  const weights = logits.map((logit) => Math.exp((logit - largest) / temperature));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}

/** The smallest set of likeliest tokens whose probabilities reach topP, by trying every size. */
function nucleus(probabilities: readonly number[], topP: number): number[] {
  const order = probabilities.map((p, id) => ({ p, id })).sort((a, b) => b.p - a.p || a.id - b.id);
  for (let size = 1; size < order.length; size++)
    if (order.slice(0, size).reduce((sum, { p }) => sum + p, 0) >= topP)
      return order.slice(0, size).map(({ id }) => id);
  return order.map(({ id }) => id);
}

const seedsOf = (count: number, name: string) => Array.from({ length: count }, (_, i) => `${name}/${i}`);

/** How often each token is drawn from the same logits by that many rows of their own seeds. */
function frequencies(
  logits: readonly number[],
  draws: number,
  options: Omit<Sampling, 'seeds'>,
  name: string,
) {
  const chooser = new HostChooser(draws, { ...options, seeds: seedsOf(draws, name) });
  const counts = logits.map(() => 0);
  for (const id of choose(chooser, new Array(draws).fill(logits)).ids) counts[id]!++;
  return counts;
}

/** Whether counts are what these probabilities give, within five standard errors each. */
function expectShares(counts: readonly number[], probabilities: readonly number[]): void {
  const draws = counts.reduce((a, b) => a + b, 0);
  probabilities.forEach((p, id) => {
    const error = Math.sqrt((p * (1 - p)) / draws);
    expect(Math.abs(counts[id]! / draws - p), `token ${id} of probability ${p}`).toBeLessThanOrEqual(
      5 * error,
    );
  });
}

describe('without sampling', () => {
  it('takes the likeliest token, the first of equals, and the next best where that one is banned', () => {
    const rng = new Rng('argmax');
    for (let round = 0; round < ROUNDS; round++) {
      const rows = Array.from({ length: 3 }, () => randomLogits(rng, 12));
      const chooser = new HostChooser(3);
      expect([...choose(chooser, rows).ids]).toEqual(rows.map(argMax));
      const banned = argMax(rows[0]!);
      const allowed = rows.map((row) => row.map((logit, id) => (id === banned ? -1e9 : logit)));
      expect([...choose(chooser, rows, banned).ids]).toEqual(allowed.map(argMax));
    }
    expect([...choose(new HostChooser(1), [[1, 3, 3, 2]]).ids]).toEqual([1]);
    expect([...choose(new HostChooser(1), [[1, 3, 3, 2]], 1).ids]).toEqual([2]);
  });
});

describe('sampling', () => {
  it('at a temperature near 0 takes the likeliest token', () => {
    const rng = new Rng('cold');
    for (let round = 0; round < ROUNDS; round++) {
      const rows = Array.from({ length: 4 }, () => randomLogits(rng, 12));
      for (const temperature of [1e-5, 1e-300]) {
        const chooser = new HostChooser(4, { temperature, seeds: seedsOf(4, `cold ${round}`) });
        expect([...choose(chooser, rows).ids]).toEqual(rows.map(argMax));
      }
    }
  });

  it.each([0.5, 1, 2.5])('at temperature %d draws each token as often as softmax says', (temperature) => {
    const rng = new Rng('frequencies');
    for (let round = 0; round < 3; round++) {
      const logits = randomLogits(rng, 7, 1);
      const counts = frequencies(logits, 4000, { temperature }, `often ${round}`);
      expectShares(counts, softmax(logits, temperature));
    }
  });

  it('draws from one stream as it draws from many', () => {
    const logits = randomLogits(new Rng('stream'), 5, 1);
    const chooser = new HostChooser(1, { temperature: 1, seeds: ['one'] });
    const counts = logits.map(() => 0);
    for (let i = 0; i < 4000; i++) counts[choose(chooser, [logits]).ids[0]!]!++;
    expectShares(counts, softmax(logits));
  });

  it('cut to topP draws every token of the nucleus, in its shares, and none other', () => {
    const rng = new Rng('nucleus');
    for (let round = 0; round < ROUNDS; round++) {
      const logits = randomLogits(rng, 6, 1);
      const temperature = 0.5 + rng.float();
      const probabilities = softmax(logits, temperature);
      const topP = 0.05 + 0.9 * rng.float();
      const kept = nucleus(probabilities, topP);
      const mass = kept.reduce((sum, id) => sum + probabilities[id]!, 0);
      const counts = frequencies(logits, 1500, { temperature, topP }, `nucleus ${round}`);
      const shares = probabilities.map((p, id) => (kept.includes(id) ? p / mass : 0));
      expectShares(counts, shares);
      // 1,500 draws miss a share of 1 % in 3 of ten million runs.
      for (const id of kept) if (shares[id]! > 0.01) expect(counts[id], `token ${id}`).toBeGreaterThan(0);
    }
  });

  it.each([
    ['the first of equal tokens', [0, 0, 0, 0], 0.5, [0, 1]],
    ['no more than reach it exactly', [0, 0], 0.5, [0]],
    ['the likeliest alone when it is enough by itself', [9, 0, 0, 0], 0.9, [0]],
    ['the likeliest however small topP is', [0, 1, 0], 1e-9, [1]],
    ['all of them at 1', [0, 3, 0], 1, [0, 1, 2]],
  ])('keeps %s', (_, logits, topP, kept) => {
    const counts = frequencies(logits, 400, { temperature: 1, topP }, 'exact');
    expect(counts.flatMap((count, id) => (count > 0 ? [id] : []))).toEqual(kept);
  });

  it('draws the same tokens for the same seed and logits, whatever else is in the batch', () => {
    const rng = new Rng('batch');
    const steps = Array.from({ length: 12 }, () => [0, 1, 2].map(() => randomLogits(rng, 30, 1)));
    const sampling = { temperature: 1, topP: 0.9 };
    const drawn = (seeds: string[], rows: number[]) => {
      const chooser = new HostChooser(rows.length, { ...sampling, seeds });
      return steps.map((logits) => [
        ...choose(
          chooser,
          rows.map((row) => logits[row]!),
        ).ids,
      ]);
    };
    const together = drawn(['a', 'b', 'c'], [0, 1, 2]);
    expect(drawn(['b'], [1]).flat()).toEqual(together.map(([, b]) => b));
    expect(drawn(['c', 'a'], [2, 0])).toEqual(together.map(([a, , c]) => [c, a]));
    expect(drawn(['x', 'y', 'z'], [0, 1, 2])).not.toEqual(together);
    expect(new Set(together.flat()).size).toBeGreaterThan(8);
  });

  it('never draws a banned token or one of probability 0, and shares the rest', () => {
    const rng = new Rng('banned');
    for (let round = 0; round < 5; round++) {
      const logits = randomLogits(rng, 6, 1);
      const impossible = rng.int(6);
      logits[impossible] = Number.NEGATIVE_INFINITY;
      const banned = argMax(logits);
      const chooser = new HostChooser(2000, { temperature: 1, seeds: seedsOf(2000, `ban ${round}`) });
      const counts = logits.map(() => 0);
      for (const id of choose(chooser, new Array(2000).fill(logits), banned).ids) counts[id]!++;
      const left = softmax(logits).map((p, id) => (id === banned ? 0 : p));
      const mass = left.reduce((a, b) => a + b, 0);
      expect([counts[banned], counts[impossible]]).toEqual([0, 0]);
      expectShares(
        counts,
        left.map((p) => p / mass),
      );
    }
  });

  it('never chooses a row of the embedding that no token has, greedy or drawn, and reports p over all rows', () => {
    // Ids 3 and 4 are unused, and by far the likeliest.
    const rows = [
      [1, 2, 0, 50, 60],
      [3, 1, 2, 70, 10],
    ];
    const logits = tf.tensor2d(rows);
    expect([...argMaxRows(logits, undefined, 3)]).toEqual([1, 0]);
    expect([...argMaxRows(logits, 1, 3)]).toEqual([0, 0]);
    expect([...argMaxRows(logits, 4, 3)]).toEqual([1, 0]);
    expect([...argMaxRows(logits, undefined, 9)]).toEqual([4, 3]);
    logits.dispose();
    const greedy = choose(new HostChooser(2, undefined, 3), rows);
    expect([...greedy.ids]).toEqual([1, 0]);
    expect(greedy.logProbs[0]).toBeCloseTo(Math.log(softmax(rows[0]!)[1]!), 4);
    for (const topP of [1, 0.5]) {
      const sampling = { temperature: 5, topP, seeds: seedsOf(400, 'unused') };
      const drawn = choose(new HostChooser(400, sampling, 3), new Array(400).fill(rows[0]));
      expect(Math.max(...drawn.ids)).toBeLessThan(3);
    }
  });

  it('leaves the stream where it is for a forced token', () => {
    const logits = randomLogits(new Rng('forced'), 40, 1);
    const sampling = { temperature: 1, seeds: ['forced'] };
    const [plain, forced] = [new HostChooser(1, sampling), new HostChooser(1, sampling)];
    expect([...choose(forced, [logits], undefined, 7).ids]).toEqual([7]);
    for (let i = 0; i < 5; i++) expect(choose(forced, [logits])).toEqual(choose(plain, [logits]));
  });

  it.each([
    [{ temperature: 0, seeds: ['a'] }, /temperature 0, expected above 0/],
    [{ temperature: -1, seeds: ['a'] }, /temperature -1/],
    [{ temperature: Number.NaN, seeds: ['a'] }, /temperature NaN/],
    [{ temperature: 1, topP: 0, seeds: ['a'] }, /topP 0, expected in \(0, 1\]/],
    [{ temperature: 1, topP: 1.01, seeds: ['a'] }, /topP 1\.01/],
    [{ temperature: 1, topP: Number.NaN, seeds: ['a'] }, /topP NaN/],
    [{ temperature: 1, seeds: ['a', 'b'] }, /2 seeds for 1 rows/],
  ])('refuses %o', (sampling, message) => {
    expect(() => new HostChooser(1, sampling)).toThrow(RangeError);
    expect(() => new HostChooser(1, sampling)).toThrow(message);
  });
});

describe('log-probabilities', () => {
  it.each([
    ['the likeliest token', undefined],
    ['a drawn token', { temperature: 1 }],
    ['a token drawn at another temperature from a nucleus', { temperature: 1.7, topP: 0.8 }],
  ])('are log softmax of the whole logits at temperature 1: %s', (_, options) => {
    const rng = new Rng('log');
    for (let round = 0; round < ROUNDS; round++) {
      const rows = Array.from({ length: 3 }, () => randomLogits(rng, 9, 4));
      const sampling = options && { ...options, seeds: seedsOf(3, `log ${round}`) };
      const banned = round % 2 ? rng.int(9) : undefined;
      const forced = round % 5 === 0 ? rng.int(9) : undefined;
      const { ids, logProbs } = choose(new HostChooser(3, sampling), rows, banned, forced);
      rows.forEach((logits, row) => {
        expect(logProbs[row]).toBeCloseTo(Math.log(softmax(logits)[ids[row]!]!), 9);
      });
    }
  });

  it('stay finite where the exponentials would not', () => {
    const { logProbs } = choose(new HostChooser(2), [
      [3e38, -3e38],
      [-1000, -1001],
    ]);
    expect(logProbs[0]).toBe(0);
    expect(logProbs[1]).toBeCloseTo(-Math.log1p(Math.exp(-1)), 6);
  });
});
