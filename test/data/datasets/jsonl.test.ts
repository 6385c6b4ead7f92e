/** Users' own JSON lines. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readAnnotations } from '../../../src/data/annotations.js';
import { describeProblem } from '../../../src/data/problems.js';

const FULL = {
  id: 'q1',
  dataset: 'mine',
  video: 'kitchen/a.mp4',
  start: 1,
  end: 2.5,
  question: 'What is cut?',
  options: ['bread', 'paper', 'rope'],
  answer: 2,
  type: 'what',
  reasoning: 'A rope lies on the table.',
  reasoningCorrect: true,
};
const { answer: _answer, ...BLIND } = FULL;
const OTHER = { ...FULL, id: 'q2' };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa-jsonl-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function read(text: string) {
  const file = join(folder, 'mine.jsonl');
  await writeFile(file, text);
  const { samples, problems } = await readAnnotations({ dataset: 'jsonl', file, onProblem: () => undefined });
  return { samples, problems: problems.map((problem) => describeProblem(problem).replace(`${file}:`, '')) };
}

describe('JSON lines', () => {
  test('a line is a sample; blank lines, CRLF and a byte order mark do not matter', async () => {
    const text = `\ufeff${JSON.stringify(FULL)}\r\n\r\n\n${JSON.stringify(OTHER)}`;
    expect(await read(text)).toEqual({ samples: [FULL, OTHER], problems: [] });
  });

  test('what may be left out', async () => {
    const { id, video, question, options } = FULL;
    const { samples } = await read(JSON.stringify({ id, video, question, options }));
    expect(samples).toEqual([{ id, video, question, options, dataset: 'jsonl', type: 'all' }]);
  });

  test('null is not given', async () => {
    const { id, video, question, options } = FULL;
    const plain = { id, video, question, options, dataset: 'jsonl', type: 'all' };
    const absent = ['dataset', 'start', 'end', 'answer', 'type', 'reasoning', 'reasoningCorrect', 'note'];
    const nulls = Object.fromEntries(absent.map((key) => [key, null]));
    const lines = ['q1', 'q2'].map((name) => JSON.stringify({ ...FULL, ...nulls, id: name }));
    expect(await read(lines.join('\n'))).toEqual({ samples: [plain, { ...plain, id: 'q2' }], problems: [] });
    for (const key of ['start', 'end', 'type', 'reasoning', 'reasoningCorrect'] as const) {
      const { [key]: _, ...others } = FULL;
      const { samples, problems } = await read(JSON.stringify({ ...FULL, [key]: null }));
      expect(problems).toEqual([]);
      expect(samples).toEqual([key === 'type' ? { ...others, type: 'all' } : others]);
    }
  });

  test.each(['id', 'video', 'question', 'options'])('a required key that is null: %s', async (key) => {
    const { samples, problems } = await read(JSON.stringify({ ...FULL, [key]: null }));
    expect(samples).toEqual([]);
    expect(problems).toEqual([expect.stringMatching(`^1: ${key}: expected .*, got null$`)]);
  });

  test.each<[string, string, string]>([
    [
      'a JSON list',
      JSON.stringify([FULL, OTHER], null, 2),
      '1: json: expected one JSON object a line, got a JSON list; write its elements one a line, without brackets and commas',
    ],
    [
      'objects over several lines',
      [FULL, OTHER].map((value) => JSON.stringify(value, null, 2)).join('\n'),
      /^1: json: expected one JSON object a line, got no object on any of \d+ lines; write each object on one line$/
        .source,
    ],
    [
      'a csv',
      'video,question,a0\n1,why,x\n2,how,y\n',
      '1: json: expected one JSON object a line, got "video,question,a0", and no object on any of 3 lines; is it a file of another dataset?',
    ],
  ])('%s: one line', async (_, text, expected) => {
    const { samples, problems } = await read(text);
    expect(samples).toEqual([]);
    expect(problems).toHaveLength(1);
    expect(problems[0] === expected || new RegExp(expected).test(problems[0] as string)).toBe(true);
  });

  test('an option that is null is named', async () => {
    const { problems } = await read(JSON.stringify({ ...FULL, options: ['bread', null, 'rope'] }));
    expect(problems).toEqual(['1: options: expected 2 to 26 texts, none empty, got ["bread",null,"rope"]']);
  });

  test('lines that end in CR alone', async () => {
    const text = `${JSON.stringify(FULL)}\r${JSON.stringify(OTHER)}\r`;
    expect(await read(text)).toEqual({ samples: [FULL, OTHER], problems: [] });
  });

  test.each<[string, object, string]>([
    [
      'a misspelt key',
      { ...OTHER, anwser: 1 },
      'anwser: expected one of id, dataset, video, start, end, task, question, options, answer, answers, captions, spans, duration, type, reasoning, reasoningCorrect, got an unknown key',
    ],
    ['a key of every object', { ...OTHER, toString: 1 }, 'toString: expected one of id,'],
    ['no id', { ...OTHER, id: undefined }, 'id: expected a text, got nothing'],
    ['id a number', { ...OTHER, id: 7 }, 'id: expected a text, got 7'],
    ['duplicate id', FULL, 'id: expected an id used once, got "q1" again (first on line 1)'],
    ['one option', { ...OTHER, options: ['a'] }, 'options: expected 2 to 26 texts, none empty, got ["a"]'],
    [
      '27 options',
      { ...OTHER, options: Array(27).fill('a') },
      'options: expected 2 to 26 texts, none empty, got ["a",',
    ],
    [
      'empty option',
      { ...OTHER, options: ['a', ' '] },
      'options: expected 2 to 26 texts, none empty, got ["a"," "]',
    ],
    ['answer past the options', { ...OTHER, answer: 3 }, 'answer: expected an integer from 0 to 2, got 3'],
    ['answer a letter', { ...OTHER, answer: 'C' }, 'answer: expected an integer from 0, got "C"'],
    [
      'answer null in some only',
      { ...OTHER, answer: null },
      'answer: expected an answer, as other lines have',
    ],
    [
      'answer in some only',
      { ...BLIND, id: 'q2' },
      'answer: expected an answer, as other lines have, got nothing',
    ],
    ['end before start', { ...OTHER, end: 1 }, 'end: expected a time after start (1 s), got 1'],
    [
      'end 0 without start',
      { ...OTHER, start: undefined, end: 0 },
      'end: expected a time after start (0 s), got 0',
    ],
    ['negative start', { ...OTHER, start: -1 }, 'start: expected a time in seconds, 0 or later, got -1'],
    [
      'reasoningCorrect a text',
      { ...OTHER, reasoningCorrect: 'yes' },
      'reasoningCorrect: expected true or false, got "yes"',
    ],
    ['a list', [], 'json: expected one JSON object, got []'],
  ])('%s', async (_, value, expected) => {
    const { samples, problems } = await read(`${JSON.stringify(FULL)}\n${JSON.stringify(value)}\n`);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(`2: ${expected}`);
    expect(samples).toEqual([FULL]);
  });

  test('times that are not finite, lines that are not JSON, an empty file', async () => {
    const infinite = JSON.stringify(FULL).replace('2.5', '1e999');
    expect((await read(infinite)).problems).toEqual([
      '1: end: expected a time in seconds, 0 or later, got Infinity',
    ]);
    expect((await read(`${JSON.stringify(FULL)}\n{"id": "q2"`)).problems[0]).toMatch(
      /^2: json: expected one JSON object/,
    );
    expect((await read('\n')).problems).toEqual(['1: rows: expected at least one sample, got an empty file']);
  });
});

describe('tasks', () => {
  const base = { id: 'a', video: 'v' };
  test.each([
    ['open', { task: 'open', question: 'What?', answers: ['a ball'] }],
    ['caption', { task: 'caption', captions: ['a man walks'] }],
    ['ground', { task: 'ground', question: 'When?', spans: [[1, 2.5]], duration: 9 }],
    [
      'grounded-choice',
      { task: 'grounded-choice', question: 'Who?', options: ['x', 'y'], answer: 1, spans: [[0, 1]] },
    ],
  ])('a sample of task %s is read', async (_, keys) => {
    const { samples, problems } = await read(`${JSON.stringify({ ...base, ...keys })}\n`);
    expect(problems).toEqual([]);
    expect(samples[0]).toMatchObject({ ...base, ...keys });
  });

  test.each([
    ['an unknown task', { task: 'dance', question: 'q' }, 'task'],
    ['open with options', { task: 'open', question: 'q', options: ['x', 'y'], answers: ['z'] }, 'options'],
    ['choice with spans', { question: 'q', options: ['x', 'y'], answer: 0, spans: [[0, 1]] }, 'spans'],
    ['a reversed span', { task: 'ground', question: 'q', spans: [[2, 1]] }, 'spans'],
    ['a span without length', { task: 'ground', question: 'q', spans: [[2, 2]] }, 'spans'],
    ['a negative span', { task: 'ground', question: 'q', spans: [[-1, 2]] }, 'spans'],
    ['a span in words', { task: 'ground', question: 'q', spans: [['0:01', '0:02']] }, 'spans'],
    ['a span behind the end', { task: 'ground', question: 'q', spans: [[1, 9]], duration: 8 }, 'spans'],
    ['an empty answer', { task: 'open', question: 'q', answers: [''] }, 'answers'],
    ['no caption', { task: 'caption', captions: [] }, 'captions'],
    ['no question', { task: 'ground', spans: [[0, 1]] }, 'question'],
  ])('%s is refused by its key', async (_, keys, key) => {
    const { samples, problems } = await read(`${JSON.stringify({ ...base, ...keys })}\n`);
    expect(samples).toEqual([]);
    expect(problems[0]).toContain(`1: ${key}: expected`);
  });
});
