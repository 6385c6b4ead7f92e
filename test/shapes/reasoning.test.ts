/** The teacher's steps: all true for the right option, all but the claim for any other. */
import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { factsOf } from '../../src/shapes/language.js';
import { askAll, lookUp, type ShapesQuestion, TYPE_OF } from '../../src/shapes/questions.js';
import { reasoningSteps } from '../../src/shapes/reasoning.js';
import type { Clip } from '../../src/shapes/scene.js';
import { simulateClip } from '../../src/shapes/simulate.js';
import { clausesOf } from './stepOracle.js';

const clips = Array.from({ length: 150 }, (_, i) => simulateClip(`reasoning-test/${i}`));
/** A third of the questions, so that there are more clips. */
const asked = clips.flatMap((clip) =>
  askAll(clip, new Rng(clip.id)).flatMap((question, i) => (i % 3 === 0 ? [{ clip, question }] : [])),
);

/** The steps about the four frames that show one beat each. */
function stepsTo(clip: Clip, { question, options }: ShapesQuestion, claim: string, seed = 'steps'): string[] {
  const facts = factsOf(clip);
  const rng = new Rng(`${seed}/${clip.id}/${question}`);
  return reasoningSteps(facts, lookUp(facts, question)!, options, claim, {
    frameOf: (beat) => beat + 1,
    rng,
  });
}

describe('reasoningSteps', () => {
  it('takes only true steps to the right option', () => {
    const checked = new Map<string, number>();
    const faults: object[] = [];
    for (const { clip, question } of asked) {
      const steps = stepsTo(clip, question, question.right);
      const clauses = steps.flatMap((step) => clausesOf(clip, step, question.question));
      const untrue = clauses.filter(({ holds }) => !holds);
      if (untrue.length > 0) faults.push({ clip: clip.id, question: question.question, steps, untrue });
      checked.set(question.template, (checked.get(question.template) ?? 0) + 1);
    }
    expect(faults).toEqual([]);
    expect([...checked.keys()].sort()).toEqual(Object.keys(TYPE_OF).sort());
    expect(Math.min(...checked.values())).toBeGreaterThan(50);
  });

  it('makes exactly one false claim for a wrong option, which is the option', () => {
    const faults: object[] = [];
    for (const { clip, question } of asked) {
      for (const claim of question.options.slice(1)) {
        const steps = stepsTo(clip, question, claim);
        const clauses = steps.flatMap((step) => clausesOf(clip, step, question.question));
        const untrue = clauses.filter(({ holds }) => !holds).map(({ text }) => text);
        if (untrue.length !== 1 || !untrue[0]!.includes(keywordOf(claim)))
          faults.push({ clip: clip.id, question: question.question, claim, steps, untrue });
      }
    }
    expect(faults).toEqual([]);
  });

  it('gives other steps for each option', () => {
    for (const { clip, question } of asked) {
      const texts = question.options.map((claim) => stepsTo(clip, question, claim).join(' '));
      expect(new Set(texts).size).toBe(5);
    }
  });

  it('never rules out the right option or the claim', () => {
    const faults: object[] = [];
    for (const { clip, question } of asked) {
      for (const claim of question.options.slice(0, 2)) {
        const ruledOut = stepsTo(clip, question, claim).filter((step) => /\bno\b|\bnot\b/.test(step));
        const words = ruledOut.flatMap((step) => step.slice(0, -1).split(/[ ,]+/));
        if ([claim, question.right].some((option) => words.includes(keywordOf(option))))
          faults.push({ clip: clip.id, question: question.question, claim, ruledOut });
      }
    }
    expect(faults).toEqual([]);
  });
});

const PRESENT = {
  'it moved away': 'moves away',
  'it vanished': 'vanishes',
  'it shrank': 'shrinks',
  'it grew': 'grows',
  'it changed colour': 'changes colour',
  'it stayed still': 'stays still',
};

/** What tells an option from the others of its question, as a step says it. */
function keywordOf(option: string): string {
  if (option in PRESENT) return PRESENT[option as keyof typeof PRESENT];
  return /^the (\w+) object|^it moved (\w+)$/.exec(option)?.slice(1).find(Boolean) ?? option;
}
