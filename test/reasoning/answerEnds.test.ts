/** Short wordings at the end of a reply, or as all of it: an end of a puzzle, a condition, a confidence, a number. */
import { describe, expect, it } from 'vitest';
import { predictedAnswer } from '../../src/reasoning/answer.js';

const BALLS = ['red ball', 'blue ball', 'green ball'];
const CHANGE = ['decrease', 'stay the same', 'increase'];
const ACTS = ['wave', 'sit down', 'jump', 'run away'];
const COUNTS = ['1', '2', '3', '4'];

type Row = [options: string[], text: string, meant: number | null];

const read = (rows: Row[]) =>
  it.each(rows.map(([options, text, meant]) => ({ options, text, meant })))('$text', (row) => {
    expect(predictedAnswer(row.text, row.options)).toBe(row.meant);
  });

const SWAPS =
  'Bob has the red ball. Ann gives him the blue ball. Then Eve takes it and gives him the green ball.';

describe('the end of a puzzle', () => {
  read([
    [BALLS, `${SWAPS} At the end of the game, Bob has the green ball.`, 2],
    [BALLS, `${SWAPS} By the end of the day, Bob has the red ball.`, 0],
    // What happens at the end of a video is one thing among others.
    [BALLS, `${SWAPS} At the end of the video, Bob has the red ball.`, null],
    [BALLS, `${SWAPS} At the end of the game, Bob has the red ball or the blue ball.`, null],
    [BALLS, `${SWAPS} At the end of the game, Bob does not have the red ball.`, null],
    [BALLS, 'Bob has the red ball. At the end of the game, Eve cheers and has the blue ball.', null],
  ]);
});

describe('a condition that repeats the question', () => {
  read([
    [CHANGE, 'If the hawks increase, the mice and the frogs may decrease.', 0],
    [CHANGE, 'If there are more hawks, the mice might decrease.', 0],
    [CHANGE, 'If the hawks had come, the mice would have decreased.', null],
    [CHANGE, 'If the hawks come, the mice may decrease or increase.', null],
    [CHANGE, 'If the hawks come, the mice may not decrease.', null],
    [CHANGE, 'If the hawks come, the mice may decrease. The frogs may increase.', null],
  ]);
});

describe('a letter with what was worked out, or with a confidence', () => {
  read([
    [ACTS, 'He bends his knees. The answer is 63/4, or D.', 3],
    [ACTS, 'The answer is C, or D.', null],
    [ACTS, 'C - 90% confident', 2],
    [ACTS, 'B (about 75% sure)', 1],
    [ACTS, 'C - 20% confident', null],
    [ACTS, 'C - 90% of the frames', null],
    [ACTS, 'F - 90% confident', null],
  ]);
});

describe('a number', () => {
  read([
    [ACTS, 'Number 3', 2],
    [ACTS, 'No. 4', 3],
    [ACTS, '#2', 1],
    [ACTS, 'Number 9', null],
    // The number may be what an option says, or its place.
    [COUNTS, 'Number 3', null],
  ]);
});

describe('a possibility as the whole reply', () => {
  read([
    [ACTS, 'Perhaps he sits down.', 1],
    [ACTS, 'Maybe he jumped.', 2],
    [ACTS, 'The boy can sit down.', 1],
    [ACTS, 'It is possible for the boy to run away.', 3],
    [ACTS, 'It would be possible to jump.', 2],
    [ACTS, 'Perhaps he jumps or sits down.', null],
    [ACTS, 'Maybe he jumps. Maybe he sits down.', null],
    [ACTS, 'It is possible to see the boy sit down.', null],
    [ACTS, 'The boy can only jump if somebody helps.', null],
    [ACTS, 'The boy cannot jump.', null],
    [ACTS, 'It is not possible to jump.', null],
  ]);
});
