/** Open answers about dark and mixed films of the built-in world: scored by their own rule, under their own name. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Sample } from '../../src/data/sample.js';
import { withChance } from '../../src/evaluation/chance.js';
import { scoreFile, scoreJson } from '../../src/evaluation/scoreFile.js';
import { meritOf } from '../../src/evaluation/splitScore.js';
import { scoreTasks } from '../../src/evaluation/taskScore.js';
import { simulateClip } from '../../src/shapes/simulate.js';
import { darkRows } from '../../src/shapes/tasks/dark.js';
import { mixRows } from '../../src/shapes/tasks/mix.js';
import { openRows } from '../../src/shapes/tasks/open.js';

const clips = Array.from({ length: 40 }, (_, i) => ({
  video: `clip-${i}`,
  clip: simulateClip(`rules-test/${i}`),
}));
const split = { clips, seed: 'rules-test', questionsPerClip: 1 };
const dark = darkRows(split).rows.map(({ sample }) => sample);
const mixed = mixRows(split);
const mix = mixed.rows.map(({ sample }) => sample);
const open = openRows(split).map(({ sample }) => sample);
const all: Sample[] = [...open, ...dark, ...mix];

const answering = (text: (sample: Sample) => string) =>
  new Map(all.map((sample) => [sample.id, { text: text(sample) }]));
/** In other words than the reference: bare facts. */
const perfect = answering(({ type, answers }) => (type === 'dark' ? answers!.at(-1)! : answers![0]!));
/** Of each film's second clip, all that happens in it. */
const partner = new Map(mixed.videos.map(({ video, of }) => [video, of[1]]));
const openOf = new Map(open.map(({ video, answers = [] }) => [video, answers[0]!]));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rules '));
});
afterAll(() => rm(folder, { recursive: true }));

it('a perfect answerer has full score, and open questions are scored apart', () => {
  const scores = scoreTasks(all, perfect);
  expect(Object.keys(scores)).toEqual(['open', 'dark', 'mix']);
  expect(scores.dark).toEqual({ count: dark.length, missing: 0, metrics: { score: 100, full: 100 } });
  expect(scores.mix).toEqual({ count: mix.length, missing: 0, metrics: { score: 100 } });
  expect(scores.open!.count).toBe(open.length);
});

it('one that watches the other clip has none of a mixed film', () => {
  const other = answering(({ video }) => openOf.get(partner.get(video) ?? '') ?? '');
  expect(scoreTasks(all, other).mix!.metrics.score).toBe(0);
});

it('half of the events is half of the score, and in words of its own', () => {
  const two = dark.find(({ answers }) => answers![0]!.split('. ').length > 1)!;
  const part = `${two.answers![0]!.split('. ')[0]}.`;
  expect(scoreTasks([two], new Map([[two.id, { text: part }]])).dark!.metrics).toEqual({
    score: 50,
    full: 0,
  });
});

it('films of other videos are open questions: their truth is one wording', () => {
  const film = { ...dark[0]!, dataset: 'dark' };
  expect(Object.keys(scoreTasks([film], perfect))).toEqual(['open']);
});

it('a prediction that is missing is told apart, and counts as 0', () => {
  const { dark: scored } = scoreTasks(dark, new Map([...perfect].slice(open.length + 1)));
  expect(scored).toMatchObject({ missing: 1, metrics: { score: 100 * (1 - 1 / dark.length) } });
});

it('the best checkpoint is chosen by the score, and guesses have a chance level', () => {
  const scores = scoreTasks([...dark, ...mix], perfect);
  expect(meritOf({ score: null, tasks: scores })).toBe(100);
  const { dark: beside } = withChance(scores, [...dark, ...mix], [...dark, ...mix]);
  expect(beside!.chance!.score).toBeLessThan(50);
});

it('score reads them from files', async () => {
  const paths = { annotations: join(folder, 'val.jsonl'), predictions: join(folder, 'predictions.jsonl') };
  const lines = (rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  await writeFile(paths.annotations, lines(all.map((sample) => ({ ...sample, options: undefined }))));
  await writeFile(paths.predictions, lines([...perfect].map(([id, { text }]) => ({ id, text }))));
  const result = await scoreFile({ dataset: 'jsonl', ...paths });
  expect('tasks' in result && scoreJson(result).tasks).toMatchObject({
    dark: { score: 100, full: 100 },
    mix: { score: 100 },
    open: { count: open.length },
  });
});
