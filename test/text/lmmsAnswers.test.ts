/** Reading of answers by lmms-eval's rules, against what its own function gives. */
import { expect, it } from 'vitest';
import { readAsLmmsEval } from '../../src/text/lmmsAnswers.js';

const OPTIONS = ['a red ball', 'The dog', 'run away', 'sit', 'two cars '];

it.each<[text: string, option: number | undefined]>([
  ['C', 2],
  ['C.', 2],
  ['(B)', 1],
  ['B. The dog', 1],
  ["'E'", 4],
  ['Answer: D.', 3],
  ['(A) or (C), surely (B)', 1],
  ['A or C', 2],
  ['C or A', 0],
  ['A.B.C', 2],
  ['A.B.x', 0],
  ['DNA is here', 0],
  [':.C.:', 2],
  ['E. two cars, not A. a red ball', 0],
  ['because the dog ran to sit down there', 3],
  ['it will sit, then run away, then sit', 3],
  ['the dog', undefined],
  ['not a letter at all', undefined],
  ['the  dog\tran  very far away', undefined],
  ['', undefined],
  ['.', undefined],
  ['F', undefined],
  ['(F)', undefined],
  ['D\nbecause', undefined],
  ['b', undefined],
  ['A, the ball', undefined],
])('%j names %s', (text, option) => {
  expect(readAsLmmsEval(text, OPTIONS)).toBe(option);
});

it('names no option that a question of fewer options does not have', () => {
  expect(readAsLmmsEval('E', OPTIONS.slice(0, 4))).toBeUndefined();
  expect(readAsLmmsEval('(E) or (B)', OPTIONS.slice(0, 4))).toBe(1);
});
