/** The reasoning of a training split: chosen by grade and by fraction. */
import { describe, expect, it } from 'vitest';
import { selectReasoning } from '../../src/batches/split.js';
import type { Config } from '../../src/config/schema.js';
import type { Sample } from '../../src/data/sample.js';

/** 40 samples: every fourth without reasoning, of the others every third from a teacher that was wrong. */
const SAMPLES: Sample[] = Array.from({ length: 40 }, (_, i) => ({
  id: `s${i}`,
  dataset: 'test',
  video: 'v',
  question: '?',
  options: ['a', 'b'],
  answer: i % 2,
  type: 'x',
  ...(i % 4 === 0 ? {} : { reasoning: `because ${i}`, reasoningCorrect: i % 3 !== 0 }),
}));

function select(train: Partial<Config['train']>): Sample[] {
  const settings = {
    mode: 'mtl',
    stlTarget: 'answer',
    reasoningSet: 'all',
    reasoningFraction: 1,
    seed: 3,
    ...train,
  };
  return selectReasoning(SAMPLES, { train: settings } as Pick<Config, 'train'>);
}

const withReasoning = (samples: Sample[]) =>
  samples.filter((s) => s.reasoning !== undefined).map((s) => s.id);

describe('the reasoning that is trained on', () => {
  it('is all of it, every sample kept in place', () => {
    expect(select({})).toEqual(SAMPLES);
  });

  it('is only where the teacher was right (CR); the other samples still train the answer', () => {
    const chosen = select({ reasoningSet: 'correct' });
    expect(chosen.map((s) => s.id)).toEqual(SAMPLES.map((s) => s.id));
    expect(withReasoning(chosen)).toEqual(SAMPLES.filter((s) => s.reasoningCorrect).map((s) => s.id));
    expect(SAMPLES.filter((s) => s.reasoning)).toHaveLength(30);
  });

  it.each([
    [0, 0],
    [0.25, 8],
    [0.5, 15],
    [0.75, 23],
    [1, 30],
  ])('is the fraction %s of it', (reasoningFraction, count) => {
    const chosen = select({ reasoningFraction });
    expect(chosen).toHaveLength(40);
    expect(withReasoning(chosen)).toHaveLength(count);
    expect(select({ reasoningFraction })).toEqual(chosen);
  });

  it('grows with the fraction: a smaller part lies inside a larger one, and the seed chooses it', () => {
    const small = withReasoning(select({ reasoningFraction: 0.25 }));
    const large = new Set(withReasoning(select({ reasoningFraction: 0.5 })));
    expect(small.every((id) => large.has(id))).toBe(true);
    expect(withReasoning(select({ reasoningFraction: 0.25, seed: 4 }))).not.toEqual(small);
  });

  it('takes the fraction of the correct ones when both are asked for', () => {
    const correct = new Set(SAMPLES.filter((s) => s.reasoningCorrect).map((s) => s.id));
    const chosen = withReasoning(select({ reasoningSet: 'correct', reasoningFraction: 0.5 }));
    expect(chosen).toHaveLength(Math.round(correct.size / 2));
    expect(chosen.every((id) => correct.has(id))).toBe(true);
  });

  it('decides which samples there are at all in single-task training on reasoning', () => {
    const stl = { mode: 'stl', stlTarget: 'reasoning-answer' } as const;
    expect(select(stl).map((s) => s.id)).toEqual(SAMPLES.filter((s) => s.reasoning).map((s) => s.id));
    const correct = select({ ...stl, reasoningSet: 'correct' });
    expect(correct.map((s) => s.id)).toEqual(SAMPLES.filter((s) => s.reasoningCorrect).map((s) => s.id));
    expect(select({ mode: 'stl', stlTarget: 'answer' })).toHaveLength(40);
  });

  it('changes no given sample', () => {
    const before = structuredClone(SAMPLES);
    select({ reasoningFraction: 0.25, reasoningSet: 'correct' });
    expect(SAMPLES).toEqual(before);
  });
});
