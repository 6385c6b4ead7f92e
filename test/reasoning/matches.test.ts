/** All matches of an expression, against `matchAll`. */
import { describe, expect, it } from 'vitest';
import { matchesOf } from '../../src/reasoning/matches.js';

describe('the matches of an expression', () => {
  it.each([
    ['a cat, a dog', /\ba\b/g],
    ['a cat, a dog', /bird/g],
    ['', /x*/g],
    ['ab', /(?<one>b)|$/g],
    ['C and c', /C/gi],
  ])('in %j of %s are those of matchAll, wherever it was used before', (text, form) => {
    form.lastIndex = 3;
    expect(matchesOf(text, form)).toEqual([...text.matchAll(new RegExp(form.source, form.flags))]);
  });
});
