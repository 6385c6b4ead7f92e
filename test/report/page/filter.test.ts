import { describe, expect, it } from 'vitest';
import type { PageExample } from '../../../src/report/page/data.js';
import {
  change,
  countText,
  judgedAnswer,
  matches,
  searchable,
  verdict,
} from '../../../src/report/page/filter.js';

const NONE = { text: '', split: '', type: '', answer: '', setting: '', changed: '', reasoning: '' };

/** @param chosen by setting, null where it was not asked. */
function example(chosen: (number | null)[], more: Partial<PageExample> = {}): PageExample {
  return {
    ...{ key: 'k', id: 'val-7_1', split: 'validation', dataset: 'shapes', type: 'CW', clip: 0, answer: 0 },
    question: 'Why did the Straße turn red?',
    options: ['rain', 'SUN'],
    answers: chosen.map((option) => (option === null ? null : { chosen: option, picks: [option] })),
    ...more,
  };
}

const fits = (given: PageExample, filters: Partial<typeof NONE>): boolean =>
  matches(given, { ...NONE, ...filters }, searchable(given));

describe('the judged setting', () => {
  it('is the last that was asked unless one is named', () => {
    const given = example([1, 0, null]);
    expect(judgedAnswer(given, NONE)).toEqual({ chosen: 0, picks: [0] });
    expect(judgedAnswer(given, { ...NONE, setting: '0' })).toEqual({ chosen: 1, picks: [1] });
    expect(judgedAnswer(given, { ...NONE, setting: '2' })).toBeUndefined();
  });

  it('is neither right nor wrong without a true answer, or where it was not asked', () => {
    expect(verdict(example([1], { answer: null }), { chosen: 1 })).toBe('');
    expect(verdict(example([null]), undefined)).toBe('');
  });
});

it.each<[(number | null)[], string[]]>([
  [[], []],
  [[0], []],
  [[0, 0], ['same']],
  [
    [1, 0],
    ['changed', 'corrected'],
  ],
  [
    [0, 1],
    ['changed', 'lost'],
  ],
  [[1, 0, 1], ['changed']],
  [
    [1, null, 0],
    ['changed', 'corrected'],
  ],
])('answers %j changed as %j', (chosen, kinds) => {
  expect(change(example(chosen), NONE)).toEqual(kinds);
});

it.each([
  [{}, true],
  [{ text: 'straSSe RED' }, false],
  [{ text: 'straße  RED ' }, true],
  [{ text: 'sun' }, true],
  [{ text: 'val-7_1' }, true],
  [{ text: 'red blue' }, false],
  [{ split: 'training' }, false],
  [{ type: 'CW' }, true],
  [{ type: 'C' }, false],
  [{ answer: 'right' }, true],
  [{ answer: 'wrong' }, false],
  [{ answer: 'wrong', setting: '0' }, true],
  [{ changed: 'changed' }, true],
  [{ changed: 'same' }, false],
  [{ changed: 'corrected' }, true],
  [{ changed: 'corrected', setting: '0' }, false],
  [{ reasoning: 'teacher' }, false],
  [{ reasoning: 'student' }, true],
  [{ text: 'because' }, true],
])('filters %j leave an example or not: %s', (filters, left) => {
  const given = example([1, 0], { own: { name: 's', text: 'Because.' } });
  expect(fits(given, filters)).toBe(left);
});

it('searches the teacher’s text across what was removed', () => {
  const teacher = { correct: true, parts: [{ text: 'a st' }, { text: 'ar', removedBy: 'x' }] };
  expect(fits(example([], { teacher }), { text: 'star', reasoning: 'teacher' })).toBe(true);
});

it('counts what is left, and what of it is right and wrong', () => {
  expect(countText([example([0]), example([1]), example([1]), example([])], 9, NONE)).toBe(
    '4 of 9 examples; 1 answered right, 2 wrong',
  );
  expect(countText([], 9, NONE)).toBe('0 of 9 examples');
});
