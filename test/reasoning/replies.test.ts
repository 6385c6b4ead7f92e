/** Replies in the manner of many models, each with the option that it names: replies*.txt. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readText } from '../../src/reasoning/answer.js';
import { proseReply } from '../../src/reasoning/marks.js';
import { refine } from '../../src/reasoning/refine.js';

interface Labelled {
  options: string[];
  text: string;
  meant: number | null;
  /** The rule that says why no option is named, where the file tells. */
  why: string | undefined;
}

/** The files, each with the most replies with an answer that may be unread, in percent: no file gets worse. */
const FILES: [string, number][] = [
  ['replies.txt', 1],
  ['repliesFresh.txt', 3],
  ['repliesHeldOut.txt', 1],
  ['repliesTraps.txt', 5],
  ['repliesPhrasings.txt', 1],
];

/** The labelled replies of a file. */
function replies(file: string): Labelled[] {
  let options: string[] = [];
  return readFileSync(new URL(file, import.meta.url), 'utf8')
    .split('\n')
    .flatMap((line): Labelled[] => {
      if (line.startsWith('Q:')) options = line.slice(2).split('|');
      const found = /^([A-E]|-[a-z]*)~(.*)$/.exec(line);
      if (!found) return [];
      const [, label, said] = found as unknown as [string, string, string];
      const text = said.replace(/\\(\\|n)/g, (_, sign) => (sign === 'n' ? '\n' : '\\'));
      const meant = label.startsWith('-') ? null : label.charCodeAt(0) - 65;
      return [{ options, text, meant, why: meant === null ? label.slice(1) || undefined : undefined }];
    });
}

describe.each(FILES)('labelled replies of %s', (file, mostUnread) => {
  const all = replies(file);
  const read = all.map((reply) => ({ ...reply, ...readText(reply.text, reply.options) }));
  const answered = read.filter(({ meant }) => meant !== null);

  it('are many, with and without an answer', () => {
    expect(answered.length).toBeGreaterThan(70);
    expect(all.length - answered.length).toBeGreaterThan(15);
  });

  it('are never read as another option, nor as one where they name none', () => {
    expect(read.filter(({ option, meant }) => option !== null && option !== meant)).toEqual([]);
  });

  it(`are read, but for ${mostUnread} % of them`, () => {
    const unread = answered.filter(({ option }) => option === null);
    expect(unread.length / answered.length, JSON.stringify(unread)).toBeLessThanOrEqual(mostUnread / 100);
  });

  it('have the reason why none is read, but for 10 % of those without an answer', () => {
    const reasoned = read.filter(({ why }) => why !== undefined);
    const other = reasoned.filter(({ why, rule }) => why !== rule);
    expect(other.length, JSON.stringify(other)).toBeLessThanOrEqual(reasoned.length / 10);
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
