/** The table of tasks of a report: means over seeds, and direct answers beside those behind reasoning. */
import { describe, expect, it } from 'vitest';
import type { ScoreResult } from '../../src/evaluation/score.js';
import type { ModeScore } from '../../src/evaluation/splitScore.js';
import type { Run } from '../../src/report/runs.js';
import type { Setting } from '../../src/report/settings.js';
import { taskTable } from '../../src/report/tasks.js';

const scoreOf = (accuracy: number): ScoreResult => {
  const total = { correct: accuracy, count: 100, accuracy };
  return { dataset: 'jsonl', types: {}, groups: {}, total };
};
const ground = (mIoU: number) => ({ ground: { count: 4, missing: 0, metrics: { mIoU, 'R1@0.5': 25 } } });

function setting(name: string, scores: ModeScore[]): Setting {
  return { name, values: {}, runs: scores as Run[] };
}

describe('the table of tasks', () => {
  it('is none where every run answers choices directly', () => {
    expect(taskTable([setting('a', [{ score: scoreOf(50) }])])).toBeUndefined();
  });

  it('has the mean over seeds of each metric, and nothing where a setting lacks a task', () => {
    const a = setting('a', [
      { score: null, tasks: ground(20) },
      { score: null, tasks: ground(30) },
    ]);
    const b = setting('b', [{ score: scoreOf(75) }]);
    expect(taskTable([a, b])).toEqual({
      heads: ['Task', 'Metric', 'a', 'b'],
      rows: [
        ['ground', 'mIoU', '25.00', ''],
        ['ground', 'R1@0.5', '25.00', ''],
        ['choice', 'accuracy', '', '75.00'],
      ],
    });
  });

  it('has chance levels in a column of their own, where any is known', () => {
    const scored = {
      ground: { count: 4, missing: 0, metrics: { mIoU: 20, mIoP: 30 }, chance: { mIoU: 12.5 } },
    };
    expect(taskTable([setting('a', [{ score: null, tasks: scored }])])).toEqual({
      heads: ['Task', 'Metric', 'Chance', 'a'],
      rows: [
        ['ground', 'mIoU', '12.50', '20.00'],
        ['ground', 'mIoP', '', '30.00'],
      ],
    });
  });

  it('has direct and reasoned answers side by side', () => {
    const run = { score: scoreOf(40), direct: { score: scoreOf(70) } };
    expect(taskTable([setting('a', [run])])).toEqual({
      heads: ['Task', 'Metric', 'a, direct', 'a, behind reasoning'],
      rows: [['choice', 'accuracy', '70.00', '40.00']],
    });
  });
});
