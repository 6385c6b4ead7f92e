/** The teacher's styles, which refinement reads and takes apart again. */
import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { optionLetter } from '../../src/data/sample.js';
import { predictedAnswer } from '../../src/reasoning/answer.js';
import { refine } from '../../src/reasoning/refine.js';
import { factsOf } from '../../src/shapes/language.js';
import { askAll, lookUp, placeAnswer } from '../../src/shapes/questions.js';
import { reasoningSteps } from '../../src/shapes/reasoning.js';
import { simulateClip } from '../../src/shapes/simulate.js';
import { composeAnswer, ENDINGS, layOutSteps } from '../../src/shapes/teacherText.js';

/** Answers of the teacher, right and wrong, to some questions of each of many clips. */
const answers = Array.from({ length: 80 }, (_, i) => {
  const clip = simulateClip(`teacher-text/${i}`);
  const facts = factsOf(clip);
  const rng = new Rng(clip.id);
  return rng
    .shuffle(askAll(clip, rng))
    .slice(0, 8)
    .map((asked, j) => {
      const question = placeAnswer(asked, rng.int(5), rng);
      const chosen = j % 2 === 0 ? question.answer : (question.answer + 1 + rng.int(4)) % 5;
      const posed = lookUp(facts, question.question)!;
      const settings = { frameOf: (beat: number) => beat + 1, rng };
      const steps = reasoningSteps(facts, posed, question.options, question.options[chosen]!, settings);
      return { question, chosen, steps, text: composeAnswer(steps, question.options, chosen, rng) };
    });
}).flat();

describe('composeAnswer', () => {
  it('states the option in a form that reasoning/ reads', () => {
    for (const { question, chosen, text } of answers)
      expect({ text, read: predictedAnswer(text, question.options) }).toEqual({ text, read: chosen });
  });

  it('uses each of the ten closing phrases of the appendix', () => {
    const phrases = [
      /^###Answer: [A-E]$/m,
      /^\*\*Answer\*\*: [A-E]$/m,
      /^###Conclusion: /m,
      /^\*\*Conclusion\*\*: /m,
      /^###Detailed Explanation/m,
      /^The correct answer is/m,
      /^Thus, the correct answer is/m,
      /^Therefore, the correct answer is/m,
      /^Based on these observations/m,
      /^Given these observations and the context/m,
    ];
    expect(ENDINGS).toHaveLength(phrases.length);
    for (const phrase of phrases)
      expect(answers.filter(({ text }) => phrase.test(text)).length).toBeGreaterThan(20);
  });

  it('states the letter once, or twice the same', () => {
    for (const { chosen, text } of answers) {
      const letters = [...text.matchAll(/(?:Answer(?:\*\*)?: |answer is )([A-E])/g)].map((match) => match[1]);
      expect(letters.length).toBeGreaterThan(0);
      expect(new Set(letters)).toEqual(new Set([optionLetter(chosen)]));
      expect(text).not.toMatch(/\{[LT]\}/);
    }
  });
});

describe('refine', () => {
  it('removes the conclusion of every ending, and leaves the steps of a right answer as they were', () => {
    for (const { question, chosen, steps, text } of answers) {
      const correct = chosen === question.answer;
      const { refined } = refine(text, { ...question, correct, predicted: chosen });
      expect(refined).not.toMatch(
        /\b[A-E]\b|answer|conclusion|explanation|observations|context|option|[#*]/i,
      );
      if (correct) expect({ text, steps: stepsIn(refined) }).toEqual({ text, steps });
      else expect(stepsIn(refined)).toHaveLength(steps.length);
    }
  });

  it('takes from the steps of a wrong answer the words of the right one alone', () => {
    for (const { question, chosen, steps, text } of answers) {
      if (chosen === question.answer) continue;
      const { refined } = refine(text, { ...question, correct: false, predicted: chosen });
      const removed = wordsOf(steps);
      for (const word of wordsOf(stepsIn(refined))) {
        expect(removed, text).toContain(word);
        removed.splice(removed.indexOf(word), 1);
      }
      const truth = ['the', ...question.right.split(' ')];
      expect({ text, others: removed.filter((word) => !truth.includes(word)) }).toEqual({ text, others: [] });
    }
  });
});

describe('layOutSteps', () => {
  it('numbers the steps, marks them, or makes a paragraph of them, some introduced', () => {
    const rng = new Rng('lay-out');
    const texts = Array.from({ length: 100 }, () => layOutSteps(['One step.', 'Another step.'], rng));
    const forms = [
      '1. One step.\n2. Another step.',
      '- One step.\n- Another step.',
      'One step. Another step.',
    ];
    const introduced = forms.map((form) => `Let us look at the frames step by step:\n\n${form}`);
    expect(new Set(texts)).toEqual(new Set([...forms, ...introduced]));
  });
});

function wordsOf(steps: string[]): string[] {
  return steps.join(' ').match(/\w+/g) ?? [];
}

/** The sentences without their layout. */
function stepsIn(text: string): string[] {
  return text
    .replace('Let us look at the frames step by step:\n\n', '')
    .split(/\n|(?<=\.) /)
    .map((line) => line.replace(/^(\d\. ?|- ?)/, ''))
    .filter(Boolean);
}
