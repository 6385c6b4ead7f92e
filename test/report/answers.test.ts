import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataError } from '../../src/base/errors.js';
import { accuracyOf, answersWhere, readAnswers } from '../../src/report/answers.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'answers-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function written(...lines: string[]): Promise<string> {
  const file = join(folder, 'predictions.jsonl');
  await writeFile(file, lines.map((line) => `${line}\n`).join(''));
  return file;
}

const line = (id: string, prediction: unknown, answer?: unknown, type: unknown = 'CW') =>
  JSON.stringify({ id, type, prediction, answer, scores: [0.5, -1, 2] });

describe('readAnswers', () => {
  it('tells right from wrong, with the type', async () => {
    const answers = await readAnswers(await written(line('a', 0, 0), line('b', 2, 1, 'TN'), line('c', 1, 1)));
    expect([...answers]).toEqual([
      ['a', { right: true, type: 'CW' }],
      ['b', { right: false, type: 'TN' }],
      ['c', { right: true, type: 'CW' }],
    ]);
    expect(accuracyOf(answers)).toBeCloseTo(2 / 3, 12);
    expect(accuracyOf(answersWhere(answers, (_, { type }) => type === 'TN'))).toBe(0);
    expect(accuracyOf(answersWhere(answers, () => false))).toBeNaN();
  });

  it.each([
    ['a line that was cut', line('b', 2, 1).slice(0, 20), ':2: json: expected one JSON object'],
    ['an id twice', line('a', 0, 0), ':2: id: expected an id used once, got "a" again'],
    ['no id', line('', 0, 0), ':2: id: expected a text'],
    ['a prediction that is no option', line('b', -1, 0), ':2: prediction: expected an option'],
    ['a prediction that is text', line('b', 'B', 0), ':2: prediction: expected an option'],
    ['an answer that is no option', line('b', 0, 0.5), ':2: answer: expected an option'],
    ['no type', line('b', 0, 0, null), ':2: type: expected a text'],
  ])('names file and line of %s', async (_, bad, message) => {
    const file = await written(line('a', 0, 0), bad);
    await expect(readAnswers(file)).rejects.toThrow(DataError);
    await expect(readAnswers(file)).rejects.toThrow(`${file}${message}`);
  });

  it('refuses a file that is missing, empty or blind', async () => {
    await expect(readAnswers(join(folder, 'none.jsonl'))).rejects.toThrow('no such file');
    await expect(readAnswers(await written())).rejects.toThrow('expected at least one prediction');
    await expect(readAnswers(await written(line('a', 0)))).rejects.toThrow('1 of 1 questions have no right');
  });
});
