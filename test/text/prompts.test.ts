/** Prompts and targets as text. */
import { describe, expect, it } from 'vitest';
import { DataError } from '../../src/base/errors.js';
import type { Sample } from '../../src/data/sample.js';
import { answerOf, framePrefix, qaPrompt, reasoningTarget } from '../../src/text/prompts.js';

const sample: Sample = {
  id: 'v1_2',
  dataset: 'nextqa',
  video: 'v1',
  question: 'why did the boy clap?',
  options: ['happy.', 'cold.', 'tired.', 'music.', 'hungry.'],
  answer: 3,
  type: 'CW',
  reasoning: ' Step 1: music plays.\n',
};

describe('prompts', () => {
  it('is the template of SeViLA, byte for byte', () => {
    expect(qaPrompt(sample)).toBe(
      'Question: why did the boy clap? Option A: happy. Option B: cold. Option C: tired. Option D: music. Option E: hungry. Considering the information presented in the frame, select the correct answer from the options.',
    );
  });

  it('lists as many options as the sample has', () => {
    const four = qaPrompt({ ...sample, options: ['a', 'b', 'c', 'd'] });
    expect(four).toContain('Option D: d Considering');
    expect(four).not.toContain('Option E');
  });

  it('takes braces and dollars in the text literally', () => {
    const text = qaPrompt({ question: 'cost {options} $& $1 {0}?', options: ['{question}', '$$'] });
    expect(text).toContain(
      'Question: cost {options} $& $1 {0}? Option A: {question} Option B: $$ Considering',
    );
  });

  it('takes another template', () => {
    expect(qaPrompt({ question: 'q', options: ['x', 'y'] }, '{options}|{question}')).toBe(
      'Option A: x Option B: y|q',
    );
    expect(qaPrompt({ question: '{choices}', options: ['x', '$&'] }, '{question}\n{choices}')).toBe(
      '{choices}\nA. x\nB. $&',
    );
  });

  it('writes targets', () => {
    expect(answerOf(sample)).toBe(3);
    expect(reasoningTarget(sample)).toBe('Step 1: music plays.');
    expect(reasoningTarget({ ...sample, reasoning: '  ' })).toBe('');
    expect(reasoningTarget({})).toBe('');
  });

  it.each([
    [undefined, /sample v1_2: has no answer/],
    [5, /sample v1_2: answer 5 is out of range, expected 0 to 4/],
    [-1, /answer -1 is out of range/],
    [1.5, /answer 1\.5 is out of range/],
  ])('refuses answer %s', (answer, message) => {
    const bad = { ...sample, answer } as Sample;
    expect(() => answerOf(bad)).toThrow(DataError);
    expect(() => answerOf(bad)).toThrow(message);
  });

  it('numbers frames from 1', () => {
    expect(framePrefix(1)).toBe('Frame 1: ');
    expect(framePrefix(12)).toBe('Frame 12: ');
  });
});
