/** Prompts, videos and segments laid out in columns. */
import { describe, expect, it } from 'vitest';
import { DataError } from '../../../src/base/errors.js';
import { sequenceOf } from '../../../src/model/llava/sequence.js';

const VIDEO = 99;
/** Two frames of one token each. */
const video = { id: VIDEO, count: 2, frames: 2 };

describe('sequenceOf', () => {
  it('pads prompts on the left, puts each video in its place, and counts positions from each row, anew at every segment', () => {
    const prompts = [
      [5, VIDEO, 6, 7],
      [VIDEO, 8],
    ];
    const made = sequenceOf(
      prompts,
      [
        [[20], []],
        [[30, 31], [32]],
      ],
      video,
      100,
    );
    expect(made).toMatchObject({ rows: 2, prefix: 6, segments: [1, 2], columns: 9, starts: [0, 2] });
    expect([...made.positions]).toEqual([0, 1, 2, 3, 4, 5, 6, 6, 7, 0, 0, 0, 1, 2, 3, 4, 4, 5]);
    expect([...sequenceOf(prompts.slice(0, 1), [], video, 100).positions]).toEqual([0, 1, 2, 3, 4, 5]);
    // Rows 0 to 3 are visual tokens, 4 is the newline, then the text.
    const words = [...made.sources].map((row) =>
      row < 4 ? `v${row}` : row === 4 ? 'n' : `${made.text[row - 5]}`,
    );
    expect(words.slice(0, 9)).toEqual(['5', 'v0', 'v1', 'n', '6', '7', '20', '30', '31']);
    expect(words.slice(9)).toEqual(['n', 'n', 'v2', 'v3', 'n', '8', 'n', '32', 'n']);
  });

  it('takes a placeholder for every visual token and the newline as it takes one', () => {
    const one = sequenceOf([[5, VIDEO, 6]], [], video, 100);
    expect(sequenceOf([[5, VIDEO, VIDEO, VIDEO, 6]], [], video, 100)).toEqual(one);
  });

  it.each([
    ['no video', [5, 6], 'prompt 0: has no video (token 99)'],
    ['two videos', [VIDEO, 5, VIDEO], 'prompt 0: has several videos (token 99), expected one'],
    [
      'another number of placeholders',
      [VIDEO, VIDEO, 6],
      'prompt 0: has 2 video tokens in a row, expected 1, or 3 for 2 frames',
    ],
  ])('refuses a prompt with %s', (_, prompt, message) => {
    expect(() => sequenceOf([prompt], [], video, 100)).toThrow(DataError);
    expect(() => sequenceOf([prompt], [], video, 100)).toThrow(message);
  });

  it('refuses more columns in a line than the model has positions, and counts segments side by side once', () => {
    const lay = (limit: number) => sequenceOf([[5, VIDEO, 6]], [[[1, 2]], [[3, 4, 5]]], video, limit);
    expect(lay(8).columns).toBe(10);
    expect(() => lay(7)).toThrow(DataError);
    expect(() => lay(7)).toThrow(
      /2 frames has 2 visual tokens, and with its text 8 positions; the model has 7 .*lower video\.frames/,
    );
  });
});
