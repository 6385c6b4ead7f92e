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
  it('asks for a letter, a text, both of one option or of all, about equally often', () => {
    const counts = { letter: 0, text: 0, both: 0, all: 0 };
    for (const { prompt, target } of samples) {
      const options = optionsOf(prompt);
      const texts = new Map([...options].map(([name, text]) => [text, name]));
      const asked = /Question: (.+?) Option A: /.exec(prompt)![1]!;
      expect([3, 5]).toContain(options.size);
      expect(texts.size).toBe(options.size);
      if (asked === 'options') {
        counts.all++;
        const pairs = target
          .split(/ (?=Option)/)
          .flatMap((part) => /^(Option [A-E]) ?(.*)$/.exec(part)?.slice(1) ?? [part]);
        for (let i = 0; i + 1 < pairs.length; i += 2) expect(pairs[i + 1]).toBe(texts.get(pairs[i]!));
        expect(pairs.filter(Boolean)).toHaveLength(2 * options.size);
      } else if (prompt.startsWith('Explanation')) {
        counts.both++;
        expect(target).toBe(`${asked} ${texts.get(asked)}`);
      } else if (options.has(asked)) {
        counts.text++;
        expect(target).toBe(options.get(asked));
      } else {
        counts.letter++;
        expect(target).toBe(texts.get(asked));
      }
    }
    for (const count of Object.values(counts))
      expect(Math.abs(count / samples.length - 0.25)).toBeLessThan(0.05);
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
