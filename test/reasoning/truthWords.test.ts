/** The words of the true answer in Incorrect Reasoning. */
import { describe, expect, it } from 'vitest';
import { refine } from '../../src/reasoning/refine.js';
import { TruthWords } from '../../src/reasoning/truthWords.js';

/** What is left of a text without the true answer, the first option. */
const left = (text: string, options: string[], groundTruth: 'phrase' | 'words' = 'phrase') =>
  refine(text, { options, answer: 0, correct: false, predicted: null, groundTruth }).refined;

describe('the true answer is not taken out of a longer name', () => {
  it.each([
    ['top', 'left', 'It is at the top left, then at the top.', 'It is at the top left, then at .'],
    ['left', 'right', 'It is at the bottom-left and goes left.', 'It is at the bottom-left and goes .'],
    [
      'the right',
      'centre',
      'It is at the upper right. It is at the right.',
      'It is at the upper right. It is at .',
    ],
    ['ball', 'red ball', 'The red ball hits a ball.', 'The red ball hits .'],
    [
      'the door',
      'the door of the car',
      'He opens the door of the car and the door.',
      'He opens the door of the car and .',
    ],
    ['shirt', 'cap', 'A T-shirt and a shirt-maker, a shirt.', 'A T-shirt and a shirt-maker, .'],
    ['5', '7', 'It takes 5.5 s, 1,5 m, 3:5 and 5 steps.', 'It takes 5.5 s, 1,5 m, 3:5 and steps.'],
    ['ox', 'cow', 'The box, an ox, foxes, oxen.', 'The box, , foxes, oxen.'],
  ])('%j beside %j', (own, other, text, expected) => {
    expect(left(text, [own, other])).toBe(expected);
  });

  it('but goes as a word by itself, in any case, plural and with an article', () => {
    expect(left('THE BALLS and ball’s, (a ball).', ['ball', 'cat'])).toBe('and , ().');
  });
});

describe('an answer of common words', () => {
  it.each([
    ['There is no lid. No. He has no hat.', 'There is no lid. He has no hat.'],
    ['The girl says "no" and leaves.', 'The girl says "" and leaves.'],
    ['- No!\nHe stands.', 'He stands.'],
  ])('goes only where it stands by itself: %j', (text, expected) => {
    expect(left(text, ['no', 'yes'])).toBe(expected);
    expect(left(text, ['no', 'yes'], 'words')).toBe(expected);
  });
});

it.each(['', '...', '😀', '?!'])('an option without a word (%j) is in no text', (option) => {
  expect(left('He stands ... 😀 here?! Yes.', [option, 'x'])).toBe('He stands ... 😀 here?! Yes.');
});

it('ranges are in order and apart', () => {
  const found = new TruthWords(['ball', 'cat'], 0, 'words').find('option A (A) the ball ball a ball');
  for (let i = 1; i < found.length; i++) expect(found[i]!.start).toBeGreaterThanOrEqual(found[i - 1]!.end);
  expect(found.length).toBeGreaterThan(2);
});
