import { describe, expect, it } from 'vitest';
import { readingSamples } from '../../src/shapes/reading.js';

const stream = readingSamples('reading-test');
const samples = Array.from({ length: 2000 }, () => stream.next().value);

/** The options of a prompt by their names, "Option A" and so on. */
function optionsOf(prompt: string): Map<string, string> {
  const parts = prompt.slice(prompt.indexOf(' Option A: ') + 1).split(/ ?(Option [A-E]): /);
  return new Map(
    Array.from({ length: (parts.length - 1) / 2 }, (_, i) => [parts[2 * i + 1]!, parts[2 * i + 2]!]),
  );
}

describe('readingSamples', () => {
  it('asks for the letter of a text or the text of a letter, about equally often', () => {
    let letters = 0;
    for (const { prompt, target } of samples) {
      const options = optionsOf(prompt);
      const asked = /^Question: (.+?) Option A: /.exec(prompt)![1]!;
      expect(options.size).toBeGreaterThanOrEqual(2);
      expect(new Set(options.values()).size).toBe(options.size);
      if (options.has(target)) {
        letters++;
        expect(options.get(target)).toBe(asked);
      } else expect(options.get(asked)).toBe(target);
    }
    expect(Math.abs(letters / samples.length - 0.5)).toBeLessThan(0.05);
  });

  it('is the same for the same seed and another for another', () => {
    const first = (seed: number) => {
      const fresh = readingSamples(seed);
      return Array.from({ length: 20 }, () => fresh.next().value);
    };
    expect(first(1)).toEqual(first(1));
    expect(first(1)).not.toEqual(first(2));
  });
});
