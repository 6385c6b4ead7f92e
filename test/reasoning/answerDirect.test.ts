/** Replies that answer in a sentence, under a label of their own or option by option, as models do that nobody told a form. */
import { describe, expect, it } from 'vitest';
import { predictedAnswer, readText } from '../../src/reasoning/answer.js';

const ACTS = ['run away', 'sit down', 'wave at her', 'open the box'];
const PLACES = ['kitchen', 'garden', 'garage', 'attic'];
const CLAIMS = ['The cup is being filled.', 'The cup is being emptied.'];
const PACES = ['slow motion', 'normal speed', 'time-lapse'];

type Row = [options: string[], text: string, meant: number | null];

const read = (rows: Row[]) =>
  it.each(rows.map(([options, text, meant]) => ({ options, text, meant })))('$text', (row) => {
    expect(predictedAnswer(row.text, row.options)).toBe(row.meant);
  });

describe('a first sentence that the rest explains', () => {
  read([
    [
      PACES,
      'The clip runs at normal speed. This can be inferred from the steps of the man, neither slow motion nor a time-lapse.',
      1,
    ],
    [
      PACES,
      'The clip is a time-lapse. This is evident from the clouds: at normal speed they would hardly move, and slow motion would keep them still.',
      2,
    ],
    [
      ACTS,
      'The dog sits down. This conclusion is based on its hind legs, which bend, whereas to run away it would stretch them.',
      1,
    ],
    [
      PLACES,
      'She is cooking in the kitchen. This is because a stove and a sink can be seen, but no tools of a garage.',
      0,
    ],
    // A later conclusion has the last word.
    [
      ACTS,
      'The dog sits down. This is evident from its legs. Therefore, it does not sit down, it runs away.',
      0,
    ],
    // What is explained names two, or weighs.
    [ACTS, 'He could sit down. This is suggested by his knees.', null],
    [ACTS, 'He sits down and opens the box. This can be seen in the last frames.', null],
    // A place that is only a scene.
    [ACTS, 'A box stands in the room. This is visible in all frames.', null],
  ]);

  it('reports the first sentence as the words read', () => {
    const text = 'It runs in slow motion. This is evident from the drops that hang in the air.';
    expect(readText(text, PACES)).toMatchObject({ option: 0, words: 'It runs in slow motion.' });
  });
});

describe('an option under a label of its own', () => {
  read([
    [
      CLAIMS,
      'The best match is:\n\nStatement B: The cup is being emptied.\n\nThe water level sinks all the time.',
      1,
    ],
    [
      CLAIMS,
      'The most fitting text for the clip is:\n\nClaim A: The cup is being filled.\n\nWater runs in.',
      0,
    ],
    [CLAIMS, 'Statement A: The cup is being filled.\nStatement B: The cup is being emptied.', null],
    [CLAIMS, 'Neither statement A nor statement B is correct. The cup stands still.', null],
    [
      CLAIMS,
      'Statement A: The cup is being filled.\n\nIt never gets empty, which rules out statement B as the right choice.',
      0,
    ],
    [ACTS, 'The best option is (C). He keeps standing, which excludes option B as the correct answer.', 2],
    [CLAIMS, 'Neither claim A nor claim B is right, since no cup is there.', null],
  ]);
});

describe('a reply of one sentence about the video', () => {
  read([
    [ACTS, 'The video shows a woman opening the box on the table.', 3],
    [ACTS, 'The clip depicts a boy who gets up and waves at her.', 2],
    [PLACES, 'The video shows a barbecue in the garden, which is the best option for the place.', 1],
    [ACTS, 'The video shows a woman near a box, a chair, and a door.', null],
    [ACTS, 'The video shows a man sitting down and opening the box.', null],
  ]);
});

describe('the rest of a question in a conclusion', () => {
  read([
    [PLACES, 'He takes a rake. Therefore, the most likely place for him to look for it is in the garage.', 2],
    [
      PLACES,
      '- (A) kitchen: it is named in the text, so it is included.\n- (B) garden: named too, so it is included.\n- (D) attic: named as well.\n\nTherefore, the only place that is NOT named is (C) garage.',
      2,
    ],
    [PLACES, 'Step 3: The only option not mentioned by the woman is (D) attic.', 3],
    [
      PLACES,
      '(A) kitchen: it is named in the text, so it is included.\n(B) garden: named too, so it is included.',
      null,
    ],
  ]);
});

describe('several options behind one answer', () => {
  read([
    [ACTS, 'He kneels first. The answer is B and then D.', null],
    [ACTS, 'Among A through D, the answer is B, sit down; C, wave at her; or D, open the box.', null],
    [ACTS, 'The answer is B; D is what the girl does.', 1],
  ]);
});

describe('letters that name points', () => {
  read([
    [['30°', '45°', '60°'], 'Since the angle B is acute, the degree of B is below 90°.', null],
    [['30°', '45°', '60°'], 'Triangle B has two equal sides. B is 45° then, so option B.', 1],
    [['0.5', '0.8', '2'], 'A: sin x = 0.8', null],
  ]);
});

describe('a verdict for each option', () => {
  read([
    [ACTS, '{"A": false, "B": true, "C": false, "D": false}', 1],
    [ACTS, '```json\n{"options": {"A": false, "B": false, "C": true, "D": false}}\n```', 2],
    [ACTS, '{"A": 0.1, "B": 0.2, "C": 0.05, "D": 0.65}', 3],
    [ACTS, '{"A": true, "B": true, "C": false, "D": false}', null],
    [ACTS, '{"A": false, "B": false, "C": false, "D": false}', null],
    [ACTS, '{"A": 0.4, "B": 0.4, "C": 0.2}', null],
    [ACTS, '{"A": false, "B": true, "answer": "C"}', 2],
    [ACTS, '{"seen": true, "B": true}', null],
    [ACTS, '<think>{"A": false, "B": true}</think>', null],
    [ACTS, 'A: No / B: Yes / C: No / D: No', 1],
    [ACTS, 'A: No / B: Yes / C: Yes / D: No', null],
  ]);

  it('is called several where two are right', () => {
    expect(readText('{"A": true, "B": true, "C": false}', ACTS).rule).toBe('several');
  });
});

describe('a heading in the brackets of Chinese and Japanese', () => {
  read([
    [ACTS, '【解析】她打开了盒子。\n【答案】D', 3],
    [ACTS, '【正解】B。', 1],
    [ACTS, '【答案】: C <eoa>', 2],
    [ACTS, '【C】', 2],
    [ACTS, '【解析】她坐下。', null],
  ]);
});

describe('letters that stand together', () => {
  read([
    [ACTS, 'So C is right.\nAnswer: AC', null],
    [ACTS, 'C选项正确。\n【答案】ACD', null],
    // Not in order, a word, or an option's own.
    [ACTS, 'Answer: C (see CAB 12)', 2],
    [['AB', 'AC', 'BC', 'none'], 'Answer: AC', 1],
    [['A', 'B', 'AB', 'O'], 'His blood group decides. Answer: AB', 2],
  ]);

  it('are called several', () => {
    expect(readText('Answer: ABD', ACTS).rule).toBe('several');
  });
});

describe('a rate of playing the video', () => {
  const RATES = ['2x speed', '1x speed', '0.5x speed'];
  read([
    [RATES, 'The clip plays at normal speed.', 1],
    [RATES, 'The clip plays at double speed.', 0],
    [['normal speed', '2x speed'], 'It is shown at 1x speed.', 0],
    [RATES, 'It is shown at half the normal speed.', null],
    [PACES, 'It is shown at half the normal speed.', null],
    [PACES, 'It is shown below normal speed.', null],
    [PACES, 'It is shown at 50% of the normal speed.', null],
    [RATES, 'The clip is faster than normal speed.', null],
    [RATES, 'The clip is not at normal speed.', null],
  ]);
});

describe('a direction in words for any movement', () => {
  const PANS = ['panning from right to left', 'zooming in', 'zooming out', 'panning from left to right'];
  const ZOOMS = ['zooming backward', 'rising', 'zooming forward', 'tilting down'];
  const LINES = ['horizontally', 'diagonally', 'vertically'];
  const WALKS = ['walks forward', 'runs backward', 'jumps'];
  read([
    [PANS, 'The camera in the clip goes from right to left.', 0],
    [PANS, 'The camera moves to the right.', 3],
    [ZOOMS, 'The camera is moving backwards.', 0],
    [ZOOMS, 'The camera moves downward.', 3],
    [LINES, 'The ball travels from the left to the right side.', 0],
    [LINES, 'The movement of the ball is upward.', 2],
    [['clockwise', 'counter-clockwise', 'up'], 'The wheel moves anticlockwise.', 1],
    // Another movement, a denial, a doubt, two directions, a place, two options.
    [PANS, 'The camera zooms to the left.', null],
    [ZOOMS, 'The camera does not move backward.', null],
    [ZOOMS, 'The camera may or may not be moving backward.', null],
    [ZOOMS, 'The camera moves forward and then backward.', null],
    [WALKS, 'The man runs forward.', null],
    [PANS, 'The man moves to the left of the tree.', null],
    [['panning left', 'sliding left', 'sliding right'], 'The camera is moving left.', null],
  ]);
});

describe('a count in digits', () => {
  const COUNTS = ['25', '30', '35', '40'];
  const SHARES = ['20%', '30%', '40%'];
  read([
    [COUNTS, 'The clip shows 30 birds.', 1],
    [SHARES, 'About 30% of the birds are grey.', 1],
    [COUNTS, 'There are 10 here and 15 there: 10 + 15 = 25 birds.', 0],
    [
      COUNTS,
      'Five rows of six chairs. Therefore, there are 5 x 6 = 30 chairs in all of the rows of that room.',
      1,
    ],
    [COUNTS, 'So it is 25 + 5 = 30. So then it is 30 + 10 = 40.', 3],
    // The number of something else, or of two things.
    [COUNTS, 'In frame 25 a bird lands.', null],
    [COUNTS, '25 of the 40 birds fly off.', null],
    [['two', 'three', 'five'], 'Three of the five birds fly off.', null],
  ]);
});

describe('a guess of one sentence', () => {
  read([
    [ACTS, 'The dog might be sitting down.', 1],
    [ACTS, 'She may open the box.', 3],
    [ACTS, 'He could be running away instead of sitting down.', 0],
    [ACTS, 'I would say she opens the box.', 3],
    // More than one thing may be so, under a condition, or somebody's thought.
    [ACTS, 'She may or may not open the box.', null],
    [ACTS, 'She could also open the box.', null],
    [ACTS, 'If she had a key, she could open the box.', null],
    [ACTS, 'One might think that she opens the box.', null],
    [ACTS, 'She might not open the box.', null],
    [ACTS, 'She might have opened the box.', null],
    [ACTS, 'The dog might sit down. The sun is low.', null],
    [ACTS, 'Could she be opening the box?', null],
  ]);
});

describe('an answer that repeats the question', () => {
  read([
    [ACTS, 'The answer to the question "What does the dog do?" is "It sits down."', 1],
    [ACTS, 'The answer to "Why is she there?" is: C', 2],
    [ACTS, 'What is the answer to that? She looks at the box.', null],
  ]);
});

describe('a number of an option', () => {
  read([
    [ACTS, 'Answer: No. 4', 3],
    [ACTS, 'The answer is No. 2.', 1],
    [ACTS, 'Final answer: no 3', 2],
    [ACTS, 'Answer: No. 7', null],
    [ACTS, 'Answer: No. He does not move.', null],
    [['1', '2', '3', '4'], 'Answer: No. 4', 3],
    [['3 men', '4 men', '5 men'], 'Answer: No. 3', null],
    [['Yes', 'No'], 'Answer: No. 1 of them moves.', 1],
  ]);
});
