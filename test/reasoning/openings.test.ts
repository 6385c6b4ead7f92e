/** The texts with which matches of an expression begin. */
import { describe, expect, it } from 'vitest';
import { openings } from '../../src/reasoning/openings.js';
import { WORDS } from '../../src/reasoning/screen.js';
import { OTHER, WORD_END } from '../../src/reasoning/wordScan.js';

/** Whether a text of the scan begins a word there. */
const beginsIn = (text: string, opening: string) =>
  new RegExp(`\\b${opening.replace(WORD_END, '(?![a-z0-9])')}`).test(text);

describe('the openings of an expression', () => {
  it.each([
    ['cat|dog', ['cat', 'dog']],
    ['\\bcats?\\b', [`cats${WORD_END}`, `cat${WORD_END}`]],
    ['(?<=the )cat', ['cat']],
    ['^\\W*(?:so|thus)\\b', [`so${WORD_END}`, `thus${WORD_END}`]],
    ['(?:the|a)\\s+cat', ['the cat', 'the  ', `the${OTHER}`, 'a cat', 'a  ', `a${OTHER}`]],
    ['(?:big|red)(?![a-z0-9])', [`big${WORD_END}`, `red${WORD_END}`]],
    ['choose(?:\\s+that)?', ['choose']],
    ['(?:\\s*so|\\W+thus)x', ['sox', 'thusx']],
    ['pick(?:\\s+that|\\W+this)', ['pick']],
    ['pick(?:\\s+that)', ['pick that', 'pick  ', `pick${OTHER}`]],
    ['the\\s*cat', ['the cat', 'the  ', `the${OTHER}`, 'thecat']],
    ['(?:the )?cat', ['the cat', 'cat']],
    ['(?:big )*cat', ['big ', 'cat']],
    ['colou?r', ['colour', 'color']],
    ["l['’]option", ["l'option", 'l’option']],
    ['[=-]>', ['=>', '->']],
    ['no{2,3}t', ['no']],
    ['Select(?:ed)?|choose', ['select', 'choose']],
    ['\\.(?!x)y', ['.y']],
  ])('of %s are %j', (source, expected) => {
    expect(new Set(openings(source))).toEqual(new Set(expected));
  });

  it.each(['\\w+n', '.x', 'x?', '(?:|a)', '[^a]b', 'x*'])(
    'of %s are refused: it may begin with anything',
    (source) => {
      expect(() => openings(source)).toThrow(/may begin with anything/);
    },
  );

  it('begin the words for an answer', () => {
    const found = openings(WORDS.source);
    for (const text of ['answer', 'option', 'opción', 'wähle', 'opcja', 'the most apt reason', 'go with'])
      expect(WORDS.test(text) ? found.some((opening) => beginsIn(text, opening)) : true, text).toBe(true);
  });
});
