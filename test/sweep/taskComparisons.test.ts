/** Settings of a sweep beside each other by the metrics of other tasks than choice. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.js';
import { compareSweep } from '../../src/sweep/comparisons.js';
import type { TrialState } from '../../src/sweep/folder.js';
import { compareTasks } from '../../src/sweep/taskComparisons.js';
import { makeRunFolder, runPaths } from '../../src/training/run/folder.js';

let scratch: string;
let val: string;
const COUNT = 20;
const lines = (rows: readonly object[]) => rows.map((row) => JSON.stringify(row)).join('\n');
const ids = Array.from({ length: COUNT }, (_, i) => i);

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'task-comparisons-'));
  val = join(scratch, 'val.jsonl');
  const common = { video: 'v', spans: [[0, 4]], duration: 16, type: 'when' };
  const [question, options] = ['when did it move?', ['a', 'b', 'c', 'd', 'e']];
  await writeFile(
    val,
    lines([
      ...ids.map((i) => ({ id: `g${i}`, task: 'ground', question, ...common })),
      ...ids.map((i) => ({ id: `c${i}`, task: 'grounded-choice', question, options, answer: 1, ...common })),
    ]),
  );
});
afterAll(() => rm(scratch, { recursive: true }));

/** A trial whose spans end at `end` (IoU end / 4), and which answers the first `right` choices right. */
async function trial(arm: string, seed: number, end: number, right: number): Promise<TrialState> {
  const folder = join(scratch, `${arm}-${seed}`);
  await makeRunFolder(folder);
  await writeFile(
    runPaths(folder).predictionsOf(1),
    lines([
      ...ids.map((i) => ({ id: `g${i}`, type: 'when', task: 'ground', span: [0, end] })),
      ...ids.map((i) => ({
        ...{ id: `c${i}`, type: 'when', task: 'grounded-choice', span: [0, end] },
        ...{ prediction: i < right ? 1 : 0, answer: 1 },
      })),
    ]),
  );
  const config = { data: { dataset: 'jsonl', val }, train: { seed, epochs: 2 } };
  return {
    trial: { id: folder, arm, settings: { 'train.seed': seed }, folder, config, identity: '' },
    state: 'done',
    result: { score: null, tasks: {} },
  } as unknown as TrialState;
}

it('pairs the metrics of every task over seeds and samples', async () => {
  const states = [
    ...[await trial('cold', 1, 1, 10), await trial('cold', 2, 1, 12)],
    ...[await trial('rewards', 1, 2, 15), await trial('rewards', 2, 3, 12)],
  ];
  const compared = await compareTasks({ folder: scratch }, states);
  expect(compared.map(({ task, metric, name, value }) => [task, metric, name, +value.toFixed(6)])).toEqual([
    ['ground', 'mIoU', 'cold', 0.25],
    ['ground', 'mIoU', 'rewards', 0.625],
    ['grounded-choice', 'Acc@GQA', 'cold', 0.55],
    ['grounded-choice', 'Acc@GQA', 'rewards', 0.675],
    ['grounded-choice', 'Acc@QA', 'cold', 0.55],
    ['grounded-choice', 'Acc@QA', 'rewards', 0.675],
    ['grounded-choice', 'mIoU', 'cold', 0.25],
    ['grounded-choice', 'mIoU', 'rewards', 0.625],
  ]);
  const overlap = compared[1]!.comparison!;
  expect(overlap.perSeed).toEqual([0.25, 0.5]);
  // Every sample gains the same: other samples could have given nothing else.
  expect([overlap.low, overlap.high].map((bound) => +bound.toFixed(6))).toEqual([0.375, 0.375]);
  expect(overlap).toMatchObject({ questions: COUNT, seeds: [1, 2], insideNoise: false });
  const answers = compared[5]!.comparison!;
  expect(answers.difference).toBeCloseTo(0.125);
  expect(answers.low).toBeLessThan(0.125);
  expect(answers.high).toBeGreaterThan(0.125);

  const rows = (await readFile(join(scratch, 'task-comparisons.csv'), 'utf8')).trim().split('\n');
  expect(rows[2]).toBe('ground,mIoU,rewards,62.5000,1 2,37.5000,37.5000,37.5000,25.0000 50.0000,20');
  expect(rows).toHaveLength(9);
});

it('compares with the setting that is asked for, where no setting answers choices alone', async () => {
  const folder = join(scratch, 'against');
  await makeRunFolder(folder);
  const states = [await trial('cold', 1, 1, 10), await trial('rewards', 1, 2, 15)];
  expect(await compareSweep({ folder }, states, 'rewards')).toEqual([]);
  const compared = await compareTasks({ folder }, states, 'rewards');
  expect(compared.slice(0, 2).map(({ name }) => name)).toEqual(['rewards', 'cold']);
  expect(compared[1]!.comparison).toMatchObject({ difference: -0.25 });
  expect(compared[1]!.comparison!.mcnemar).toBeUndefined();
  await expect(compareTasks({ folder }, states, 'none')).rejects.toThrow(UsageError);
});

it('has nothing to say of choices alone', async () => {
  const choices = { ...(await trial('cold', 1, 1, 10)), result: { score: {} } } as unknown as TrialState;
  expect(await compareTasks({ folder: scratch }, [choices])).toEqual([]);
});
