/** Scores of a split with any tasks: one number for the best checkpoint, scalars, and a table. */
import { describe, expect, it } from 'vitest';
import type { ScoreResult } from '../../src/evaluation/score.js';
import { formatScores, meritOf, meritText, scalarsOf } from '../../src/evaluation/splitScore.js';
import { scoreTasks } from '../../src/evaluation/taskScore.js';
import { TASK_FORMS } from '../../src/text/tasks/index.js';

const total = { correct: 3, count: 4, accuracy: 75 };
const score: ScoreResult = { dataset: 'jsonl', types: { all: total }, groups: {}, total };
const common = { dataset: 'jsonl', video: 'v', type: 'all', question: 'q' };
const samples = [
  { ...common, id: 'c', options: ['a', 'b'], answer: 0 },
  { ...common, id: 'o', task: 'open' as const, options: [], answers: ['x'] },
  { ...common, id: 't', task: 'caption' as const, options: [], captions: ['x y z'] },
  { ...common, id: 'g', task: 'ground' as const, options: [], spans: [[0, 4] as const] },
  {
    ...common,
    id: 'm',
    task: 'grounded-choice' as const,
    options: ['a', 'b'],
    answer: 0,
    spans: [[0, 4] as const],
  },
];
const tasks = scoreTasks(
  samples,
  new Map([
    ['c', { prediction: 0 }],
    ['o', { text: 'x' }],
    ['t', { text: 'other words' }],
    ['g', { span: [0, 2] as const }],
    ['m', { prediction: 0, span: [0, 4] as const }],
  ]),
);

describe('every task', () => {
  it.each(Object.entries(TASK_FORMS))('%s reports its main metric', (task, { mainMetric }) => {
    expect(tasks[task as keyof typeof tasks]!.metrics).toHaveProperty([mainMetric]);
  });
});

describe('what chooses a checkpoint', () => {
  it('is the accuracy of choices where there are any', () => {
    expect(meritOf({ score, tasks })).toBe(75);
    expect(meritText({ score })).toBe('accuracy 75.00 %');
  });

  it("is the mean of the tasks' main metrics otherwise", () => {
    const { ground, open } = tasks;
    expect(meritOf({ score: null, tasks: { ground: ground!, open: open! } })).toBeCloseTo((50 + 100) / 2, 9);
    expect(meritText({ score: null, tasks: { ground: ground! } })).toBe('ground mIoU 50.00');
  });
});

describe('scalars', () => {
  it('of choices alone are the accuracy and nothing else', () => {
    expect(scalarsOf({ score })).toEqual({ 'val/accuracy': 75 });
  });

  it('name each metric of each task, and the direct answers beside', () => {
    const found = scalarsOf({ score, tasks, direct: { score, tasks } });
    expect(found).toMatchObject({
      'val/accuracy': 75,
      'val/choice_accuracy': 100,
      'val/ground_mIoU': 50,
      'val/direct_accuracy': 75,
      'val/direct_ground_mIoU': 50,
    });
  });
});

describe('the table', () => {
  it('has a line a task, with what is missing', () => {
    const missing = { ground: { count: 3, missing: 2, metrics: { mIoU: 12.5 } } };
    expect(formatScores({ score: null, tasks: missing })).toBe('ground  mIoU 12.50  of 3 (2 missing)');
  });

  it('has chance levels in brackets, and says what they are', () => {
    const beside = {
      ground: { count: 3, missing: 0, metrics: { mIoU: 12.5, mIoP: 3 }, chance: { mIoU: 9 } },
    };
    expect(formatScores({ score: null, tasks: beside }).split('\n')).toEqual([
      'ground  mIoU 12.50 (9.00)  mIoP 3.00  of 3',
      'in brackets: chance, what guesses reach without a look at the video',
    ]);
  });

  it('has direct and reasoned values side by side', () => {
    const better = { ...score, total: { ...total, accuracy: 100 } };
    const lines = formatScores({ score: better, direct: { score } }).split('\n');
    expect(lines.slice(-2)).toEqual(['          direct  reasoned', 'accuracy   75.00    100.00']);
  });
});
