/** Spans as text: written with one decimal, read as the last plain pair, nothing clamped. */
import { describe, expect, it } from 'vitest';
import { Rng } from '../../../src/base/random.js';
import { readSpan, spanText, splitSpan } from '../../../src/text/tasks/spanText.js';

describe('a written span', () => {
  it('is read back to a tenth of a second', () => {
    const rng = new Rng('spans');
    for (let i = 0; i < 500; i++) {
      const start = rng.float() * 10 ** rng.int(5);
      const span = [start, start + 0.01 + rng.float() * 100] as const;
      const [from, to] = readSpan(spanText(span))!;
      expect(Math.abs(from - span[0])).toBeLessThanOrEqual(0.0501);
      expect(Math.abs(to - span[1])).toBeLessThanOrEqual(0.1001);
      expect(from).toBeLessThan(to);
    }
  });

  it.each([
    [[0, 3.25], '0.0 to 3.3 seconds'],
    [[3.2, 7.8], '3.2 to 7.8 seconds'],
    // Shorter than the rounding.
    [[3.21, 3.24], '3.2 to 3.3 seconds'],
    [[12345, 20000.5], '12345.0 to 20000.5 seconds'],
  ] as const)('%j is "%s"', (span, text) => {
    expect(spanText(span)).toBe(text);
  });
});

describe('reading a span', () => {
  it.each([
    ['3.2 to 7.8 seconds', [3.2, 7.8]],
    ['From 3.2s to 7.8s.', [3.2, 7.8]],
    ['between 3 and 7 sec', [3, 7]],
    ['[3.2, 7.8]', [3.2, 7.8]],
    ['[3.2,7.8]', [3.2, 7.8]],
    ['3.2 - 7.8', [3.2, 7.8]],
    ['3.2–7.8 s', [3.2, 7.8]],
    ['3.2 UNTIL 7.8', [3.2, 7.8]],
    // The last pair counts.
    ['not 1 to 2 but 5.0 to 6.5 seconds', [5, 6.5]],
    // A reversed pair is none, so the last that is one counts.
    ['1 to 2, or 9 to 3', [1, 2]],
    // A point is a span without length; metrics say what it is worth.
    ['4.0 to 4.0 seconds', [4, 4]],
    // Beyond any video: as it was written.
    ['3.2 to 99999.9 seconds', [3.2, 99999.9]],
    ['Option C 3.2 to 7.8 seconds', [3.2, 7.8]],
    ['3.2; 7.8', [3.2, 7.8]],
    ['3.2 till 7.8', [3.2, 7.8]],
    ['3.2 ‒ 7.8', [3.2, 7.8]],
    ['3.2‑7.8', [3.2, 7.8]],
    ['3.2—7.8', [3.2, 7.8]],
    ['3.2 − 7.8 s', [3.2, 7.8]],
    // Of three numbers the first two, as a search for pairs finds them.
    ['3, 5, 9', [3, 5]],
  ])('%s', (text, span) => {
    expect(readSpan(text)).toEqual(span);
  });

  it.each([
    ['no number', 'at the end'],
    ['one number', '3.2 seconds'],
    ['a reversed pair', '7.8 to 3.2 seconds'],
    ['a clock time', '1:02 to 1:09'],
    ['a clock time with hours', '0:01:02 to 0:01:09'],
    ['a clock time at one end', '3 to 1:09'],
    ['a sign', '-3.2 to 7.8'],
    ['a sign of Unicode', '−3.2 to 7.8'],
    ['decimal commas', '3,2 to 7,8 seconds'],
    ['thousands', '1,200 to 1,300'],
    ['numbers that nothing joins', '3.2 7.8'],
    ['words', 'three to seven seconds'],
    ['a version', '1.2.3 to 4.5.6'],
    ['a sign that is a dash', '–3.2 to 7.8'],
    ['a sign before the second', '3.2 to -7.8'],
    ['minutes', '1 to 2 minutes'],
    ['minutes at both', '1 min to 2 min'],
    ['milliseconds', '100 to 200 ms'],
    ['frames', '3 to 7 frames'],
    ['percent', '20 to 40 %'],
    ['powers', '1e1 to 5e1'],
    ['names', 'frame3 to 7'],
    ['nothing', ''],
  ])('none in %s', (_, text) => {
    expect(readSpan(text)).toBeUndefined();
  });

  it('ends on long texts that are nearly a span', () => {
    expect(readSpan('3 to , '.repeat(20_000))).toBeUndefined();
    expect(readSpan('1'.repeat(100_000))).toBeUndefined();
    expect(readSpan(`3${' '.repeat(100_000)}4`)).toBeUndefined();
  });
});

describe('splitting off a span', () => {
  it.each([
    ['Option C 3.2 to 7.8 seconds', 'Option C'],
    ['B. 3.2 to 7.8 s', 'B.'],
    ['3.2 to 7.8 seconds: Option A', ': Option A'],
    ['Option D', 'Option D'],
  ])('%s leaves "%s"', (text, rest) => {
    expect(splitSpan(text).rest).toBe(rest);
  });
});
