import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { compareSweep, settingName } from '../../src/sweep/comparisons.js';
import type { TrialState } from '../../src/sweep/folder.js';
import { makeRunFolder, runPaths } from '../../src/training/run/folder.js';

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'comparisons-'));
});
afterAll(() => rm(scratch, { recursive: true }));

const QUESTIONS = 40;

/** A trial of two epochs that answers the first `best` questions right at its best epoch, and `last` of them at the end. */
async function trial(arm: string, seed: number, best: number, last: number): Promise<TrialState> {
  const folder = join(scratch, `${arm}-${seed}-${best}-${last}`);
  await makeRunFolder(folder);
  const answers = (right: number) =>
    Array.from({ length: QUESTIONS }, (_, i) =>
      JSON.stringify({ id: `q${i}`, type: 'CW', prediction: i < right ? 2 : 1, answer: 2 }),
    ).join('\n');
  await writeFile(runPaths(folder).predictions, answers(best));
  await writeFile(runPaths(folder).predictionsOf(1), answers(last));
  const config = { train: { seed, epochs: 2 } };
  const settings = { 'train.beta': arm === 'answers' ? 0 : 0.5, 'train.seed': seed };
  return {
    trial: { id: folder, arm, settings, folder, config, identity: '' },
    state: 'done',
    result: { score: {} },
  } as unknown as TrialState;
}

it('pairs every setting with the first one, at the last epoch and at the best', async () => {
  const states = [
    await trial('answers', 1, 20, 16),
    await trial('answers', 2, 20, 20),
    await trial('refined', 1, 24, 24),
    await trial('refined', 2, 28, 20),
    { ...(await trial('refined', 3, 40, 40)), state: 'stopped' as const },
  ];
  const compared = await compareSweep({ folder: scratch }, states);
  expect(
    compared.map(({ name, epoch, accuracy, seeds }) => [name, epoch, +accuracy.toFixed(6), seeds]),
  ).toEqual([
    ['answers, beta 0', 'last', 0.45, [1, 2]],
    ['refined, beta 0.5', 'last', 0.55, [1, 2]],
    ['answers, beta 0', 'best', 0.5, [1, 2]],
    ['refined, beta 0.5', 'best', 0.65, [1, 2]],
  ]);
  const [, last, first, best] = compared.map(({ comparison }) => comparison);
  expect(first).toBeUndefined();
  expect(last!.difference).toBeCloseTo(0.1);
  expect(last!.perSeed).toEqual([0.2, 0]);
  expect(best!.perSeed[1]).toBeCloseTo(0.2);
  expect(best!.low).toBeGreaterThan(0);

  const lines = (await readFile(join(scratch, 'comparisons.csv'), 'utf8')).trim().split('\n');
  expect(lines).toHaveLength(5);
  expect(lines[2]).toMatch(/^"refined, beta 0.5",last,55.0000,5.0000,1 2,10.0000,/);
});

it('pairs every setting with the one that is asked for', async () => {
  const folder = join(scratch, 'against');
  await makeRunFolder(folder);
  const states = [await trial('answers', 1, 20, 16), await trial('refined', 1, 24, 24)];
  const compared = await compareSweep({ folder }, states, 'refined, beta 0.5');
  expect(compared.map(({ name }) => name)).toEqual([
    'refined, beta 0.5',
    'answers, beta 0',
    'refined, beta 0.5',
    'answers, beta 0',
  ]);
  expect(compared.map(({ comparison }) => comparison?.difference)).toEqual([
    undefined,
    -0.2,
    undefined,
    -0.1,
  ]);
  await expect(compareSweep({ folder }, states, 'refined')).rejects.toThrow(
    '--against "refined": expected a setting with trials that are done, "answers, beta 0", "refined, beta 0.5"',
  );
});

it('writes what every trial that is done answered after its last epoch, question by question', async () => {
  const folder = join(scratch, 'answers');
  await makeRunFolder(folder);
  const states = [
    await trial('answers', 1, 20, 1),
    await trial('refined', 1, 24, 2),
    { ...(await trial('refined', 2, 40, 40)), state: 'stopped' as const },
  ];
  await compareSweep({ folder }, states);
  const [header, ...rows] = (await readFile(join(folder, 'answers.csv'), 'utf8')).trim().split('\n');
  expect(header).toBe(`question,type,${states[0]!.trial.id},${states[1]!.trial.id}`);
  expect(rows.slice(0, 3)).toEqual(['q0,CW,1,1', 'q1,CW,0,1', 'q2,CW,0,0']);
  expect(rows).toHaveLength(QUESTIONS);
});

it('compares nothing where one setting is done, or none', async () => {
  const folder = join(scratch, 'alone');
  await makeRunFolder(folder);
  for (const states of [[], [await trial('answers', 1, 8, 8)]]) {
    await compareSweep({ folder }, states);
    await expect(readFile(join(folder, 'comparisons.csv'))).rejects.toThrow('ENOENT');
  }
});

it('names a setting by arm and axes, without the seed', () => {
  const settings = { 'train.beta': 0.2, 'model.train': ['lora'], 'train.seed': 4 };
  expect(settingName({ arm: undefined, settings })).toBe('beta 0.2, train ["lora"]');
  expect(settingName({ arm: 'stl', settings: { 'train.seed': 4 } })).toBe('stl');
});
