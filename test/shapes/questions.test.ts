/** Questions of the shapes world: right, balanced, not answerable without the clip. */
import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { QuestionBalancer } from '../../src/shapes/balance.js';
import { QUESTION_TYPES, TEMPLATES } from '../../src/shapes/candidate.js';
import { factsOf } from '../../src/shapes/language.js';
import { askAll, lookUp, placeAnswer, type ShapesQuestion } from '../../src/shapes/questions.js';
import { simulateClip } from '../../src/shapes/simulate.js';
import { truthOf } from './oracle.js';
import { heuristics, trainTextOnly } from './textOnly.js';

const clips = Array.from({ length: 250 }, (_, i) => simulateClip(`questions-test/${i}`));

function asked(name: string, count: number): ShapesQuestion[] {
  const balancer = new QuestionBalancer(name);
  return Array.from({ length: count }, (_, i) => balancer.choose(simulateClip(`${name}/${i}`), 4)).flat();
}

describe('askAll', () => {
  it('asks questions of every type and template, in the form of NExT-QA', () => {
    const all = clips.flatMap((clip) => askAll(clip, new Rng(clip.id)));
    expect(new Set(all.map((question) => question.type))).toEqual(new Set(QUESTION_TYPES));
    expect(new Set(all.map((question) => question.template))).toEqual(new Set(TEMPLATES));
    const texts = all.flatMap(({ question, options }) => [question, ...options]);
    expect(texts.filter((text) => !/^[a-z]+( [a-z]+)*$/.test(text))).toEqual([]);
    for (const { options, answer } of all) {
      expect(answer).toBe(0);
      expect(options).toHaveLength(5);
      expect(new Set(options).size).toBe(5);
    }
  });

  it('gives exactly one option that is true of the clip, by an independent reading of its events', () => {
    const checked = new Map<string, number>();
    for (const clip of clips) {
      for (const question of askAll(clip, new Rng(clip.id))) {
        const right = question.options.filter((option) => truthOf(clip, question.question, option));
        expect({ ...question, right }).toEqual({ ...question, right: [question.options[0]] });
        checked.set(question.template, (checked.get(question.template) ?? 0) + 1);
      }
    }
    for (const template of TEMPLATES) expect(checked.get(template)).toBeGreaterThan(10);
  });

  it('never asks the same words twice about a clip, and looks each question up again', () => {
    for (const clip of clips.slice(0, 100)) {
      const questions = askAll(clip, new Rng(clip.id));
      expect(new Set(questions.map(({ question }) => question)).size).toBe(questions.length);
      for (const { question, options } of questions) {
        expect(lookUp(factsOf(clip), question)?.right).toBe(options[0]);
      }
    }
    expect(lookUp(factsOf(clips[0]!), 'why is the sky blue')).toBeUndefined();
  });

  it('takes distractors from the clip: every other object is an option where objects are', () => {
    for (const clip of clips.slice(0, 100)) {
      for (const { template, question, options } of askAll(clip, new Rng(clip.id))) {
        if (!['cause', 'purpose', 'affected', 'at-place', 'mover-after', 'mover-while'].includes(template))
          continue;
        for (const { colour } of clip.objects) {
          if (question.includes(colour)) continue;
          expect(options.some((option) => option.split(' ').includes(colour))).toBe(true);
        }
      }
    }
  });
});

describe('placeAnswer', () => {
  it('moves the right option to the position and keeps the five texts', () => {
    const [question] = askAll(clips[0]!, new Rng(1));
    for (let position = 0; position < 5; position++) {
      const placed = placeAnswer(question!, position, new Rng(position));
      expect(placed.answer).toBe(position);
      expect(placed.options[position]).toBe(question!.options[0]);
      expect([...placed.options].sort()).toEqual([...question!.options].sort());
    }
  });
});

describe('QuestionBalancer', () => {
  const questions = asked('balance-test', 500);

  it('puts the right answer equally often at each position', () => {
    for (let position = 0; position < 5; position++) {
      const share = questions.filter(({ answer }) => answer === position).length / questions.length;
      expect(Math.abs(share - 0.2)).toBeLessThan(0.002);
    }
  });

  it('keeps answers equally frequent within a template', () => {
    for (const template of [
      'cause',
      'purpose',
      'reaction',
      'manner',
      'place',
      'shape',
      'mover-after',
    ] as const) {
      const counts = new Map<string, number>();
      for (const question of questions) {
        if (question.template !== template) continue;
        const right = question.options[question.answer]!;
        counts.set(right, (counts.get(right) ?? 0) + 1);
      }
      expect(Math.max(...counts.values()) - Math.min(...counts.values())).toBeLessThanOrEqual(4);
    }
  });

  it('asks every type, causal ones most, as NExT-QA does', () => {
    const share = (types: string[]) =>
      questions.filter(({ type }) => types.includes(type)).length / questions.length;
    for (const type of QUESTION_TYPES) expect(share([type])).toBeGreaterThan(0.03);
    expect(share(['CW', 'CH'])).toBeGreaterThan(0.3);
    expect(share(['TN', 'TC', 'TP'])).toBeGreaterThan(0.25);
  });

  it('chooses the same questions for the same seed', () => {
    expect(asked('again', 20)).toEqual(asked('again', 20));
  });
});

describe('without the clip', () => {
  const train = asked('text-only-train', 700);
  const val = asked('text-only-val', 500);
  /** Chance is 20 %; 2000 questions have a standard error of 0.9 points. */
  const NEAR_CHANCE = 0.235;

  it.each(Object.entries(heuristics(train)))('%s is near chance', (_, choose) => {
    expect(accuracyOf(val, choose)).toBeLessThan(NEAR_CHANCE);
  });

  it('a logistic regression over the words of question and options is near chance', () => {
    expect(accuracyOf(val, trainTextOnly(train))).toBeLessThan(NEAR_CHANCE);
  });
});

/** Ties are broken by chance, so a tie of k options scores 1 / k. */
function accuracyOf(
  questions: ShapesQuestion[],
  score: (question: ShapesQuestion, option: number) => number,
): number {
  let right = 0;
  for (const question of questions) {
    const scores = question.options.map((_, i) => score(question, i));
    const best = scores.flatMap((value, i) => (value === Math.max(...scores) ? [i] : []));
    if (best.includes(question.answer)) right += 1 / best.length;
  }
  return right / questions.length;
}
