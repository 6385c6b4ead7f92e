/** Scores of samples of every task. */
import { describe, expect, it } from 'vitest';
import type { Sample } from '../../src/data/sample.js';
import { scoreTasks, type TaskPrediction } from '../../src/evaluation/taskScore.js';

const sample = (id: string, more: Partial<Sample>): Sample => ({
  id,
  dataset: 'jsonl',
  video: 'v',
  question: 'q',
  options: [],
  type: 'all',
  ...more,
});
const options = ['a', 'b'];

const SAMPLES: Sample[] = [
  sample('c1', { options, answer: 0 }),
  sample('c2', { task: 'choice', options, answer: 1 }),
  sample('c3', { options, answer: 1 }),
  sample('o1', { task: 'open', answers: ['a red ball'] }),
  sample('o2', { task: 'open', answers: ['two', '2'] }),
  sample('o3', { task: 'open', answers: ['running'] }),
  sample('t1', { task: 'caption', captions: ['a dog runs over the road'] }),
  sample('t2', { task: 'caption', captions: ['the cat sleeps'] }),
  sample('g1', { task: 'ground', spans: [[2, 6]] }),
  sample('g2', { task: 'ground', spans: [[2, 6]] }),
  sample('m1', { task: 'grounded-choice', options, answer: 0, spans: [[2, 6]] }),
  sample('m2', { task: 'grounded-choice', options, answer: 0, spans: [[2, 6]] }),
];
const GIVEN: [string, TaskPrediction][] = [
  ['c1', { prediction: 0 }],
  ['c2', { prediction: 0 }],
  ['o1', { text: 'Red ball.' }],
  ['o2', { text: '2' }],
  ['o3', { text: '' }],
  ['t1', { text: 'A dog runs over the road!' }],
  ['g1', { span: [2, 6] }],
  ['m1', { prediction: 0, span: [3, 3] }],
  ['m2', { prediction: 0 }],
  ['beyond', { prediction: 0 }],
];
const scores = scoreTasks(SAMPLES, new Map(GIVEN));

describe('the scores of tasks', () => {
  it('are those of the tasks that are there, in order', () => {
    expect(Object.keys(scores)).toEqual(['choice', 'open', 'caption', 'ground', 'grounded-choice']);
    expect(Object.keys(scoreTasks(SAMPLES.slice(0, 2), new Map()))).toEqual(['choice']);
    expect(scoreTasks([], new Map())).toEqual({});
  });

  it('count what is missing as wrong, and tell it apart', () => {
    const told = Object.entries(scores).map(([task, { count, missing }]) => [task, count, missing]);
    expect(told).toEqual([
      ['choice', 3, 1],
      ['open', 3, 0],
      ['caption', 2, 1],
      ['ground', 2, 1],
      ['grounded-choice', 2, 1],
    ]);
  });

  it('are in percent, by the metrics of each task', () => {
    expect(scores.choice!.metrics.accuracy).toBeCloseTo(100 / 3, 12);
    expect(scores.open!.metrics.accuracy).toBeCloseTo(200 / 3, 12);
    expect(scores.open!.metrics.exact).toBeCloseTo(100 / 3, 12);
    expect(scores.ground!.metrics).toMatchObject({ mIoU: 50, 'R1@0.7': 50, 'IoP@0.5': 50 });
    expect(scores['grounded-choice']!.metrics).toMatchObject({
      'Acc@GQA': 50,
      'Acc@QA': 100,
      mIoU: 0,
      mIoP: 50,
    });
    // Unigrams: 6 of 6 match; 6 words stand against 9 of the references.
    expect(scores.caption!.metrics['BLEU-1']).toBeCloseTo(100 * Math.exp(1 - 9 / 6), 4);
  });

  it('have no accuracy of grounded choices where no answer is given', () => {
    const { metrics } = scoreTasks(SAMPLES.slice(-2), new Map([['m1', { span: [2, 6] }]]))[
      'grounded-choice'
    ]!;
    expect(metrics).not.toHaveProperty('Acc@GQA');
    expect(metrics.mIoU).toBe(50);
  });

  it.each(['answer', 'answers', 'captions', 'spans'] as const)(
    'are refused where a sample has no %s',
    (key) => {
      const blind = SAMPLES.filter((one) => one[key] !== undefined).map(
        ({ [key]: _, ...rest }) => rest as Sample,
      );
      expect(() => scoreTasks(blind, new Map([[blind[0]!.id, { span: [2, 6] }]]))).toThrow(
        `sample ${blind[0]!.id} has no`,
      );
    },
  );
});
