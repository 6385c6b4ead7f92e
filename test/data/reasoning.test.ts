/** Joining reasoning onto samples, and final punctuation. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { prepareText } from '../../src/data/prepare.js';
import { joinReasoning } from '../../src/data/reasoning.js';
import type { Sample } from '../../src/data/sample.js';

const sample = (id: string): Sample => ({
  id,
  dataset: 'nextqa',
  video: 'v',
  question: 'why did he laugh',
  options: ['joke', 'sneeze'],
  answer: 0,
  type: 'CW',
});
const SAMPLES = ['a', 'b', 'c', 'd'].map(sample);

let folder: string;
let file: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa-reasoning-'));
  file = join(folder, 'refined.jsonl');
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('joinReasoning', () => {
  test('joins by id, keeps the order and the given samples, counts', async () => {
    const lines = [
      { id: 'c', reasoning: 'Steps of c.', correct: false, model: 'teacher' },
      { id: 'a', reasoning: 'Steps of a.', correct: true },
      { id: 'b', reasoning: 'Steps of b.', correct: null },
      { id: 'd', reasoning: ' \n', correct: true },
    ];
    await writeFile(file, lines.map((line) => JSON.stringify(line)).join('\n'));
    const before = structuredClone(SAMPLES);
    const joined = await joinReasoning(SAMPLES, file);
    expect(SAMPLES).toEqual(before);
    expect(joined).toEqual({
      samples: [
        { ...sample('a'), reasoning: 'Steps of a.', reasoningCorrect: true },
        { ...sample('b'), reasoning: 'Steps of b.' },
        { ...sample('c'), reasoning: 'Steps of c.', reasoningCorrect: false },
        sample('d'),
      ],
      joined: 3,
      without: 1,
      empty: 1,
    });
  });

  test('reasoning that is null is empty', async () => {
    const lines = ['a', 'b', 'c'].map((id) => ({
      id,
      reasoning: id === 'b' ? 'Steps.' : null,
      correct: null,
    }));
    await writeFile(file, lines.map((line) => JSON.stringify(line)).join('\n'));
    const joined = await joinReasoning(SAMPLES, file);
    expect(joined).toMatchObject({ joined: 1, without: 3, empty: 2 });
    expect(joined.samples.map((row) => row.reasoning)).toEqual([undefined, 'Steps.', undefined, undefined]);
  });

  test('a JSON list, or a Git LFS pointer, is one problem', async () => {
    const value = [{ id: 'a', reasoning: 'x', correct: true }];
    await writeFile(file, JSON.stringify(value, null, 2));
    const problems: string[] = [];
    await joinReasoning(SAMPLES, file, (problem) => problems.push(problem.got));
    expect(problems).toEqual(['a JSON list; write its elements one a line, without brackets and commas']);
    await writeFile(file, 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n');
    await expect(joinReasoning(SAMPLES, file)).rejects.toThrow(/Git LFS pointer .*git lfs pull/);
  });

  test.each<[string, string, string]>([
    [
      'unknown id',
      '{"id":"z","reasoning":"x","correct":true}',
      'id: expected the id of a sample in the annotations, got "z"',
    ],
    [
      'id twice',
      '{"id":"a","reasoning":"x","correct":true}',
      'id: expected an id used once, got "a" again (first on line 1)',
    ],
    ['no reasoning', '{"id":"b","correct":true}', 'reasoning: expected a text, got nothing'],
    ['no correct', '{"id":"b","reasoning":"x"}', 'correct: expected true, false or null, got nothing'],
    [
      'correct a text',
      '{"id":"b","reasoning":"x","correct":"yes"}',
      'correct: expected true, false or null, got "yes"',
    ],
    ['not JSON', '{"id":"b","reasoning":"x', 'json: expected one JSON object, got '],
  ])('%s', async (_, line, expected) => {
    await writeFile(file, `{"id":"a","reasoning":"x","correct":true}\n${line}\n`);
    await expect(joinReasoning(SAMPLES, file)).rejects.toThrow(`${file}:2: ${expected}`);
  });

  test.each(['', '\n\n'])('an empty file: %j', async (text) => {
    await writeFile(file, text);
    await expect(joinReasoning(SAMPLES, file)).rejects.toThrow(
      `${file}:1: rows: expected at least one line of reasoning, got an empty file`,
    );
  });

  test('an id that was empty the first time counts as used', async () => {
    const line = (reasoning: string) => JSON.stringify({ id: 'a', reasoning, correct: true });
    await writeFile(file, `${line('')}\n${line('x')}\n`);
    await expect(joinReasoning(SAMPLES, file)).rejects.toThrow('got "a" again (first on line 1)');
  });
});

describe('prepareText', () => {
  test('NExT-QA text gets its marks once; the sample is not changed', () => {
    const raw = { ...sample('a'), options: ['joke', 'he sneezed ', 'two.'] };
    const copy = structuredClone(raw);
    const once = prepareText(raw);
    expect(once).toEqual({
      ...raw,
      question: 'why did he laugh?',
      options: ['joke.', 'he sneezed.', 'two.'],
    });
    expect(raw).toEqual(copy);
    expect(prepareText(once)).toEqual(once);
  });

  test('rows that already end in a question mark, plain or full-width, stay', () => {
    for (const question of ['why?', 'why？'])
      expect(prepareText({ ...sample('a'), question }).question).toBe(question);
  });
});
