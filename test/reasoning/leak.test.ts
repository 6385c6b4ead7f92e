/** How often the answer can be read from the text alone. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DataError, UsageError } from '../../src/base/errors.js';
import { Rng } from '../../src/base/random.js';
import { leakOfFiles } from '../../src/reasoning/leak/files.js';
import { type LeakRow, leakOf } from '../../src/reasoning/leak/leak.js';
import { otherTexts } from '../../src/reasoning/leak/otherTexts.js';
import { ruleScores } from '../../src/reasoning/leak/rule.js';

const OPTIONS = ['the red cup', 'the cup', 'a dog', 'no'];

describe('the rule', () => {
  it.each([
    ['The answer is C. The red cup falls.', [0, 0, 1, 0]],
    ['A man walks in. He sits down. The red cup falls. A dog is not there.', [1, 0, -1, 0]],
    // The reader of answers takes a brief reply for its answer; here its mentions count.
    ['The red cup falls. A dog is not there.', [1, 0, -1, 0]],
    ['A man walks in. He sits down. He looks up. The cup falls, and the third option too.', [0, 1, 1, 0]],
    ['Nothing is seen.', [0, 0, 0, 0]],
    ['', [0, 0, 0, 0]],
  ])('reads %j', (text, scores) => {
    expect(ruleScores(text, OPTIONS)).toEqual(scores);
  });
});

const COLOURS = ['red', 'green', 'blue', 'cyan'];

/** Questions whose text `tell` writes from the teacher's answer; three of four are right. */
function rows(count: number, tell: (colour: string, rng: Rng) => string): LeakRow[] {
  const rng = new Rng('leak-test');
  return Array.from({ length: count }, (_, i) => {
    const options = rng.shuffle([...COLOURS]).map((colour) => `the ${colour} one did it`);
    const answer = rng.int(4);
    const predicted = rng.int(4) ? answer : (answer + 1) % 4;
    const colour = options[predicted]!.split(' ')[1]!;
    return {
      ...{ id: `v${i >> 1}_${i & 1}`, video: `v${i >> 1}`, question: 'who did it', kind: 'who', options },
      ...{ reasoning: tell(colour, rng), predicted, answer, correct: predicted === answer },
    };
  });
}
const texts = (all: LeakRow[]) => [
  { name: 'own', texts: new Map(all.map(({ id, reasoning }) => [id, reasoning])) },
];

describe('the trained reader', () => {
  it('finds an answer that the rule cannot read, in words of its own', () => {
    const all = rows(240, (colour, rng) =>
      rng
        .shuffle(
          COLOURS.map((each) => (each === colour ? `A ${each} thing glows.` : `A ${each} thing waits.`)),
        )
        .join(' '),
    );
    const leak = leakOf(all, texts(all));
    expect(leak.texts[0]!.classifier.teacher!.rate).toBeGreaterThan(0.9);
    expect(leak.texts[0]!.rule.teacher!.rate).toBeLessThan(0.4);
    // It reads the text: from the texts of other questions it knows no more than from none.
    expect(leak.texts[0]!.control.teacher!.rate).toBeLessThan(0.4);
    expect(leak.questionAlone.teacher!.rate).toBeLessThan(0.4);
    expect(leak.chance).toBe(0.25);
    expect(leakOf(all, texts(all))).toEqual(leak);
  });

  it('is as good on texts about other questions where it reads the question', () => {
    // The teacher always names red, whatever it writes.
    const all = rows(240, () => 'Something waits.').map((row) => {
      const predicted = row.options.findIndex((option) => option.includes('red'));
      return { ...row, predicted, correct: predicted === row.answer };
    });
    const { classifier, control } = leakOf(all, texts(all)).texts[0]!;
    expect(classifier.teacher!.rate).toBeGreaterThan(0.9);
    expect(control.teacher!.rate).toBeGreaterThan(0.9);
  });

  it('finds nothing where nothing is', () => {
    const all = rows(240, (_, rng) => `A ${rng.pick(COLOURS)} thing waits.`);
    const { classifier } = leakOf(all, texts(all)).texts[0]!;
    // Four standard errors of 240 questions at 25 % are 11 points.
    expect(Math.abs(classifier.teacher!.rate - 0.25)).toBeLessThan(0.12);
    expect(classifier.teacher!.low).toBeLessThan(classifier.teacher!.rate);
  });

  it('is not trained on a handful of rows, and says so', () => {
    const all = rows(20, () => 'It waits.').map((row) => ({ ...row, answer: null, correct: null }));
    const leak = leakOf(all, texts(all));
    expect(leak.texts[0]!.classifier).toEqual({ teacher: null, truth: null });
    expect(leak.texts[0]!.rule.truth).toBeNull();
    expect(leak.texts[0]!.rule.teacher!.questions).toBe(20);
    expect(leak.notes).toEqual([
      "20 rows of 10 videos have the teacher's answer: too few to train a reader, which takes 60 rows of 6 videos",
      'no row has the true answer: it cannot be looked for',
    ]);
  });
});

describe('the control', () => {
  const row = (id: string, kind: string, options = 4) => ({
    ...{ id, kind, video: id.split('_')[0]! },
    options: COLOURS.slice(0, options),
  });

  it('gives every question the text of another video, of its kind and as many options', () => {
    const all = ['a_1', 'a_2', 'b_1', 'b_2', 'c_1', 'd_1'].flatMap((id) => [
      row(id, 'why'),
      row(`${id}x`, 'who'),
    ]);
    const others = otherTexts(all, '0');
    expect([...others.values()].sort()).toEqual(all.map(({ id }) => id).sort());
    for (const [id, other] of others) {
      expect(other.split('_')[0]).not.toBe(id.split('_')[0]);
      expect(other.endsWith('x')).toBe(id.endsWith('x'));
    }
    expect(otherTexts(all, '0')).toEqual(others);
  });

  it('puts kinds with one question together, and leaves only a lone row its own text', () => {
    const all = [row('a_1', 'why'), row('b_1', 'who'), row('c_1', 'who', 3)];
    for (const [id, other] of otherTexts(all, '0')) expect(other).not.toBe(id);
    const two = [row('a_1', 'why'), row('b_1', 'why'), row('c_1', 'who')];
    for (const [id, other] of otherTexts(two, '0')) expect(other).not.toBe(id);
    expect([...otherTexts([row('a_1', 'why')], '0')]).toEqual([['a_1', 'a_1']]);
  });
});

describe('files', () => {
  let folder: string;
  const at = (name: string) => join(folder, name);
  const write = (name: string, lines: readonly object[]) =>
    writeFileSync(at(name), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'leak-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('are measured before, after each policy, and as they were refined', async () => {
    const all = rows(60, (colour) => `Something waits.\n###Answer: the ${colour} one did it`);
    write(
      'raw.jsonl',
      all.map(({ video: _, ...row }) => row),
    );
    write('other.jsonl', [{ id: all[0]!.id, reasoning: '###Answer: A' }]);
    const request = {
      generated: at('raw.jsonl'),
      refined: [at('other.jsonl')],
      policies: ['paper', 'original'],
    };
    const leak = await leakOfFiles(request);
    expect(leak.texts.map(({ name, empty }) => [name, empty])).toEqual([
      ['before', 0],
      ['paper', 0],
      ['original', 0],
      ['other.jsonl', 59],
    ]);
    expect(leak.texts[0]!.rule.teacher!.rate).toBe(1);
    expect(leak.texts[1]!.rule.teacher!.rate).toBeLessThan(0.5);
    expect(leak.notes[0]).toBe('held out by video, which is the part of an id before its last _');
    expect(leak.videos).toBe(30);
  });

  it('of ids that name no video are held out by question', async () => {
    write(
      'raw.jsonl',
      rows(60, () => 'It waits.').map(({ video: _, ...row }, i) => ({ ...row, id: `why_${i}` })),
    );
    const { notes, videos } = await leakOfFiles({ generated: at('raw.jsonl'), policies: [] });
    expect([notes[0], videos]).toEqual([
      'held out by question: the rows name no video, and their ids begin with none',
      60,
    ]);
  });

  it('of more rows than are measured are drawn from, the same ones for a seed', async () => {
    const all = rows(90, () => '###Answer: A');
    write('raw.jsonl', all);
    // A refined file holds all ids, and its texts are read of the rows drawn.
    write(
      'other.jsonl',
      all.map(({ id }) => ({ id, reasoning: '###Answer: A' })),
    );
    const request = { generated: at('raw.jsonl'), refined: [at('other.jsonl')], policies: [] };
    const leak = await leakOfFiles(request, 30);
    expect(leak.notes[0]).toBe('measured on 30 rows, drawn from 90');
    expect(leak.rows).toBe(30);
    expect(leak.texts.map(({ empty }) => empty)).toEqual([0, 0]);
    // More videos than the first 30 rows have: the last rows are drawn from too.
    expect(leak.videos).toBeGreaterThan(15);
    expect(await leakOfFiles(request, 30)).toEqual(leak);
    write('other.jsonl', [{ id: 'x', reasoning: '' }]);
    await expect(leakOfFiles(request, 30)).rejects.toThrow(/other\.jsonl:1: field "id"/);
  });

  it('that are wrong are named', async () => {
    const [row] = rows(1, () => 'It waits.');
    write('raw.jsonl', [row!]);
    const leak = (over: object) => leakOfFiles({ generated: at('raw.jsonl'), policies: [], ...over });
    write('other.jsonl', [{ id: 'x', reasoning: '' }]);
    await expect(leak({ refined: [at('other.jsonl')] })).rejects.toThrow(
      new DataError(`${at('other.jsonl')}:1: field "id": expected an id of ${at('raw.jsonl')}, found "x"`),
    );
    write('other.jsonl', []);
    await expect(leak({ refined: [at('other.jsonl')] })).rejects.toThrow(
      /other\.jsonl:1: expected at least one line/,
    );
    await expect(leak({ policies: ['agreement'] })).rejects.toThrow(UsageError);
    write('raw.jsonl', [row!, row!]);
    await expect(leak({})).rejects.toThrow(/raw\.jsonl:2: id "v0_0" appears twice, first in line 1/);
    writeFileSync(at('raw.jsonl'), '{"id": "v0_0", "ques\n');
    await expect(leak({})).rejects.toThrow(/raw\.jsonl:1: not JSON/);
  });

  it('that end in part of a line are measured without it, and say so', async () => {
    const [row] = rows(1, () => 'It waits.');
    writeFileSync(at('raw.jsonl'), `${JSON.stringify(row)}\n{"id": "v1_0", "ques`);
    writeFileSync(at('other.jsonl'), `${JSON.stringify({ id: row!.id, reasoning: 'It waits.' })}\n{"id"`);
    const request = { generated: at('raw.jsonl'), refined: [at('other.jsonl')], policies: [] };
    const { rows: measured, notes } = await leakOfFiles(request);
    expect(measured).toBe(1);
    expect(notes.slice(0, 2)).toEqual(
      ['raw', 'other'].map(
        (name) =>
          `${at(`${name}.jsonl`)}:2: the last line is cut off and left out; is the file still being written?`,
      ),
    );
  });
});
