import { join } from 'node:path';
import { expect, it } from 'vitest';
import { dialoguesBeside, predictionsName } from '../../src/commands/evaluate.js';

it.each([
  ['without looks', { looks: 0, look: 'oracle' }, 'predictions-val.json'],
  ["of the student's own looks", { looks: 2, look: 'student' }, 'predictions-val.json'],
  ['of a control', { looks: 1, look: 'random' }, 'predictions-val-random.json'],
] as const)('the prediction file %s', (_, settings, name) => {
  expect(predictionsName('val', settings)).toBe(name);
});

it.each([
  ['predictions-val.json', 'trajectories-val.jsonl'],
  ['predictions-test-oracle.json', 'trajectories-test-oracle.jsonl'],
  ['mine.v2.json', 'trajectories-mine.v2.jsonl'],
  ['answers', 'trajectories-answers.jsonl'],
])('the dialogues of %s lie beside it in %s', (predictions, dialogues) => {
  expect(dialoguesBeside(join('runs', predictions))).toBe(join('runs', dialogues));
});
