/** Texts seen before, beside a Map. */
import { expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { TextIndex } from '../../src/data/textIndex.js';

it('gives the number that a text was first added with, as a Map does', () => {
  const rng = new Rng('texts');
  const index = new TextIndex();
  const map = new Map<string, number>();
  for (let i = 1; i <= 20_000; i++) {
    const text = `${rng.int(5000)}_${rng.pick(['a', 'é', '🐕', ''])}`;
    expect(index.add(text, i)).toBe(map.get(text));
    if (!map.has(text)) map.set(text, i);
    expect(index.size).toBe(map.size);
  }
  for (const [text, number] of map) expect(index.get(text)).toBe(number);
  expect(index.has('none')).toBe(false);
  expect(index.has('')).toBe(false);
});

it('takes 200,000 ids that differ in a digit for different', () => {
  const index = new TextIndex();
  for (let video = 0; video < 2000; video++)
    for (let qid = 0; qid < 100; qid++) index.add(`${4_010_000_000 + video}_${qid}`);
  expect(index.size).toBe(200_000);
});
