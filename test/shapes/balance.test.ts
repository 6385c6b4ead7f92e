/** A chosen set of questions is balanced, and cannot be answered from its text. */
import { beforeAll, describe, expect, it } from 'vitest';
import { groupBy } from '../../src/base/groups.js';
import { countTypes, QuestionBalancer } from '../../src/shapes/balance.js';
import { isMotionOption, type ShapesQuestion, type Template, TYPE_OF } from '../../src/shapes/questions.js';
import { simulateClip } from '../../src/shapes/simulate.js';
import { heuristics, trainTextOnly } from './textOnly.js';

/** Four questions about each of many clips, as makeShapes chooses them for one split. */
function choose(split: string, clips: number): ShapesQuestion[] {
  const balancer = new QuestionBalancer(split);
  return Array.from({ length: clips }, (_, i) => balancer.choose(simulateClip(`${split}/${i}`), 4)).flat();
}

const train = choose('balance-test/train', 1500);
const val = choose('balance-test/val', 500);
const TEMPLATES = Object.keys(TYPE_OF) as Template[];

describe('QuestionBalancer', () => {
  it('finds four questions for every clip, all different', () => {
    expect([train.length, val.length]).toEqual([6000, 2000]);
    for (let i = 0; i < val.length; i += 4)
      expect(new Set(val.slice(i, i + 4).map(({ question }) => question)).size).toBe(4);
  });

  it('puts the right answer equally often at each letter, within one question', () => {
    for (const questions of [train, val]) {
      for (let letter = 0; letter < 5; letter++)
        expect(questions.filter(({ answer }) => answer === letter)).toHaveLength(questions.length / 5);
    }
  });

  it.each(TEMPLATES)('keeps the answers of %s equally frequent, within 5 %%', (template) => {
    const own = train.filter((question) => question.template === template);
    // An action before or after is a motion or a rest far more often than an effect, so each kind counts alone.
    const isOrder = template === 'after' || template === 'before';
    const kinds = isOrder
      ? [true, false].map((motion) => own.filter((q) => isMotionOption(q.right) === motion))
      : [own];
    for (const questions of kinds) {
      const byAnswer = groupBy(questions, ({ right }) => right);
      const mean = questions.length / byAnswer.size;
      for (const [answer, { length }] of byAnswer)
        expect(Math.abs(length - mean), `${answer}: ${length}, mean ${mean}`).toBeLessThan(1 + 0.05 * mean);
    }
  });

  it('asks for causes and reactions most, as NExT-QA does, and for every type', () => {
    const types = countTypes(train);
    const share = (...names: string[]) => names.reduce((sum, name) => sum + types[name]!, 0) / train.length;
    for (const type of Object.values(TYPE_OF)) expect(share(type)).toBeGreaterThan(0.03);
    const [causal, temporal, descriptive] = [share('CW', 'CH'), share('TN', 'TP'), share('DL', 'DO')];
    expect(causal + temporal + descriptive).toBeCloseTo(1);
    expect(causal).toBeGreaterThan(Math.max(temporal, descriptive));
  });

  it('chooses the same questions for the same seed, and others for another', () => {
    expect(choose('balance-test/again', 20)).toEqual(choose('balance-test/again', 20));
    const clip = simulateClip('balance-test/clip');
    const chosen = (seed: string) => new QuestionBalancer(seed).choose(clip, 4);
    expect(chosen('a')).not.toEqual(chosen('b'));
  });
});

/** Chance is 20 %; 2,000 questions have a standard error of 0.9 points. */
describe('without the clip', () => {
  const NEAR_CHANCE = 0.23;

  it.each(Object.entries(heuristics(train)))('%s stays within 3 points of chance', (_, scorer) => {
    expect(accuracyOf(val, scorer)).toBeLessThan(NEAR_CHANCE);
  });

  describe('a logistic regression over the words of 6,000 questions', () => {
    let scorer: ReturnType<typeof trainTextOnly>;
    beforeAll(() => {
      scorer = trainTextOnly(train);
    });

    it('stays within 3 points of chance on 2,000 others', () => {
      expect(accuracyOf(val, scorer)).toBeLessThan(NEAR_CHANCE);
    });

    it('beats chance where answers are not balanced', () => {
      // The same questions, with one answer of each template four times as frequent as the others.
      const frequent = TEMPLATES.map((template) => train.find((q) => q.template === template)!.right);
      const leaky = (questions: ShapesQuestion[]) =>
        questions.filter(({ right }, i) => frequent.includes(right) || i % 4 === 0);
      expect(accuracyOf(leaky(val), trainTextOnly(leaky(train)))).toBeGreaterThan(0.3);
    });
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
