/** The scan for many words against an expression for each. */
import { expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { STRANGE, WORD_END, WordScan } from '../../src/reasoning/wordScan.js';

const SIGNS = [...'aaabbbAB1', ' ', ' ', "'", '’', ',', '-', '_', '.', '\n', 'é', '\u0007'];

/** Whether a text of the scan stands in `text`, by an expression. */
function stands(word: string, text: string, behindApostrophe: boolean): boolean {
  const whole = word.endsWith(WORD_END);
  const letters = [...word.replace(WORD_END, '')].map((sign) =>
    sign === "'" ? "['’]" : /[a-z]/.test(sign) ? `[${sign}${sign.toUpperCase()}]` : sign,
  );
  const before = `(?<![A-Za-z0-9]${behindApostrophe ? '' : "|[A-Za-z0-9]['’]"})`;
  return new RegExp(before + letters.join('') + (whole ? '(?![A-Za-z0-9])' : '')).test(text);
}

it('finds what expressions find, in any part of a text', () => {
  const rng = new Rng('scan');
  const draw = (most: number) => Array.from({ length: 1 + rng.int(most) }, () => rng.pick(SIGNS)).join('');
  const word = () => {
    const letters = Array.from({ length: 1 + rng.int(4) }, () => rng.pick([...'aabbABa ']))
      .join('')
      .trimStart();
    return (letters === '' ? 'a' : letters) + rng.pick(['', WORD_END]);
  };
  let found = 0;
  for (let i = 0; i < 300; i++) {
    // A space ends no word.
    const words = Array.from({ length: 6 }, () => word().replace(` ${WORD_END}`, ' '));
    const scan = new WordScan(
      words.slice(0, 4).map((text, j) => [1 << j, [text]] as const),
      words.slice(4).map((text, j) => [16 << j, [text]] as const),
    );
    for (let j = 0; j < 20; j++) {
      const [head, text, tail] = [draw(4), draw(14), draw(4)];
      const marks = scan.marksIn(`${head} ${text} ${tail}`, head.length + 1, head.length + 1 + text.length);
      const expected = words.reduce((sum, each, k) => (stands(each, text, k < 4) ? sum | (1 << k) : sum), 0);
      expect(marks, JSON.stringify([words, text])).toBe(expected);
      if (marks !== 0) found++;
    }
  }
  expect(found).toBeGreaterThan(1000);
});

it('knows signs that English prose does not have', () => {
  const scan = new WordScan([[1, [STRANGE]]], []);
  const marksIn = (text: string) => scan.marksIn(text, 0, text.length);
  for (const text of ['é', 'a→b', '答', '\u0000', '😀']) expect(marksIn(text), text).toBe(1);
  for (const text of ['It’s “his”—or … • hers.\r\n\tYes!'.replace(/[“”]/g, ''), ''])
    expect(marksIn(text), text).toBe(0);
});

it('takes a capital as itself, strange signs as one, and of a text with a sign that it has no name for the beginning', () => {
  const scan = new WordScan(
    [
      [1, ['B']],
      [2, ['opcją']],
      [4, ['x)y']],
    ],
    [],
  );
  const marks = ['B', 'b', 'opcję', 'opcje', 'x)y', 'x(z', 'y'].map((text) =>
    scan.marksIn(text, 0, text.length),
  );
  expect(marks).toEqual([1, 0, 2, 0, 4, 4, 0]);
});
