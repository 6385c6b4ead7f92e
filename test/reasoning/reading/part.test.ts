/** Options that a few words are a part of. */
import { describe, expect, it } from 'vitest';
import { Choices } from '../../../src/reasoning/choices.js';
import { partIn } from '../../../src/reasoning/reading/part.js';

const choices = new Choices(['put down the phone', 'put down the cup', 'section 418 CrPC', 'no']);

describe('a part of an option', () => {
  it.each([
    ['The phone.', true, 0],
    ['phones', true, 0],
    ['a red phone', true, undefined],
    ['a red phone', false, 0],
    ['section 418', false, 2],
    ['put down', true, undefined],
    ['the phone and the cup', true, undefined],
    ['the phone screen', false, undefined],
    ['no', true, undefined],
    ['', true, undefined],
    ['he puts the phone on the big old table', false, undefined],
  ])('%j (every word: %s) names %s', (words, all, index) => expect(partIn(words, choices, all)).toBe(index));
});
