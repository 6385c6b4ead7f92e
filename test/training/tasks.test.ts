/** One recipe of all five tasks: the base model that ships learns a few steps, is stopped, resumed, evaluated and asked in another mode. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resolveConfig } from '../../src/config/load.js';
import type { Config } from '../../src/config/schema.js';
import { type Sample, TASKS } from '../../src/data/sample.js';
import { makeShapes } from '../../src/shapes/dataset.js';
import { evaluateRun } from '../../src/training/evaluateRun.js';
import { type RunResult, readEvaluations, runPaths } from '../../src/training/run/folder.js';
import { readMetrics } from '../../src/training/run/metrics.js';
import { train } from '../../src/training/train.js';
import { useFastEngine } from '../model/support.js';

const BASE = fileURLToPath(new URL('../../weights/shapes', import.meta.url));

/** One sample of every task about a clip; spans are made up, and the length of half of the videos is stated. */
function samplesOf(video: string, seconds: number | undefined): Omit<Sample, 'dataset' | 'type'>[] {
  const duration = seconds === undefined ? {} : { duration: seconds };
  const options = ['it moved', 'it stopped', 'it grew', 'it shrank', 'it turned'];
  const common = { video: `${video}.webp`, question: 'what did the red object do', options: [] };
  const reasoning = 'the red object moves';
  return [
    { ...common, id: `${video}/c`, options, answer: 1, reasoning },
    { ...common, id: `${video}/o`, task: 'open', answers: ['it moved'] },
    { ...common, id: `${video}/t`, task: 'caption', captions: ['the red object moved', 'it moved'] },
    { ...common, ...duration, id: `${video}/g`, task: 'ground', spans: [[0.1, 0.5]], reasoning },
    {
      ...common,
      ...duration,
      id: `${video}/m`,
      task: 'grounded-choice',
      options,
      answer: 0,
      spans: [[0.2, 0.6]],
    },
  ];
}

let folder: string;
let config: Config;
let result: RunResult;
const run = () => join(folder, 'run');

beforeAll(async () => {
  await useFastEngine();
  folder = await mkdtemp(join(tmpdir(), 'tasks-'));
  const data = join(folder, 'world');
  await makeShapes({ out: data, seed: 'tasks', train: 2, val: 1, test: 0, frames: 8, size: 32 });
  const videosOf = async (split: string) => {
    const [, ...rows] = (await readFile(join(data, `${split}.csv`), 'utf8')).trim().split('\n');
    return [...new Set(rows.map((row) => row.split(',')[0]!))];
  };
  for (const split of ['train', 'val']) {
    const videos = await videosOf(split);
    // A caption sample needs no question or options in the file.
    const lines = videos.flatMap((video, i) => samplesOf(video, i % 2 ? undefined : 0.8)).map(lineOf);
    await writeFile(join(folder, `${split}.jsonl`), `${lines.join('\n')}\n`);
  }
  const settings = {
    'data.dataset': 'jsonl',
    'data.videos': join(data, 'videos'),
    'data.train': join(folder, 'train.jsonl'),
    'data.val': join(folder, 'val.jsonl'),
    'video.frames': 2,
    'video.sampling': 'uniform',
    'video.crop': 'none',
    'model.base': BASE,
    'text.maxAnswer': 12,
    'text.maxReasoning': 12,
    'train.beta': 0.5,
    'train.epochs': 2,
    'train.batch': 5,
    'train.warmupSteps': 0,
    'train.learningRate': 0.001,
    'train.logEverySteps': 1,
    'train.taskWeights.ground': 2,
    'eval.mode': 'reason-then-answer',
    'eval.batch': 4,
  };
  const overrides = Object.entries(settings).map(([key, value]) => `${key}=${value}`);
  ({ config } = await resolveConfig({ overrides }));
  await train({ config, folder: run(), untilEpoch: 1 });
  result = await train({ config, folder: run() });
});

afterAll(async () => rm(folder, { recursive: true, force: true }));

function lineOf({ options, question, ...sample }: Omit<Sample, 'dataset' | 'type'>): string {
  const asked = sample.task === 'caption' ? {} : { question };
  return JSON.stringify({ ...sample, ...asked, ...(options.length > 0 && { options }) });
}

describe('a recipe of all tasks', () => {
  it('has a loss of each task and of the reasoning', () => {
    const lines = readMetrics(run()).filter((line) => 'train/loss' in line);
    const names = new Set(lines.flatMap((line) => Object.keys(line)));
    for (const name of ['qa', 'open', 'caption', 'ground', 'grounded-choice', 'reasoning'])
      expect(names).toContain(`train/loss_${name}`);
    expect(result.steps).toBe(lines.length);
  });

  it('is evaluated task by task after every epoch, in metrics.jsonl and in the result', async () => {
    const lines = readMetrics(run()).filter((line) => 'val/accuracy' in line);
    expect(lines.map(({ epoch }) => epoch)).toEqual([0, 1]);
    for (const line of lines)
      for (const name of [
        'choice_accuracy',
        'open_accuracy',
        'caption_ROUGE-L',
        'ground_mIoU',
        'grounded-choice_Acc@GQA',
        'direct_accuracy',
      ])
        expect(line[`val/${name}`]).toEqual(expect.any(Number));
    expect(Object.keys(result.tasks!)).toEqual([...TASKS]);
    expect(result.score!.total.count).toBe(result.tasks!.choice!.count);
    expect(result.direct!.tasks!.ground!.count).toBe(result.tasks!.ground!.count);
    const evaluations = await readEvaluations(runPaths(run()));
    expect(evaluations.map(({ tasks }) => Object.keys(tasks!))).toEqual([[...TASKS], [...TASKS]]);
  });

  it('keeps what each task said, in the order of the samples', async () => {
    const [val, predictions] = await Promise.all(
      [join(folder, 'val.jsonl'), runPaths(run()).predictions].map(async (file) =>
        (await readFile(file, 'utf8'))
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line)),
      ),
    );
    expect(predictions!.map(({ id }) => id)).toEqual(val!.map(({ id }) => id));
    for (const { task = 'choice', prediction, text, reasoning, direct } of predictions!) {
      expect(prediction !== undefined).toBe(task.includes('choice'));
      expect(text !== undefined).toBe(task !== 'choice');
      expect(reasoning).toEqual(expect.any(String));
      expect(direct).toEqual(expect.any(Object));
    }
  });

  it('answers in another mode what it answers directly', async () => {
    const { eval: evaluation, ...rest } = config;
    const { mode: _, ...direct } = evaluation;
    const out = join(folder, 'out.jsonl');
    const paths = runPaths(run());
    const found = await evaluateRun({
      paths,
      config: { ...rest, eval: direct },
      file: config.data.val!,
      out,
    });
    expect(found.direct).toBeUndefined();
    expect(found.tasks).toEqual(result.direct!.tasks);
    const lines = (await readFile(out, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ id }) => id)).toEqual(found.predictions.map(({ id }) => id));
    expect(lines.every((line) => ['prediction', 'text', 'span'].some((key) => key in line))).toBe(true);
  });
});
