/** Accuracy of free answers. */
import { describe, expect, it } from 'vitest';
import { isSameAnswer, scoreOpen } from '../../../src/evaluation/metrics/open.js';

describe('two answers', () => {
  it.each([
    ['The Dog.', 'dog', true],
    ['  two  boys ', 'two boys', true],
    ["the boy's hat", 'boys hat', true],
    ['t-shirt', 't shirt', true],
    ['ＤＯＧ', 'dog', true],
    ['dogs', 'dog', false],
    ['', 'dog', false],
    ['...', '!!!', false],
    ['the', 'a', false],
    ['the', 'the', true],
    ['una niña', 'una nina', false],
  ])('%j and %j', (text, answer, same) => {
    expect(isSameAnswer(text, answer)).toBe(same);
    expect(isSameAnswer(answer, text)).toBe(same);
  });
});

describe('the accuracy of answers', () => {
  it('is told by normalised and by equal texts', () => {
    const answers = ['dog', 'puppy'];
    const texts = ['dog', 'A puppy', 'cat', ''];
    expect(scoreOpen(texts.map((text) => ({ text, answers })))).toEqual({ accuracy: 50, exact: 25 });
  });

  it('of nothing is 0', () => {
    expect(scoreOpen([])).toEqual({ accuracy: 0, exact: 0 });
  });
});
