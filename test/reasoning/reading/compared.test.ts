/** Replies that compare two options and so say which is the better one. */
import { describe, expect, it } from 'vitest';
import { predictedAnswer } from '../../../src/reasoning/answer.js';

const BOXES = ['Box A', 'Box B'];
const THREE = ['Box A', 'Box B', 'Box C'];
const PETS = ['dog', 'cat'];

type Row = [options: string[], text: string, meant: number | null];

const read = (rows: Row[]) =>
  it.each(rows.map(([options, text, meant]) => ({ options, text, meant })))('$text', (row) => {
    expect(predictedAnswer(row.text, row.options)).toBe(row.meant);
  });

describe('the better one of two options', () => {
  read([
    [
      BOXES,
      'Box B more accurately holds the lamp. Box A only covers the shade, while Box B has all of it.',
      1,
    ],
    [BOXES, 'Box A more closely follows the boat, while Box B goes beyond it.', 0],
    [BOXES, 'Box B provides the tighter frame. Box A is too wide.', 1],
    [BOXES, 'Box A is more accurate than Box B because it covers the whole horse.', 0],
    [BOXES, 'Box B finds the dog better. Box A is drawn around the cat, while Box B fits the dog.', 1],
  ]);

  read([
    [BOXES, 'Box A is not more accurate than Box B. Both hold the horse.', null],
    [BOXES, 'Is Box A the better one? Box B holds the horse, and Box A holds it too.', null],
    [BOXES, 'Box A is more accurate at the top. Box B is more accurate at the bottom.', null],
    [BOXES, 'A horse stands there. Box A is closer to the fence, and Box B holds the fence.', null],
    [THREE, 'Box A more closely follows the boat, while Box B goes beyond it. Box C is empty.', null],
    [PETS, 'The dog is closer to the camera than the cat. The cat sits on the sofa. It is hungry.', null],
  ]);
});
