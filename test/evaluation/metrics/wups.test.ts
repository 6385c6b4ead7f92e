/** WUPS on a small WordNet of our own, and the files that are not one. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WordNet } from '../../../src/evaluation/metrics/wordnet.js';
import { scoreWups, Wups } from '../../../src/evaluation/metrics/wups.js';

/** Synsets of a part by their first word, in order of sense: words, then the hypernym's first word. */
const NOUNS = [
  ['entity'],
  ['animal', 'entity'],
  ['dog', 'animal'],
  ['cat', 'animal'],
  ['puppy', 'dog'],
  ['room', 'entity'],
  ['foot', 'entity'],
  ['two', 'entity'],
];
const VERBS = [['move'], ['run', 'move'], ['eat']];

let folder: string;
let wordnet: WordNet;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa wordnet '));
  await writePart('noun', 'n', NOUNS);
  await writePart('verb', 'v', VERBS);
  await writePart('adj', 'a', [['happy'], ['sad']]);
  await writePart('adv', 'r', []);
  await writeFile(join(folder, 'noun.exc'), 'feet foot\n');
  await writeFile(join(folder, 'verb.exc'), 'ran run\nate eat\n');
  wordnet = await WordNet.load(folder);
});
afterAll(() => rm(folder, { recursive: true }));

/** Writes index and data, whose offsets are bytes. */
async function writePart(part: string, letter: string, synsets: string[][]): Promise<void> {
  const licence = '  1 a licence\n';
  const offset = new Map<string, string>();
  let data = licence;
  for (const [word = '', above] of synsets) {
    offset.set(word, String(data.length).padStart(8, '0'));
    const pointer = above === undefined ? '000' : `001 @ ${offset.get(above)} ${letter} 0000`;
    data += `${offset.get(word)} 03 ${letter} 01 ${word} 0 ${pointer} | a gloss @ 1\n`;
  }
  const index = [...offset].map(([word, at]) => `${word} ${letter} 1 0 1 0 ${at}  \n`).join('');
  await writeFile(join(folder, `data.${part}`), data);
  await writeFile(join(folder, `index.${part}`), licence + index);
}

describe('WordNet', () => {
  it('finds base forms by exceptions and rules', () => {
    expect(wordnet.lemma('feet', 'noun')).toBe('foot');
    expect(wordnet.lemma('dogs', 'noun')).toBe('dog');
    expect(wordnet.lemma('puppies', 'noun')).toBe('puppy');
    expect(wordnet.lemma('ran', 'verb')).toBe('run');
    expect(wordnet.lemma('moving', 'verb')).toBe('move');
    expect(wordnet.lemma('xyz', 'noun')).toBe('xyz');
  });

  it.each([
    // Depths count from 1: entity 1, animal 2, dog and cat 3, puppy 4.
    ['dog', 'cat', (2 * 2) / (3 + 3)],
    ['puppy', 'dog', (2 * 3) / (4 + 3)],
    ['dog', 'room', (2 * 1) / (3 + 2)],
    ['dog', 'dogs', 1],
    // Verbs have a root in common, which is put above their own.
    ['eat', 'move', (2 * 1) / (2 + 2)],
    ['happy', 'sad', (2 * 1) / (2 + 2)],
    ['dog', 'xyz', 0],
  ])('finds %s and %s alike by Wu and Palmer', (a, b, expected) => {
    expect(wordnet.similarity(a, b)).toBeCloseTo(expected, 12);
    expect(wordnet.similarity(b, a)).toBeCloseTo(expected, 12);
  });

  it('is a folder of its files', async () => {
    await expect(WordNet.load(join(folder, 'none'))).rejects.toThrow('expected a folder with index.noun');
  });
});

describe('WUPS', () => {
  const score = (text: string, answers: string[], type = 'CW', alpha = 0) =>
    new Wups(wordnet).score({ type, text, answers }, alpha);

  it.each<[string, string, number]>([
    ['the dog', 'dogs', 1],
    ['a cat', 'dog', 2 / 3],
    // The product of the best matches, the smaller of both directions.
    ['dog room', 'dog cat', Math.min((1 * 2) / 5, 1 * (2 / 3))],
    // Words that match nothing are passed over.
    ['dog xyz', 'dog', 1],
    ['xyz', 'dog', 0],
    ['xyz', 'xyz', 1],
    ['', 'dog', 0],
    ['the', 'dog', 0],
    ['he moved', 'moving', 1],
  ])('of %j and %j', (text, answer, expected) => {
    expect(score(text, [answer])).toBeCloseTo(expected, 12);
    expect(score(answer, [text])).toBeCloseTo(expected, 12);
  });

  it('keeps a tenth of what is below alpha', () => {
    expect(score('cat', ['dog'], 'CW', 0.9)).toBeCloseTo(0.1 * (2 / 3), 12);
    expect(score('dog', ['dog'], 'CW', 0.9)).toBe(1);
  });

  it('asks for equal words of counts and yes or no', () => {
    for (const type of ['DC', 'DB']) {
      expect(score('cat', ['dog'], type)).toBe(0);
      expect(score('the dogs', ['dog'], type)).toBe(1);
    }
  });

  it('takes the best of two references, and is a percentage over all', () => {
    expect(score('cat', ['room', 'dog'])).toBeCloseTo(2 / 3, 12);
    const items = ['dog', 'cat'].map((text) => ({ type: 'CW', text, answers: ['dog'] }));
    const { 'WUPS@0': at0, 'WUPS@0.9': at9 } = scoreWups(items, wordnet);
    expect(at0).toBeCloseTo(50 + 100 / 3, 10);
    expect(at9).toBeCloseTo(50 + 10 / 3, 10);
  });
});
