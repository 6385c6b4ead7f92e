/** Options that are set against all others, and against one. */
import { describe, expect, it } from 'vitest';
import { Choices } from '../../../src/reasoning/choices.js';
import { exceptions, ofPairs } from '../../../src/reasoning/reading/except.js';

const choices = new Choices(['wave', 'sit down', 'leave', 'sing']);
const indexes = (found: readonly { index: unknown }[]) => found.map(({ index }) => index);

describe('an option that is set against all others', () => {
  it.each([
    ['No option other than C fits.', [2]],
    ['None of the options but (B) is supported.', [1]],
    ['All options except D are wrong.', [3]],
    ['Everything but option A can be ruled out.', [0]],
    ['So C alone is consistent with this.', [2]],
    ['No option other than C is ruled out.', []],
    ['All options but C are plausible.', []],
    ['Nothing but a chair is there.', []],
    ['Person C alone is in the room.', []],
    ['No option other than Z fits.', []],
  ])('%j names %j', (text, expected) => expect(indexes(exceptions(text, choices))).toEqual(expected));
});

describe('an option that is set against another one', () => {
  it.each([
    ['Between A and C, the latter is more plausible.', [2]],
    ['Of options B and D, the former seems the best.', [1]],
    ['Between A and C, the latter is less likely.', []],
    ['Between A and C, the first frame is blurry.', []],
    ['Between a wall and a door, the latter is closest.', []],
  ])('%j names %j', (text, expected) => expect(indexes(ofPairs(text, choices))).toEqual(expected));
});
