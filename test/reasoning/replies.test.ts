/** Replies in the manner of many models, each with the option that it names: replies.txt. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readText } from '../../src/reasoning/answer.js';
import { proseReply } from '../../src/reasoning/marks.js';
import { refine } from '../../src/reasoning/refine.js';

interface Labelled {
  options: string[];
  text: string;
  meant: number | null;
}

/** The labelled replies of a file. */
function replies(): Labelled[] {
  let options: string[] = [];
  return readFileSync(new URL('replies.txt', import.meta.url), 'utf8')
    .split('\n')
    .flatMap((line): Labelled[] => {
      if (line.startsWith('Q:')) options = line.slice(2).split('|');
      const found = /^([A-E-])~(.*)$/.exec(line);
      if (!found) return [];
      const text = (found[2] as string).replace(/\\(\\|n)/g, (_, sign) => (sign === 'n' ? '\n' : '\\'));
      const meant = found[1] === '-' ? null : (found[1] as string).charCodeAt(0) - 65;
      return [{ options, text, meant }];
    });
}

describe('labelled replies', () => {
  const all = replies();
  const read = all.map((reply) => ({ ...reply, ...readText(reply.text, reply.options) }));

  it('are hundreds, with and without an answer', () => {
    expect(all.filter(({ meant }) => meant !== null).length).toBeGreaterThan(500);
    expect(all.filter(({ meant }) => meant === null).length).toBeGreaterThan(40);
  });

  it('are never read as another option, nor as one where they name none', () => {
    expect(read.filter(({ option, meant }) => option !== null && option !== meant)).toEqual([]);
  });

  it('are read, but for 3 % of them', () => {
    const unread = read.filter(({ option, meant }) => meant !== null && option === null);
    expect(unread.length / read.length).toBeLessThanOrEqual(0.03);
  });

  it('lose their letter in refinement, but for 1 %, and stay as they are when refined again', () => {
    for (const { text, options, option } of read) {
      if (option === null) continue;
      const settings = { options, answer: option, correct: true, predicted: option };
      const { refined } = refine(text, settings);
      expect(refine(refined, settings).refined, text).toBe(refined);
    }
    const told = read.filter(({ text, options, option }) => {
      if (option === null) return false;
      const { refined } = refine(text, { options, answer: option, correct: true, predicted: option });
      const after = readText(proseReply(refined).prose, options);
      return after.option === option && after.rule !== 'worded' && after.rule !== 'line';
    });
    expect(told.length / read.length, JSON.stringify(told.map(({ text }) => text))).toBeLessThan(0.01);
  });
});
