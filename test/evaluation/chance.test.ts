/** Chance levels of every task, on samples whose levels are known by hand. */
import { expect, it } from 'vitest';
import type { Sample, Span } from '../../src/data/sample.js';
import { withChance } from '../../src/evaluation/chance.js';
import { scoreTasks } from '../../src/evaluation/taskScore.js';

const sample = (id: string, more: Partial<Sample>): Sample => ({
  ...{ id, dataset: 'jsonl', video: id, question: 'q', options: [], type: 'all' },
  ...more,
});
const chanceOf = (samples: Sample[], learned: Sample[] = []) =>
  Object.fromEntries(
    Object.entries(withChance(scoreTasks(samples, new Map()), samples, learned)).map(([name, { chance }]) => [
      name,
      chance,
    ]),
  );

it.each([2, 3, 4, 5, 6])('of a choice of %i options is one in as many', (count) => {
  const options = Array.from({ length: count }, (_, i) => `option ${i}`);
  const samples = Array.from({ length: 7 }, (_, i) => sample(`c${i}`, { options, answer: 0 }));
  expect(chanceOf(samples).choice!.accuracy).toBeCloseTo(100 / count, 9);
});

it('of an open question is the most frequent training answer to its type', () => {
  const open = (id: string, type: string, answer: string) =>
    sample(id, { task: 'open', type, answers: [answer, 'nothing'] });
  const learned = [
    open('1', 'who', 'the cat'),
    open('2', 'who', 'the dog'),
    open('3', 'who', 'the dog'),
    open('4', 'where', 'left'),
    open('5', 'where', 'left'),
    open('6', 'where', 'left'),
  ];
  const samples = [
    open('a', 'who', 'the dog'),
    open('b', 'who', 'the cat'),
    open('c', 'where', 'left'),
    // A type that was not trained on gets the most frequent answer of all.
    open('d', 'when', 'left'),
  ];
  expect(chanceOf(samples, learned).open).toEqual({ accuracy: 75, exact: 75 });
  expect(chanceOf(samples).open).toBeUndefined();
});

it('of a caption is that of another video', () => {
  const caption = (id: string, video: string, text: string) =>
    sample(id, { task: 'caption', video, captions: [text] });
  const samples = [
    caption('a', 'u', 'one two'),
    caption('b', 'u', 'one two'),
    caption('c', 'v', 'three two'),
  ];
  const { 'BLEU-1': bleu, 'BLEU-2': pairs } = chanceOf(samples).caption!;
  expect(bleu).toBeCloseTo(50, 4);
  expect(pairs).toBeLessThan(1);
  expect(chanceOf(samples.slice(0, 2)).caption).toBeUndefined();
});

it('of a span is one of training, the same part of the video where lengths are known', () => {
  const ground = (id: string, span: Span, duration?: number) =>
    sample(id, { task: 'ground', spans: [span], ...(duration !== undefined && { duration }) });
  expect(chanceOf([ground('a', [4, 8], 16)], [ground('1', [1, 2], 4)]).ground!.mIoU).toBeCloseTo(100, 9);
  expect(chanceOf([ground('a', [4, 8])], [ground('1', [1, 2], 4)]).ground!.mIoU).toBe(0);
  // One of two equally often: half of the questions are found, within what 60 draws for each leave open.
  const samples = Array.from({ length: 100 }, (_, i) => ground(`a${i}`, [0, 2]));
  const { mIoU } = chanceOf(samples, [ground('1', [0, 2]), ground('2', [5, 7])]).ground!;
  expect(Math.abs(mIoU! - 50)).toBeLessThan(3);
  expect(chanceOf(samples).ground).toBeUndefined();
});

it('of a grounded choice is a guess at both', () => {
  const options = ['a', 'b', 'c', 'd'];
  const grounded = (id: string, span: Span) =>
    sample(id, { task: 'grounded-choice', options, answer: 2, spans: [span] });
  const samples = Array.from({ length: 8 }, (_, i) => grounded(`m${i}`, [0, 2]));
  const chance = chanceOf(samples, [grounded('1', [0, 2])])['grounded-choice']!;
  expect(chance['Acc@QA']).toBeCloseTo(25, 9);
  expect(chance['Acc@GQA']).toBeCloseTo(25, 9);
  expect(chanceOf(samples, [grounded('1', [7, 8])])['grounded-choice']!['Acc@GQA']).toBe(0);
});

it('is the same each time, and leaves the scores alone', () => {
  const ground = (id: string, span: Span) => sample(id, { task: 'ground', spans: [span] });
  const samples = [ground('a', [0, 2]), ground('b', [3, 4])];
  const scores = scoreTasks(samples, new Map([['a', { span: [0, 2] as const }]]));
  const [first, second] = [0, 1].map(() =>
    withChance(scores, samples, [ground('1', [0, 3]), ground('2', [2, 3])]),
  );
  expect(first).toEqual(second);
  expect(first!.ground).toMatchObject(scores.ground!);
  expect(scores.ground).not.toHaveProperty('chance');
});
