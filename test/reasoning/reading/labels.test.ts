/** Options that differ in a letter, "Box A" and "Box B", in the words of a reply. */
import { describe, expect, it } from 'vitest';
import { predictedAnswer } from '../../../src/reasoning/answer.js';
import { Choices } from '../../../src/reasoning/choices.js';
import { labelled } from '../../../src/reasoning/reading/labels.js';

const BOXES = ['Box A', 'Box B'];
const PEOPLE = ['Person A', 'Person B', 'Person C'];
const FALLS = ['A falls first', 'B falls first', 'both fall at once'];

type Row = [options: string[], text: string, meant: number | null];

const read = (rows: Row[]) =>
  it.each(rows.map(([options, text, meant]) => ({ options, text, meant })))('$text', (row) => {
    expect(predictedAnswer(row.text, row.options)).toBe(row.meant);
  });

describe('options that differ in a letter', () => {
  read([
    [PEOPLE, 'It is Person A who opens the door.', 0],
    [PEOPLE, 'The winner of the race is Person B.', 1],
    [FALLS, 'Ball A falls first, then ball B.', null],
    [FALLS, 'Since ball A is heavier, A falls first.', 0],
    [FALLS, 'Neither falls first; both fall at once.', 2],
  ]);

  read([
    [PEOPLE, 'Person A and Person B hug.', null],
    [PEOPLE, 'Person A hugs Person B. Person C watches.', null],
    [BOXES, 'Box A covers the head of the dog, and Box B covers its tail.', null],
    [BOXES, 'Box A is drawn around the cat. Box B is drawn around the dog.', null],
    [
      BOXES,
      'Neither Box A nor Box B holds the curtain. Box A holds the face, while Box B holds a hand.',
      null,
    ],
    [['the second image', 'the third image'], 'Image A looks flat. Images C and D are too perfect.', null],
  ]);

  read([
    [
      ['the first', 'the second', 'the third'],
      'I believe image B (the second) is most likely. Image A looks flat.',
      1,
    ],
  ]);
});

describe('labelled', () => {
  it('changes an A beside the words of such options, and no place', () => {
    const { plain, choices } = labelled('A man points at box A and at A.', new Choices(BOXES));
    expect(plain.length).toBe('A man points at box A and at A.'.length);
    expect([...plain].flatMap((sign, i) => (sign === 'A' ? [i] : []))).toEqual([0, 29]);
    expect(choices.rootsOf(0)).toHaveLength(2);
  });

  it('leaves options alone that have an article or the letters themselves', () => {
    for (const options of [
      ['A dog', 'B-flat'],
      ['A', 'B'],
      ['Plan A', 'a plan'],
      ['Box B', 'Box C'],
    ]) {
      const choices = new Choices(options);
      expect(labelled('A dog sits in box A.', choices)).toEqual({ plain: 'A dog sits in box A.', choices });
    }
  });
});
