import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeProblem } from '../../../src/data/problems.js';
import { readAnnotations } from '../../../src/data/readers/index.js';

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

  test.each<[string, object, string]>([
    [
      'a misspelt key',
      { ...OTHER, anwser: 1 },
      'anwser: expected one of id, dataset, video, start, end, question, options, answer, type, reasoning, reasoningCorrect, got an unknown key',
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
    ['answer null', { ...OTHER, answer: null }, 'answer: expected an integer from 0, got null'],
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
