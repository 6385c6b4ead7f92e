/** The students of the study that ship. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { Interrupted } from '../../src/base/errors.js';
import { compareStudents, STUDENTS } from '../../src/demo/students.js';
import { selectEngine } from '../../src/engine/engine.js';

const root = new URL('../../', import.meta.url).pathname;

it('all answer questions about clips of their own far above chance, and are compared question by question', async () => {
  await selectEngine('auto');
  const folder = await mkdtemp(join(tmpdir(), 'demo-students-'));
  const scores = await compareStudents(
    join(root, 'bench/shapes/base.yaml'),
    join(folder, 'unseen'),
    new AbortController().signal,
    16,
  );
  expect(scores.map(({ student }) => student)).toEqual(STUDENTS);
  const [, reasoning] = scores;
  for (const { student, accuracy, behind } of scores) {
    expect(accuracy, student).toBeGreaterThan(student === 'stl' ? 0.25 : 0.45);
    expect(behind?.questions).toBe(student === 'reasoning' ? undefined : 64);
    if (behind) expect(behind.difference).toBeCloseTo(reasoning!.accuracy - accuracy, 10);
  }
  await rm(folder, { recursive: true });
});

it('stop at the next batch when they are told to, and continue', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'demo-students-'));
  const [recipe, out] = [join(root, 'bench/shapes/base.yaml'), join(folder, 'unseen')];
  const drawing = new AbortController();
  drawing.abort();
  await expect(compareStudents(recipe, out, drawing.signal, 4)).rejects.toThrow(Interrupted);
  // Answers are told on stderr, batch by batch.
  const answering = new AbortController();
  const told = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    if (/students +\d/.test(String(text))) answering.abort();
    return true;
  });
  await expect(compareStudents(recipe, out, answering.signal, 4)).rejects.toThrow(
    `${out}: interrupted; run the same command again to continue`,
  );
  const questions = told.mock.calls.map(([text]) => /students +(\d+)\/16/.exec(String(text))?.[1]);
  told.mockRestore();
  expect(Math.max(...questions.flatMap((text) => Number(text ?? 0)))).toBeLessThan(16);
  await rm(folder, { recursive: true });
});

it('ship in weights/shapes/students', async () => {
  expect((await readdir(join(root, 'weights/shapes/students'))).sort()).toEqual([...STUDENTS].sort());
});
