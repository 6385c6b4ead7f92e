/** results.csv and the table of tasks of a sweep: every metric beside its chance level. */
import { expect, it } from 'vitest';
import type { Sweep, TrialState } from '../../src/sweep/folder.js';
import { resultRows, sweepTasks } from '../../src/sweep/results.js';

const total = { correct: 3, count: 4, accuracy: 75 };
const score = { dataset: 'jsonl', types: {}, groups: {}, total };
const state = (arm: string, seed: number, mIoU?: number): TrialState =>
  ({
    trial: { id: `${arm}-${seed}`, arm, settings: { 'train.seed': seed }, identity: 'x' },
    state: 'done',
    result: {
      ...{ bestEpoch: 0, score, last: score, seconds: 1, samplesPerSecond: 1, engine: { name: 'cpu' } },
      ...(mIoU !== undefined && {
        tasks: {
          choice: { count: 4, missing: 0, metrics: { accuracy: 75 }, chance: { accuracy: 50 } },
          ground: { count: 2, missing: 0, metrics: { mIoU }, chance: { mIoU: 10 } },
        },
      }),
    },
  }) as unknown as TrialState;
const sweep = { folder: '.', info: { keys: ['train.seed'], protocol: 'full' } } as unknown as Sweep;
const states = [state('choice only', 1), state('mixed', 1, 30), state('mixed', 2, 20)];

it('names the metrics of tasks in columns, empty where a trial has none', () => {
  const [header, ...rows] = resultRows(sweep, states);
  const cells = (name: string) => rows.map((row) => row[header!.indexOf(name)]);
  expect(cells('ground_mIoU')).toEqual(['', '30', '20']);
  expect(cells('chance_ground_mIoU')).toEqual(['', '10', '10']);
  expect(cells('choice_accuracy')).toEqual(['', '75', '75']);
  expect(cells('accuracy')).toEqual(['75', '75', '75']);
  expect(rows.every((row) => row.length === header!.length)).toBe(true);
});

it('has no such columns for choices alone, and no table', () => {
  const [header] = resultRows(sweep, states.slice(0, 1));
  expect(header!.filter((name) => name.startsWith('chance'))).toEqual([]);
  expect(sweepTasks(states.slice(0, 1))).toBeUndefined();
});

it('has the means of settings side by side', () => {
  expect(sweepTasks(states)).toEqual({
    heads: ['Task', 'Metric', 'Chance', 'choice only', 'mixed'],
    rows: [
      ['choice', 'accuracy', '50.00', '75.00', '75.00'],
      ['ground', 'mIoU', '10.00', '', '25.00'],
    ],
  });
});
