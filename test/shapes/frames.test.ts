/** Which questions one frame answers. */
import { expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { needsSeveralFrames } from '../../src/shapes/frames.js';
import { askAll, type Template, TYPE_OF } from '../../src/shapes/questions.js';
import { simulateClip } from '../../src/shapes/simulate.js';

it('tells questions about one moment from questions about what happens, for every template', () => {
  const oneFrame: Template[] = ['place', 'who'];
  const seen = new Set<Template>();
  for (let i = 0; i < 60; i++)
    for (const { template, question } of askAll(simulateClip(`frames/${i}`), new Rng(i))) {
      seen.add(template);
      expect(needsSeveralFrames(question), question).toBe(!oneFrame.includes(template));
    }
  expect(seen).toEqual(new Set(Object.keys(TYPE_OF)));
});
