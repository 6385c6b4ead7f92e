/** The students of the study that ship. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { compareStudents, STUDENTS } from '../../src/demo/students.js';
import { selectEngine } from '../../src/engine/engine.js';

const root = new URL('../../', import.meta.url).pathname;

it('both answer questions about clips of their own far above chance, and are compared question by question', async () => {
  await selectEngine('auto');
  const folder = await mkdtemp(join(tmpdir(), 'demo-students-'));
  const { answers, reasoning, comparison } = await compareStudents(
    join(root, 'bench/shapes/base.yaml'),
    join(folder, 'unseen'),
    16,
  );
  expect(comparison.questions).toBe(64);
  for (const accuracy of [answers, reasoning]) expect(accuracy).toBeGreaterThan(0.45);
  expect(comparison.difference).toBeCloseTo(reasoning - answers, 10);
  await rm(folder, { recursive: true });
});

it('ship in weights/shapes/students', async () => {
  expect((await readdir(join(root, 'weights/shapes/students'))).sort()).toEqual([...STUDENTS].sort());
});
