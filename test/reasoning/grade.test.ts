/** Grading files of reasoning: rows under many names, classes, damaged files; statistics, samples and explanations of them. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readAnyRow } from '../../src/reasoning/anyRow.js';
import { explainId } from '../../src/reasoning/explain.js';
import { classOf } from '../../src/reasoning/grade.js';
import { gradeFile } from '../../src/reasoning/gradeFile.js';
import { promptId } from '../../src/reasoning/prompt.js';
import { refineFile } from '../../src/reasoning/refineFile.js';
import { sampleRows } from '../../src/reasoning/sampleRows.js';
import { reasoningStats } from '../../src/reasoning/stats.js';
import { writeSamplePage } from '../../src/report/samplePage.js';
import { sharedPath } from '../support/shared.js';

let folder: string;
let input: string;
let output: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'reasvqa grade '));
  input = join(folder, 'in.jsonl');
  output = join(folder, 'out.jsonl');
});
afterAll(() => rmSync(folder, { recursive: true }));

const OPTIONS = ['open the lid', 'wave', 'tie the shoe'];
const write = (text: string) => writeFileSync(input, text);
const lines = (...rows: object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
const graded = () =>
  readFileSync(output, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
const quiet = { onTorn: () => {} };

describe('a row', () => {
  it.each<[string, object, object]>([
    ['ids', { question_id: 7, options: OPTIONS, text: 'C' }, { id: 7, text: 'C', answer: null }],
    [
      'one-element lists',
      { id: 'a', choices: OPTIONS.map((o) => [o]), raw_response: ['C'] },
      { options: OPTIONS },
    ],
    [
      'an object by letter',
      { qid: 'a', options: { B: 'wave', A: 'open the lid', C: 'tie the shoe' } },
      { options: OPTIONS },
    ],
    [
      'objects with texts',
      { id: 'a', choices: OPTIONS.map((choice, i) => ({ choice_id: i, choice })) },
      { options: OPTIONS },
    ],
    ['columns', { id: 'a', a0: OPTIONS[0], a1: OPTIONS[1], a2: OPTIONS[2] }, { options: OPTIONS }],
    [
      'labelled options',
      { id: 'a', options: OPTIONS.map((o, i) => `(${'ABC'[i]}) ${o}`) },
      { options: OPTIONS },
    ],
    ['an answer by letter', { id: 'a', options: OPTIONS, answer: '(B)' }, { answer: 1 }],
    ['an answer by text', { id: 'a', options: OPTIONS, answer: 'wave' }, { answer: 1 }],
    [
      'an answer by number',
      { id: 'a', options: OPTIONS, true_index: 1, answer: 'C' },
      { answer: 1, given: 'C' },
    ],
    ['a number that is an option', { id: 'a', options: ['2', '1', '0'], answer: '2' }, { answer: 0 }],
    ['unknown fields', { id: 'a', options: OPTIONS, logits: [[1]], text: 'x' }, { text: 'x' }],
  ])('with %s is read', (_, row, expected) => {
    expect(readAnyRow(row as Record<string, unknown>, 'f:1')).toMatchObject(expected);
  });
  it.each<[object, string]>([
    [{ options: OPTIONS }, 'f:1: no id; expected a text or a number under one of id, question_id,'],
    [{ id: 'a' }, 'f:1: one of options, choices,'],
    [
      { id: 'a', options: ['one'] },
      'f:1: field "options": expected the texts of 2 to 26 options, found ["one"]',
    ],
    [
      { id: 'a', options: OPTIONS, answer: 3 },
      'f:1: field "answer": expected a number from 0 to 2, a letter',
    ],
    [{ id: 'a', options: OPTIONS, label: 'jump' }, 'f:1: field "label": expected a number from 0 to 2'],
  ])('%j is refused with its place', (row, message) => {
    expect(() => readAnyRow(row as Record<string, unknown>, 'f:1')).toThrow(message);
  });
});

describe('a file', () => {
  it('is graded into four classes, and an ungradable row is neither right nor wrong', async () => {
    write(
      lines(
        { id: 'right', options: OPTIONS, reasoning: 'She kneels. The answer is C.', answer: 2 },
        { id: 'wrong', options: OPTIONS, reasoning: 'B', answer: 2 },
        { id: 'none', options: OPTIONS, reasoning: 'The answer is none of the above.', answer: 2 },
        { id: 'two', options: OPTIONS, reasoning: 'Answer: A or B', answer: 0 },
        { id: 'empty', options: OPTIONS, reasoning: '', answer: 0 },
        { id: 'blind', options: OPTIONS, reasoning: 'A' },
        { id: 'beside', options: OPTIONS, reasoning: 'She kneels.', prediction: 'C', answer: 2 },
        { id: 'old', options: OPTIONS, reasoning: 'She kneels.', predicted: 2, answer: 2 },
      ),
    );
    const stats = await gradeFile({ input, output });
    expect(graded()).toEqual([
      { id: 'right', predicted: 2, stated: 'phrase: The answer is C.', correct: true },
      { id: 'wrong', predicted: 1, stated: 'line: B', correct: false },
      { id: 'none', predicted: null, stated: 'refusal: The answer is none of the above.', correct: null },
      { id: 'two', predicted: null, stated: 'several: Answer: A or B', correct: null },
      { id: 'empty', predicted: null, stated: 'empty', correct: null },
      { id: 'blind', predicted: 0, stated: 'line: A', correct: null },
      { id: 'beside', predicted: 2, stated: 'given: C', correct: true },
      { id: 'old', predicted: null, stated: 'silent', correct: null },
    ]);
    expect(stats).toMatchObject({ rows: 8, correct: 2, incorrect: 1, ungradable: 4, unknown: 1, torn: 0 });
    expect(stats.accuracy).toBeCloseTo(2 / 7);
    const { correct, incorrect, ungradable, unknown, rows } = stats;
    expect(correct + incorrect + ungradable + unknown).toBe(rows);
  });

  const row = { id: 'a', options: OPTIONS, reasoning: 'C', answer: 2 };
  it('that ends in part of a line is graded without it, and says so', async () => {
    const notices: string[] = [];
    write(`${lines(row)}{"id": "b", "opt`);
    const stats = await gradeFile({ input, output, onNotice: (line) => notices.push(line) });
    expect(stats).toMatchObject({ rows: 1, torn: 1 });
    expect(notices).toEqual([
      `${input}:2: the last line is cut off and left out; is the file still being written?`,
    ]);
    write(lines(row) + JSON.stringify({ ...row, id: 'b' }));
    expect(await gradeFile({ input, output })).toMatchObject({ rows: 2, torn: 0 });
  });
  it.each([
    ['an id twice', lines(row, row), ':2: id "a" appears twice, first in line 1'],
    ['a line that is no JSON', `{"id"\n${lines(row)}`, ':1: not JSON'],
    ['no row', '\n', ': expected at least one line'],
  ])('with %s is refused, and the output stays as it was', async (_, text, message) => {
    writeFileSync(output, 'before');
    write(text);
    await expect(gradeFile({ input, output })).rejects.toThrow(input + message);
    expect(readFileSync(output, 'utf8')).toBe('before');
  });
  it('is never its own output', async () => {
    write(lines(row));
    await expect(gradeFile({ input, output: input })).rejects.toThrow('is one of the files that are read');
    expect(readFileSync(input, 'utf8')).toBe(lines(row));
  });
});

describe('statistics', () => {
  const steps = 'She kneels down. Her hands move.';
  beforeAll(() => {
    write(
      lines(
        ...[0, 1, 2, 3, 4, 5].map((i) => ({
          id: `q${i}`,
          question: 'Why?',
          type: i < 4 ? 'CW' : 'TN',
          options: OPTIONS,
          reasoning: i === 5 ? steps : `${steps} The correct answer is ${'CCBBA'[i]}.`,
          answer: 2,
        })),
      ),
    );
  });
  it('count accuracy by type, lengths, and what refinement removes by which rule', async () => {
    const stats = await reasoningStats(input, quiet);
    expect(stats.types).toEqual({
      CW: { rows: 4, correct: 2, incorrect: 2, ungradable: 0, unknown: 0, accuracy: 0.5 },
      TN: { rows: 2, correct: 0, incorrect: 1, ungradable: 1, unknown: 0, accuracy: 0 },
    });
    expect(stats.all.accuracy).toBeCloseTo(1 / 3);
    expect(stats.rules).toEqual({ phrase: 5, silent: 1 });
    expect(stats.removed).toEqual({ 'The correct answer': 5 });
    expect(stats.phrases).toEqual([{ words: 'the correct answer is _', times: 5 }]);
    expect(stats.lengths.refined).toEqual({ mean: 6, p5: 6, median: 6, p95: 6, max: 6 });
    expect(stats.lengths.written).toMatchObject({ p5: 6, median: 11, max: 11 });
  });
  it('take types from annotations, and lengths in tokens, where they are given', async () => {
    const types = new Map([['q0', 'other']]);
    const stats = await reasoningStats(input, { ...quiet, types, tokensOf: (text) => text.length });
    expect(stats.unit).toBe('tokens');
    expect(Object.keys(stats.types)).toEqual(['CW', 'TN']);
    expect(stats.lengths.refined.max).toBe(steps.length);
  });
  it('samples are the same for the same seed, in every class', async () => {
    const draw = (seed: number) => sampleRows(input, { count: 1, seed, ...quiet });
    const ids = (drawn: Awaited<ReturnType<typeof draw>>) =>
      drawn.map(({ class: name, of, rows }) => [name, of, ...rows.map(({ row }) => row.id)]);
    expect(ids(await draw(1))).toEqual(ids(await draw(1)));
    const first = ids(await draw(1)).map(([name, of]) => [name, of]);
    expect(first).toEqual([
      ['correct', 2],
      ['incorrect', 3],
      ['ungradable', 1],
      ['unknown', 0],
    ]);
    const drawn = new Set<unknown>();
    for (let seed = 0; seed < 20; seed++) drawn.add((await draw(seed))[1]?.rows[0]?.row.id);
    expect([...drawn].sort()).toEqual(['q2', 'q3', 'q4']);
  });
  it('a row is explained sentence by sentence', async () => {
    const { parts, stated, grade } = await explainId(input, 'q2', quiet.onTorn);
    expect(grade.class).toBe('incorrect');
    expect(stated).toBe('phrase: The correct answer is B.');
    expect(
      parts.filter(({ text }) => text.trim()).map(({ text, removedBy }) => [text.trim(), removedBy]),
    ).toEqual([
      ['She kneels down.', undefined],
      ['Her hands move.', undefined],
      ['The correct answer is B.', 'The correct answer'],
    ]);
    await expect(explainId(input, 'q9', quiet.onTorn)).rejects.toThrow('no row has the id "q9" (rows: 6');
  });
  it('a page escapes what a model wrote and asks for nothing outside itself', async () => {
    write(
      lines({
        id: '<b>',
        options: OPTIONS,
        reasoning: '<script>alert(1)</script>\nShe kneels.\nThe answer is C.',
        answer: 2,
      }),
    );
    const drawn = await sampleRows(input, { count: 1, seed: 1, ...quiet });
    await writeSamplePage(output, { title: 'Rows', drawn });
    const html = readFileSync(output, 'utf8');
    expect(html).toContain('&lt;script&gt;alert(1)');
    expect(html).toContain('<del title="states an answer">The answer is C.</del>');
    expect(html).not.toMatch(/<script|https?:\/\//);
  });
});

it('a class follows from the two answers', () => {
  expect([classOf(1, 1), classOf(1, 0), classOf(null, 0), classOf(null, null), classOf(1, null)]).toEqual([
    'correct',
    'incorrect',
    'ungradable',
    'ungradable',
    'unknown',
  ]);
});

const real = sharedPath('data/reasoning/star_video_llava_vot_results.jsonl');
describe.skipIf(!real)('617 texts of Video-LLaVA on STAR (skipped without ../shared/data)', () => {
  it('are graded as their labels say, as they are in the file', async () => {
    const stats = await gradeFile({ input: real as string, output });
    const labels = readFileSync(real as string, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const wrong = graded().filter(({ predicted }, i) => {
      const { pred_ans_idx, choices } = labels[i];
      // Without an answer the file holds a placeholder, which is not always an option.
      return predicted !== (pred_ans_idx >= 0 && pred_ans_idx < choices.length ? pred_ans_idx : null);
    });
    expect(wrong).toEqual([]);
    expect(stats).toMatchObject({ rows: 617, correct: 206, incorrect: 394, ungradable: 17 });
  });
});

describe('a caption', () => {
  const row = {
    ...{ id: 'v_1', question: 'q', options: OPTIONS, reasoning: 'The answer is wave. A man can wave.' },
    ...{ predicted: null, answer: 1, correct: null },
  };
  const brief = promptId('brief');

  it.each([
    ['in our words', { prompt: brief }],
    ["of a user's prompt", { prompt: '00000000', writing: 'detailed' }],
  ])('%s is read as no answer, judged by nobody and keeps its true words', async (_, settings) => {
    write(lines({ ...row, settings }, { ...row, id: 'v_2', settings }));
    expect(await gradeFile({ input, output })).toMatchObject({
      ...{ unknown: 2, ungradable: 0, correct: 0, accuracy: null },
      rules: { caption: 2 },
    });
    expect(graded()[0]).toEqual({ id: 'v_1', predicted: null, stated: 'caption', correct: null });
    expect((await reasoningStats(input, quiet)).all).toMatchObject({
      unknown: 2,
      ungradable: 0,
      accuracy: null,
    });
    const kept = (await explainId(input, 'v_1', () => {})).refined;
    expect(kept).toContain('A man can wave.');
    await refineFile({ input, output });
    expect(graded()[0]).toMatchObject({ reasoning: kept, correct: null });
  });
});
