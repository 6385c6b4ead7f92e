/** Replies to a question of yes or no, with the reasons behind the word or before it. */
import { describe, expect, it } from 'vitest';
import { predictedAnswer, readText } from '../../src/reasoning/answer.js';
import { refine } from '../../src/reasoning/refine.js';

const TWO = ['yes', 'no'];
const FIVE = ['yes', 'no', "can't tell", 'sometimes', 'never'];
const LONG = ['Yes, he folds the sheet', 'No, he hangs it up', 'No, he drops it'];

type Row = [options: string[], text: string, meant: number | null];

const read = (rows: Row[]) =>
  it.each(rows.map(([options, text, meant]) => ({ options, text, meant })))('$text', (row) => {
    expect(predictedAnswer(row.text, row.options)).toBe(row.meant);
  });

describe('the word at the beginning of a long reply', () => {
  read([
    [TWO, 'Yes, he folds the sheet. Both corners meet in frame 4. The sheet is half as wide after it.', 0],
    [TWO, 'No. The sheet stays on the line. He only smooths it. Nothing is folded.', 1],
    [TWO, 'Yes — the corners meet. He then presses it flat. It lies on the table.', 0],
    [TWO, 'No. One cannot determine how often he folds it. It hangs the whole time. He is not near it.', 1],
    [LONG, 'Yes, he does. Both corners meet. It lies on the table.', 0],
    [TWO, 'yes because the corners meet', 0],
    [TWO, 'No he does not. The sheet hangs there. The wind moves it.', 1],
    // Two options open with "No".
    [LONG, 'No, he does not. The line is full. It hangs there.', null],
  ]);

  read([
    [TWO, 'Yes and no. He folds one half. The other half hangs down.', null],
    [TWO, 'No, wait. The corners do meet. It lies on the table.', null],
    [TWO, 'Yes, at first. The corners meet. But no, he shakes it out again.', null],
    [TWO, 'No sheet is there. The line is empty. The wind blows.', null],
    [TWO, 'No one folds it. It hangs on the line. The wind moves it.', null],
    [TWO, 'Is it on the line? Yes. Are his hands on it? Yes. Is it folded? No.', null],
    [FIVE, 'No. There is not enough information to tell. The sheet is out of the frame.', null],
    [FIVE, 'Yes, sometimes. He does it in frame 2. In frame 3 he stops.', null],
  ]);
});

describe('the word that concludes', () => {
  read([
    [TWO, 'The corners meet. The sheet is half as wide. So, yes, he folds it.', 0],
    [TWO, 'The sheet hangs there. The wind moves it. So, in answer to your question, no, he does not.', 1],
    [TWO, 'Is it on the line? Yes. Are his hands on it? Yes. So does he fold it? No, he does not.', 1],
    [TWO, 'Yes, it seems so. His hands are there. In conclusion, no: he hangs it up. Therefore, no.', 1],
    [TWO, 'If he had a table, then yes, he would. The line is full. It hangs there.', null],
  ]);
});

describe('a list in brackets behind the noun', () => {
  read([
    [TWO, 'The sheet hangs there. It is wet. Therefore, the answer (yes or no) is no.', 1],
    [TWO, 'The corners meet. Therefore, the answer (Yes/No) is:\n\nYes, the sheet is folded.', 0],
    [['fold', 'hang', 'drop'], 'The correct answer (of A, B and C) is B.', 1],
    [['fold', 'hang', 'drop'], 'The answer (see frame 3) is not A but C.', 2],
    [['fold', 'hang', 'drop'], 'The answer (C) is wrong.', null],
  ]);

  it('is a refusal where what follows names none', () => {
    for (const said of ['unclear', 'dependent on what folding means', 'not possible to say'])
      expect(readText(`He moves it. The answer (yes or no) is ${said}.`, TWO).rule, said).toBe('refusal');
  });

  it('is removed with its sentence', () => {
    const settings = { options: TWO, answer: 1, correct: true, predicted: 1 };
    const text = 'The sheet hangs on the line. Therefore, the answer (yes or no) is no.';
    expect(refine(text, settings).refined).toBe('The sheet hangs on the line.');
  });
});
