/** Reading the chosen option out of a teacher's text. */
import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { optionLetter } from '../../src/data/sample.js';
import { predictedAnswer } from '../../src/reasoning/answer.js';
import { Choices } from '../../src/reasoning/choices.js';
import { Sentence } from '../../src/reasoning/sentence.js';

const OPTIONS = ['The blanket.', 'The table.', 'The closet/cabinet.', 'The clothes.'];
const A_PERSON = ['a person walking', 'a dog', 'no', 'not sure', 'the dog runs away'];

describe('the closing forms of appendix A.4 and of real models', () => {
  const forms: [string, number][] = [
    ['###Answer: C', 2],
    ['### Answer: C', 2],
    ['###Answer: (C)', 2],
    ["###Answer: 'C'", 2],
    ['###Answer: C: The closet/cabinet.', 2],
    ['###Answer: C. The closet/cabinet.\nThe man stands there.', 2],
    ['###Answer: Option C', 2],
    ['###Answer: c', 2],
    ['###Answer:\nC\n', 2],
    ['###Answer:\n\n**C**\n', 2],
    ['###Answer: The closet/cabinet', 2],
    ['###Answer is C', 2],
    ['###Final Answer: C', 2],
    ['###Answer: A\n\n###Detailed Explanation: The man folds it.', 0],
    ['###Answer: A ###Detailed Explanation: The man folds it.', 0],
    ['###Answer: A - the man folds it', 0],
    ['**Answer**: C', 2],
    ['**Answer: C**', 2],
    ['**Answer:** C', 2],
    ['**Answer**: The closet/cabinet.', 2],
    ['Answer: C', 2],
    ['Answer - C', 2],
    ['**Answer** – (C)', 2],
    ['<answer>C</answer>', 2],
    ['<think>He stands at A table.</think>\n<answer>(C)</answer>', 2],
    ['He folds it. <answer>The closet/cabinet</answer>', 2],
    ['He folds it. Answer: C', 2],
    ['Final answer: C) The closet/cabinet', 2],
    ['The correct answer is C.', 2],
    ['The correct answer is (C).', 2],
    ['The correct answer is **C: The closet/cabinet**.', 2],
    ['The correct answer is: C', 2],
    ['The correct answer is "The closet/cabinet".', 2],
    ['The correct answer is the closet/cabinet, since it moves.', 2],
    ['The correct answer to the question is C.', 2],
    ['Thus, the correct answer is C: The closet/cabinet.', 2],
    ['Therefore, the correct answer is A because the man folds it.', 0],
    ['Based on these observations, the correct answer is D.', 3],
    ['Based on these observations, option D is the most likely choice.', 3],
    ['Given these observations and the context, the answer would be option B.', 1],
    ['**Conclusion**: The answer is most likely B.', 1],
    ['###Conclusion: The steps point to option B', 1],
    ['Option C is correct.', 2],
    ['Option C: The closet/cabinet is the most appropriate answer.', 2],
    ['(C) is correct', 2],
    ['C is the correct answer.', 2],
    ['The blanket is the correct answer.', 0],
    ['I choose B.', 1],
    ['We select option (B) as it fits.', 1],
    ['This corresponds to option D.', 3],
    ['Therefore, option C.', 2],
    ['The final answer is $\\boxed{C}$.', 2],
    ['The final answer is $\\boxed{\\text{C}}$.', 2],
    ['$\\boxed{\\textbf{(C)}}$', 2],
    ['$$\\boxed{\\mathrm{C}}$$', 2],
    ['C', 2],
    ['(c)', 2],
    ['C.', 2],
    ['C: The closet/cabinet', 2],
    ['The closet/cabinet.', 2],
    ['the closet cabinet', 2],
    ['The man opens it.\n\nC', 2],
    ['Option C', 2],
    ['The frames show option B clearly. Option A is not visible.', 1],
    ['B is my final answer.', 1],
    ['My vote is B.', 1],
    ["I'm torn between A and B. I'd go for B.", 1],
    ['We rule out A and C. That leaves us with B.', 1],
    ['He folds it. Which means B.', 1],
    ['Yes, B.', 1],
    ['TL;DR: B', 1],
    ['Option letter: B', 1],
    ['The correct letter is B', 1],
    ['B because he folds it in the last frame.', 1],
    ['B, since he folds it.', 1],
    ['Answer: A\n\nWait, looking at the last frame again, the answer is B.', 1],
    ['Answer: A. Hmm... given frame 4, my answer must be B.', 1],
    ['Answer: B\n\nWait, if he had stood, the answer is C.', 1],
    ['Answer: B. Actually, some would say the answer is C.', 1],
  ];
  it.each(forms)('%j', (text, index) => {
    expect(predictedAnswer(text, OPTIONS)).toBe(index);
  });
});

it.each(['Answer: B? No, C.', 'Answer: (B)? Not seen.', 'The answer is B? No.'])(
  'no option that is asked and denied: %j',
  (text) => {
    expect(predictedAnswer(text, OPTIONS)).not.toBe(1);
  },
);

describe('texts that name no option, or seem to name another', () => {
  const none: string[] = [
    '',
    'A person stands in front of a cabinet.',
    'A person is the one who folds it.',
    'I see a man. A dog is there.',
    'The answer is a person walking.',
    'The answer is A person walking through the door.',
    '###Answer: F',
    '###Answer: A or B',
    '###Answer: A, B',
    '###Answer: None of the above',
    'Option A is not correct.',
    'Option A is incorrect, and option B is wrong.',
    'The correct answer is not A.',
    "Option A isn't the correct answer.",
    'The man picked the blanket and chose the table.',
    'Options A and B are both plausible.',
    'Vitamin C is good for him; the grade is B plus.',
    'The incorrect answer is B.',
    'The first option is A, a thing.',
    'Could it be B? It could be. But no frame shows it.',
    'If option B were true, we would see a door.',
    "Most people would choose B, but they'd be mistaken.",
    "Option B suggests that he waves, but this isn't seen.",
  ];
  it.each(none)('%j', (text) => {
    expect(predictedAnswer(text, OPTIONS)).toBeNull();
  });

  const tricky: [string, string[], number | null][] = [
    ['A person stands there. ###Answer: B', OPTIONS, 1],
    ['I should answer in the format ###Answer: A. He folds it. ###Answer: D', OPTIONS, 3],
    ['Option A is not visible. Option B is not correct. The correct answer is D.', OPTIONS, 3],
    ['The answer is A at first sight. On a closer look, the correct answer is C.', OPTIONS, 2],
    ['Some would say option A, but C is correct.', OPTIONS, 2],
    ['The correct answer is C, not A.', OPTIONS, 2],
    ['The answer is A person walking.', A_PERSON, 0],
    ['###Answer: a dog', A_PERSON, 1],
    ['###Answer: no', A_PERSON, 2],
    ['###Answer: not sure', A_PERSON, 3],
    ['###Answer: The dog runs away.', A_PERSON, 4],
    ['###Answer: A dog', A_PERSON, 1],
    ['A person walks in. A dog follows.', A_PERSON, null],
    ['###Answer: same', ['same', 'same'], null],
    ['The answer is B? Not seen. The answer is C.', OPTIONS, 2],
    ['###Answer: E', A_PERSON, 4],
    ['###Answer: E', OPTIONS, null],
    ['The answer is two.', ['one', 'two', 'twenty two'], 1],
    ['The answer is twenty two.', ['one', 'two', 'twenty two'], 2],
    ['###Answer: 2', ['1', '2', '3'], 1],
    ["The correct answer is the man's hat.", ["the man's hat", 'the man'], 0],
  ];
  it.each(tricky)('%j', (text, options, index) => {
    expect(predictedAnswer(text, options)).toBe(index);
  });
});

it('finds any letter of any option list behind every closing form, after any text', () => {
  const rng = new Rng('answers');
  const closings = [
    (letter: string) => `###Answer: ${letter}`,
    (letter: string) => `**Answer**: ${letter}`,
    (letter: string) => `Therefore, the correct answer is ${letter}.`,
    (letter: string) => `Thus, the correct answer is (${letter}).`,
    (letter: string) => `Based on these observations, the correct answer is option ${letter}.`,
  ];
  const openings = ['A person runs.', 'I see a dog. ', '1. A man sits.\n2. A ball is hit.\n', ''];
  for (let i = 0; i < 500; i++) {
    const options = Array.from({ length: 2 + rng.int(25) }, (_, k) => `thing number ${k} ${rng.int(1000)}`);
    const index = rng.int(options.length);
    const text = `${rng.pick(openings)}\n${rng.pick(closings)(optionLetter(index))}`;
    expect(predictedAnswer(text, options), text).toBe(index);
    expect(new Sentence(text, new Choices(options)).statesAnswer(), text).toBe(true);
  }
});

it('never names an option that does not exist, for any bytes', () => {
  const rng = new Rng('noise');
  const bits = [
    '###',
    'Answer',
    ':',
    ' ',
    'A',
    'C',
    'Z',
    '(',
    ')',
    'option',
    '\n',
    'is',
    'correct',
    'the',
    '**',
    '.',
    '’',
    '🐶',
    '\u0000',
  ];
  for (let i = 0; i < 3000; i++) {
    const text = Array.from({ length: rng.int(30) }, () => rng.pick(bits)).join('');
    const index = predictedAnswer(text, ['x y', 'z', 'w']);
    expect(index === null || (index >= 0 && index < 3), JSON.stringify(text)).toBe(true);
  }
});
