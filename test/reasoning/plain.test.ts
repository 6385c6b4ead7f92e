/** The boxes of LaTeX. */
import { expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { boxesIn } from '../../src/reasoning/plain.js';

/** The end of a box's contents, by counting from its own brace. */
function endOf(text: string, from: number): number {
  let depth = 1;
  for (let i = from; i < text.length; i++) {
    if (text[i] === '\n') return i;
    if (text[i] === '{') depth++;
    if (text[i] === '}' && --depth === 0) return i;
  }
  return text.length;
}

it('boxes end at their own brace, or with their line, however braces and lines lie', () => {
  const rng = new Rng('boxes');
  const pieces = ['\\boxed{', '\\fbox \n{', '{', '}', '}', '\n', 'A', '\\text{B}'];
  let boxes = 0;
  for (let i = 0; i < 500; i++) {
    const text = Array.from({ length: 12 }, () => rng.pick(pieces)).join('');
    for (const { start, end, from, to } of boxesIn(text)) {
      boxes++;
      expect(text.slice(start, from)).toMatch(/^\\(?:boxed|fbox)\s*\{$/);
      expect(to, JSON.stringify(text)).toBe(endOf(text, from));
      expect(end).toBe(text[to] === '}' ? to + 1 : to);
    }
  }
  expect(boxes).toBeGreaterThan(500);
});
