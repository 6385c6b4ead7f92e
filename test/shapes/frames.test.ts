import { expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { TEMPLATES, type Template } from '../../src/shapes/candidate.js';
import { needsSeveralFrames } from '../../src/shapes/frames.js';
import { askAll } from '../../src/shapes/questions.js';
import { simulateClip } from '../../src/shapes/simulate.js';

it('tells questions about one moment from questions about what happens, for every template', () => {
  const oneFrame: Template[] = ['place', 'at-place', 'count', 'shape', 'background'];
  const seen = new Set<Template>();
  for (let i = 0; i < 60; i++)
    for (const { template, question } of askAll(simulateClip(`frames/${i}`), new Rng(i))) {
      seen.add(template);
      expect(needsSeveralFrames(question), question).toBe(!oneFrame.includes(template));
    }
  expect(seen).toEqual(new Set(TEMPLATES));
});
