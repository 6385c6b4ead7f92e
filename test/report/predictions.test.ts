import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DataError } from '../../src/base/errors.js';
import { readPredictions, softmax } from '../../src/report/predictions.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'predictions-'));
});
afterAll(() => rm(folder, { recursive: true }));

const good = { id: 'a', type: 'CW', prediction: 1, answer: 0, scores: [0, 1, 2] };

async function read(...lines: unknown[]) {
  const file = join(folder, 'predictions.jsonl');
  await writeFile(
    file,
    lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join(''),
  );
  return readPredictions(file);
}

it('reads answers with their probabilities, of blind and of written ones too', async () => {
  const predictions = await read(good, {
    id: 'b',
    type: 'CH',
    prediction: 2,
    text: 'Option C',
    answer: null,
  });
  expect([...predictions]).toEqual([
    ['a', { type: 'CW', prediction: 1, answer: 0, probabilities: softmax([0, 1, 2]) }],
    ['b', { type: 'CH', prediction: 2 }],
  ]);
});

it.each([
  ['is no JSON', '{"id":"a","type":', 'json'],
  ['is a list', '[]', 'json'],
  ['has no id', { ...good, id: undefined }, 'id'],
  ['has an id twice', good, 'id'],
  ['has no type', { ...good, id: 'b', type: 3 }, 'type'],
  ['has no prediction', { ...good, id: 'b', prediction: null }, 'prediction'],
  ['has a prediction below 0', { ...good, id: 'b', prediction: -1 }, 'prediction'],
  ['has a prediction beyond its scores', { ...good, id: 'b', prediction: 3 }, 'prediction'],
  ['has an answer that is no option', { ...good, id: 'b', answer: 0.5 }, 'answer'],
  ['has a score that was not finite', { ...good, id: 'b', scores: [0, null, 1] }, 'scores'],
  ['has no list of scores', { ...good, id: 'b', scores: 'high' }, 'scores'],
])('names the second line when it %s', async (_, line, field) => {
  const error = await read(good, line).catch((thrown) => thrown);
  expect(error).toBeInstanceOf(DataError);
  expect(error.message).toContain(`predictions.jsonl:2: ${field}: `);
});

it('names a file that is missing or empty', async () => {
  await expect(readPredictions(join(folder, 'none.jsonl'))).rejects.toThrow('no such file');
  await expect(read()).rejects.toThrow('predictions.jsonl:1');
});

it('turns logits of any size into probabilities that add to 1', () => {
  expect(softmax([0, Math.log(3)])).toEqual([expect.closeTo(0.25, 12), expect.closeTo(0.75, 12)]);
  for (const logits of [[1000, 1001], [-1000, -1001, 5], [7]])
    expect(softmax(logits).reduce((a, b) => a + b)).toBeCloseTo(1, 12);
});
