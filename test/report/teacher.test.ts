import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type RefineFileOptions, refineFile } from '../../src/reasoning/refineFile.js';
import { readRefined, teacherTexts } from '../../src/report/teacher.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'teacher-'));
});
afterEach(() => rm(folder, { recursive: true }));

const OPTIONS = ['a car', 'a dog'];
const row = (id: string, predicted: number, text = 'A dog barks at the gate.') => ({
  ...{ id, question: 'what is it', options: OPTIONS, answer: 1, predicted, correct: predicted === 1 },
  reasoning: `${text}\n\n###Answer: ${'AB'[predicted]}`,
});

const at = (name: string) => join(folder, name);
const write = (name: string, rows: readonly unknown[]) =>
  writeFile(at(name), rows.map((line) => `${JSON.stringify(line)}\n`).join(''));

/** What a report shows after the rows were refined in some way. */
async function shown(rows: readonly unknown[], options: Partial<RefineFileOptions> = {}, raw?: string) {
  await write('raw.jsonl', rows);
  await refineFile({ input: at('raw.jsonl'), output: at('refined.jsonl'), ...options });
  return teacherTexts(await readRefined(at('refined.jsonl')), new Set(['q1', 'q2', 'other']), raw);
}

it('finds the own texts beside the refined ones, and says what was removed', async () => {
  await write('captions.jsonl', [{ id: 'q1', text: 'no reasoning' }]);
  const { texts, notice } = await shown([row('q1', 1), row('q2', 0)]);
  expect(notice).toBeUndefined();
  expect([...texts.keys()]).toEqual(['q1', 'q2']);
  const { parts, predicted, correct } = texts.get('q1')!;
  expect({ predicted, correct }).toEqual({ predicted: 1, correct: true });
  expect(parts.map(({ text }) => text).join('')).toBe(row('q1', 1).reasoning);
  expect(parts.filter(({ removedBy }) => removedBy).map(({ text }) => text)).toEqual(['###Answer: B']);
  // Incorrect reasoning loses the words of the truth.
  expect(
    texts
      .get('q2')!
      .parts.filter(({ removedBy }) => removedBy)
      .map(({ text }) => text),
  ).toContain('A dog ');
});

it.each<[string, Partial<RefineFileOptions>, boolean]>([
  ['with the words of the truth kept', { groundTruth: 'keep' }, false],
  ['word by word', { groundTruth: 'words' }, true],
])('tells how it was refined: %s', async (_, options, removed) => {
  const { texts } = await shown([row('q2', 0)], options);
  const gone = texts
    .get('q2')!
    .parts.filter(({ removedBy }) => removedBy)
    .map(({ text }) => text.trim());
  expect(gone.some((text) => /dog/i.test(text))).toBe(removed);
});

it('shows original reasoning whole, as it was trained on', async () => {
  const { texts } = await shown([row('q1', 1)], { policy: 'original' });
  expect(texts.get('q1')).toMatchObject({
    parts: [{ text: row('q1', 1).reasoning }],
    note: 'trained on as it was written',
  });
});

it('takes a recipe’s own file for the texts when it trains on what the teacher wrote', async () => {
  await write('raw.jsonl', [row('q1', 1)]);
  const { texts } = await teacherTexts(await readRefined(at('raw.jsonl')), new Set(['q1']));
  expect(texts.get('q1')).toMatchObject({ predicted: 1, note: 'trained on as it was written' });
});

it('goes on with the refined texts where the own ones are gone, and says so', async () => {
  await shown([row('q1', 1)]);
  await rm(at('raw.jsonl'));
  const { texts, notice } = await teacherTexts(await readRefined(at('refined.jsonl')), new Set(['q1']));
  expect(notice).toMatch(/refined\.jsonl: the teacher's own texts were not found beside it.*--raw/);
  expect(texts.get('q1')).toEqual({
    correct: true,
    parts: [{ text: 'A dog barks at the gate.' }],
    note: 'the refined text alone',
  });
});

it('does not strike through what another refinement removed', async () => {
  await shown([row('q1', 1)]);
  await write('refined.jsonl', [{ id: 'q1', reasoning: 'A dog', correct: true }]);
  const { texts } = await teacherTexts(
    await readRefined(at('refined.jsonl')),
    new Set(['q1']),
    at('raw.jsonl'),
  );
  expect(texts.get('q1')).toMatchObject({
    parts: [{ text: 'A dog' }],
    note: expect.stringContaining('other settings'),
  });
});

it('shows a text of which nothing was left, and one that is still being written', async () => {
  await shown([row('q1', 1), { ...row('q2', 1), reasoning: '###Answer: B' }]);
  await writeFile(
    at('raw.jsonl'),
    `${JSON.stringify(row('q1', 1))}\n${JSON.stringify({ ...row('q2', 1), reasoning: '###Answer: B' })}\n{"id":"q3","rea`,
  );
  const { texts } = await teacherTexts(await readRefined(at('refined.jsonl')), new Set(['q1', 'q2']));
  expect(texts.get('q2')!.parts).toEqual([{ text: '###Answer: B', removedBy: expect.any(String) }]);
});

it('names a file that was given and cannot be read', async () => {
  await expect(shown([row('q1', 1)], {}, at('none.jsonl'))).rejects.toThrow('none.jsonl: no such file');
});
