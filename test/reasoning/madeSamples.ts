/** Samples without videos, four questions a clip. */
import type { Sample } from '../../src/data/sample.js';

export function madeSamples(count: number): Sample[] {
  return Array.from({ length: count }, (_, i) => ({
    id: `v${i >> 2}_${i & 3}`,
    dataset: 'test',
    video: `v${i >> 2}`,
    question: `what happens in ${i}?`,
    options: ['he sits', 'he runs', 'he waits'],
    type: 'TN',
    answer: i % 3,
  }));
}
