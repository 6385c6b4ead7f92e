/** Parsing generated answers. */
import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { optionLetter } from '../../src/data/sample.js';
import { parseAnswer } from '../../src/text/answers.js';

describe('parseAnswer', () => {
  it.each([
    ['Option C', 2],
    ['option c', 2],
    ['###Answer: C', 2],
    ['### Answer: C', 2],
    ['**Answer**: C', 2],
    ['**Answer: C**', 2],
    ['**Answer:** (C) the dog runs', 2],
    ['Answer: Option C', 2],
    ['The correct answer is C.', 2],
    ['The correct answer is: C', 2],
    ['Thus, the correct answer is option C: the dog', 2],
    ['Therefore, the correct answer is **C**', 2],
    ['The answer is (C).', 2],
    ['Answer - C', 2],
    ['C', 2],
    ['(C)', 2],
    ['c.', 2],
    ['C. the dog runs', 2],
    ['C: the dog runs', 2],
    ['I choose C because the dog runs', 2],
    ['The answer is A because of the music', 0],
    ['Answer: A', 0],
    ['Option A is right', 0],
    ['Step 1. Option A is wrong. Step 2. Option B shows a dog. Option B', 1],
    ['First I thought the answer is A. But the answer is D', 3],
    ['Option A and option B are out.\n###Answer: E\nOption C was tempting.', 4],
  ])('reads %j', (text, expected) => {
    expect(parseAnswer(text, 5)).toBe(expected);
  });

  it.each([
    [''],
    ['the dog runs'],
    ['The answer is a dog'],
    ['Answer: apple'],
    ['Options are good'],
    ['A dog runs after the ball'],
    ['Option F'],
    ['###Answer: Z'],
    ["The answer isn't clear"],
    ['I do not know'],
  ])('finds none in %j', (text) => {
    expect(parseAnswer(text, 5)).toBeUndefined();
  });

  it('accepts no letter beyond the options', () => {
    expect(parseAnswer('Option E', 4)).toBeUndefined();
    expect(parseAnswer('Option B. Option E', 4)).toBe(1);
  });

  it('finds the last of random closings after random reasoning', () => {
    const rng = new Rng('closings');
    const closings = [
      '###Answer: X',
      '**Answer**: X',
      'The correct answer is X.',
      'Therefore, the answer is (X)',
    ];
    const steps = ['The boy claps.', 'Option A is not shown.', 'A dog enters.', 'It is cold in option D.'];
    for (let i = 0; i < 500; i++) {
      const n = 2 + rng.int(25);
      const answer = rng.int(n);
      const reasoning = Array.from({ length: rng.int(6) }, () => rng.pick(steps)).join(' ');
      const text = `${reasoning}\n${rng.pick(closings).replace('X', optionLetter(answer))}`;
      expect(parseAnswer(text, n), text).toBe(answer);
    }
  });
});
