/** Words of an option in a text, against expressions that say the same. */
import { expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { Choices } from '../../src/reasoning/choices.js';
import { TruthWords } from '../../src/reasoning/truthWords.js';
import { foldCase, runEndPastArticle } from '../../src/reasoning/wordRuns.js';

const PARTS = [
  'the',
  'A',
  'an',
  'red',
  'Red',
  'RED',
  'cup',
  'cups',
  "cup's",
  'cup’s',
  'cupes',
  'cu',
  'C',
  'c',
  'ÉTÉ',
];
const MARKS = [' ', ' ', ' ', ', ', '-', '.', '. ', ') ', ' (', "'", '', '\n', '/', '🙂', '’'];

/** Texts of words, some of them the option's, with marks between. */
function texts(count: number): string[] {
  const rng = new Rng('wordRuns');
  return Array.from({ length: count }, () =>
    Array.from({ length: 1 + rng.int(8) }, () => rng.pick(PARTS) + rng.pick(MARKS)).join(''),
  );
}

it('are found at a place with an article or without', () => {
  const truth = /(?:(?:the|an?)\s+)?red[^\p{L}\p{N}]+cup/iuy;
  for (const text of texts(400)) {
    const folded = foldCase(text);
    for (let at = 0; at < text.length; at++) {
      truth.lastIndex = at;
      const found = truth.exec(text);
      const expected = found ? at + found[0].length : -1;
      expect(runEndPastArticle(folded, at, ['red', 'cup']), JSON.stringify([text, at])).toBe(expected);
    }
  }
});

it('are found as the true answer, with article, plural and possessive, outside of compounds', () => {
  const truth =
    /(?<![\p{L}\p{M}\p{N}]|[\p{L}\p{N}][-‐‑'’])(?:(?:the|a|an)\s+)?red[^\p{L}\p{N}]+cup(?:es|s|['’]s)?(?![\p{L}\p{M}\p{N}]|[-‐‑][\p{L}\p{N}])/giu;
  const words = new TruthWords(['red cup', 'dog'], 0, 'phrase');
  let several = 0;
  for (const text of texts(1500)) {
    // Option A's own letter is another rule's.
    if (/(?<![\p{L}\p{N}])A(?![\p{L}\p{N}])/u.test(text)) continue;
    const expected = [...text.matchAll(truth)].map(({ index, 0: found }) => [index, index + found.length]);
    if (expected.length > 0) several++;
    expect(
      words.find(text).map(({ start, end }) => [start, end]),
      text,
    ).toEqual(expected);
  }
  expect(several).toBeGreaterThan(20);
});

it('are blanked behind their own letter', () => {
  const choices = new Choices(['dog', 'cat', 'red cup']);
  const truth =
    /((?<![\p{L}\p{N}])C[)\]⟧]?)[.:,]?\s*[([–—-]?\s*(?:(?:the|an?)\s+)?red[^\p{L}\p{N}]+cup(?![\p{L}\p{N}])\)?/giu;
  const blanked = (text: string) =>
    text.replace(truth, (whole, label: string) => label + ' '.repeat(whole.length - label.length));
  for (const text of texts(1500)) {
    if (!/(?<![\p{L}\p{N}])C(?![\p{L}\p{N}])/u.test(text)) continue;
    expect(choices.withoutOwnTexts(text), JSON.stringify(text)).toBe(blanked(text));
  }
  expect(choices.withoutOwnTexts('(C) the red cup, c. Red-Cup')).toBe('(C)            , c         ');
});
