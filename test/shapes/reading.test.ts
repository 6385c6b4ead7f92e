/** Lists of options to read. */
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
  it('asks for a letter twice as often as for a text, a text before its letter, or all of them so', () => {
    const counts = { letter: 0, text: 0, one: 0, all: 0 };
    const sizes = new Set<number>();
    for (const { prompt, target } of samples) {
      const options = optionsOf(prompt);
      const letters = new Map([...options].map(([name, text]) => [text, name]));
      const asked = /Question: (.+?) Option A: /.exec(prompt)![1]!;
      sizes.add(options.size);
      expect(letters.size).toBe(options.size);
      if (prompt.startsWith('Explanation')) {
        const texts = asked.split(', ');
        expect(target).toBe(texts.map((text) => `${text} ${letters.get(text)}`).join(', '));
        if (texts.length === 1) counts.one++;
        else {
          counts.all++;
          expect([...texts].sort()).toEqual([...letters.keys()].sort());
        }
      } else if (options.has(asked)) {
        counts.text++;
        expect(target).toBe(options.get(asked));
      } else {
        counts.letter++;
        expect(target).toBe(letters.get(asked));
      }
    }
    expect([...sizes].sort()).toEqual([2, 3, 4, 5]);
    for (const [kind, count] of Object.entries(counts))
      expect(Math.abs(count / samples.length - (kind === 'letter' ? 0.4 : 0.2)), kind).toBeLessThan(0.04);
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
