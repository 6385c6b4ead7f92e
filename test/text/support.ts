/** Samples in the words of tinyTokenizer.ts. */

import type { Rng } from '../../src/base/random.js';
import type { Sample } from '../../src/data/sample.js';

const WORDS = ['red', 'blue', 'square', 'circle', 'moves', 'touches', 'zigzag'];

/** `count` random words; the last one is none of the vocabulary's and takes several tokens. */
export function randomText(rng: Rng, count: number): string {
  return Array.from({ length: count }, () => rng.pick(WORDS)).join(' ');
}

/** A sample with five options, an answer and twenty words of reasoning. */
export function randomSample(rng: Rng, overrides: Partial<Sample> = {}): Sample {
  const text = (count: number) => randomText(rng, count);
  return {
    id: 's',
    dataset: 'shapes',
    video: 'v',
    question: text(6),
    options: [text(1), text(2), text(1), text(1), text(2)],
    answer: rng.int(5),
    type: 'CW',
    reasoning: text(20),
    ...overrides,
  };
}
