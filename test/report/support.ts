/** Run folders as training leaves them, with invented answers: a report over them takes no training. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Rng } from '../../src/base/random.js';
import { dumpConfig, resolveConfig } from '../../src/config/load.js';
import type { Config } from '../../src/config/schema.js';
import { readAnnotations } from '../../src/data/annotations.js';
import { optionLetter, type Sample } from '../../src/data/sample.js';
import { type ScoreResult, scoreAnswers } from '../../src/evaluation/score.js';
import { refineFile } from '../../src/reasoning/refineFile.js';
import { makeShapes } from '../../src/shapes/dataset.js';
import { type PlannedTrial, planSweep } from '../../src/sweep/folder.js';
import { type Arm, resolveSweep } from '../../src/sweep/spec.js';
import { identity, makeRunFolder } from '../../src/training/run/folder.js';
import { MetricsLog } from '../../src/training/run/metrics.js';

/** A small shapes world with a teacher's texts. */
export interface ReportWorld {
  data: string;
  val: Sample[];
}

export async function makeReportWorld(folder: string): Promise<ReportWorld> {
  const data = join(folder, 'data');
  await makeShapes({ out: data, seed: 'report', train: 3, val: 4, test: 0, frames: 8, size: 32 });
  const { samples } = await readAnnotations({ dataset: 'shapes', file: join(data, 'train.csv') });
  const lines = samples.map((sample, i) => JSON.stringify(teacherRow(sample, i % 3 === 0)));
  await writeFile(join(data, 'generated.jsonl'), `${lines.join('\n')}\n`);
  await refineFile({ input: join(data, 'generated.jsonl'), output: join(data, 'refined.jsonl') });
  const { samples: val } = await readAnnotations({ dataset: 'shapes', file: join(data, 'val.csv') });
  return { data, val };
}

export function teacherRow({ id, question, options, answer }: Sample, errs: boolean) {
  const predicted = errs ? (answer! + 1) % options.length : answer!;
  const reasoning = `- A star moves in frame 2.\n- It stops in frame 3.\n\n###Answer: ${optionLetter(predicted)}`;
  return {
    ...{ id, question, options, reasoning, predicted, answer: answer! },
    correct: predicted === answer,
  };
}

export interface RunSettings {
  beta?: number;
  seed?: number;
  /** Share of right answers, drawn with beta and seed. */
  accuracy?: number;
  /** `result.json` is there. */
  done?: boolean;
  /** Epochs that were evaluated. */
  evaluated?: number;
  overrides?: readonly string[];
  /** Instead of one made from the above. */
  config?: Config;
}

/** Recipe keys of a run in the world, but for beta and seed. */
const recipeOf = ({ data }: ReportWorld): string[] => [
  ...['data.dataset=shapes', `data.videos=${join(data, 'videos')}`, `data.train=${join(data, 'train.csv')}`],
  ...[`data.val=${join(data, 'val.csv')}`, `data.reasoning=${join(data, 'refined.jsonl')}`],
  ...['data.addPunctuation=false', 'model.base=weights/shapes', 'train.batch=4'],
];

export async function runConfig(world: ReportWorld, settings: RunSettings = {}): Promise<Config> {
  const { beta = 0.8, seed = 1, overrides = [] } = settings;
  const given = [...recipeOf(world), `train.beta=${beta}`, `train.seed=${seed}`, ...overrides];
  return (await resolveConfig({ overrides: given })).config;
}

/** Writes a run folder. */
export async function writeRun(
  world: ReportWorld,
  folder: string,
  settings: RunSettings = {},
): Promise<Config> {
  const { done = true, evaluated = 2 } = settings;
  const config = settings.config ?? (await runConfig(world, settings));
  const paths = await makeRunFolder(folder);
  await writeFile(paths.config, dumpConfig(config));
  const engine = { name: 'native-cpu', threads: 2 };
  await writeFile(
    paths.run,
    JSON.stringify({ node: 'v20', cpu: 'Test CPU', commit: 'abc', engine, sha256: {} }),
  );
  await writeMetrics(folder, evaluated);
  const evaluations = [];
  for (let epoch = 0; epoch < evaluated; epoch++) {
    const { lines, score } = answers(world.val, settings, epoch);
    await writeFile(paths.predictionsOf(epoch), lines);
    evaluations.push({ epoch, step: 3 * (epoch + 1), score, skipped: 0 });
  }
  if (evaluated > 0) await writeFile(paths.evaluations, JSON.stringify(evaluations));
  await mkdir(join(paths.checkpoints, 'step-00000006'), { recursive: true });
  if (!done) return config;
  const last = evaluations.at(-1);
  if (last) await writeFile(paths.predictions, await readFile(paths.predictionsOf(last.epoch)));
  const result = {
    ...{
      bestEpoch: Math.max(0, evaluated - 1),
      bestStep: 6,
      score: last?.score ?? null,
      last: last?.score ?? null,
    },
    ...{ epochs: 2, steps: 6, seconds: 36, samplesPerSecond: 12.5, peakMemoryBytes: 2 ** 28 },
    ...{
      trainableParameters: 1234,
      beta: settings.beta ?? 0.8,
      seed: settings.seed ?? 1,
      engine,
      sha256: {},
    },
    config: identity(config),
  };
  await writeFile(paths.result, JSON.stringify(result));
  return config;
}

/** Plans a sweep of two betas and two seeds and gives its trials. */
export async function planTrials(world: ReportWorld, folder: string, arms?: Arm[]): Promise<PlannedTrial[]> {
  const overrides = [...recipeOf(world), 'train.beta=0,0.8'];
  const spec = await resolveSweep({ overrides, seeds: [1, 2], arms });
  return (await planSweep(folder, spec)).trials;
}

/** Two lines an epoch, 3 steps and 4 seconds apart, and one for each evaluation, a minute later. */
async function writeMetrics(folder: string, epochs: number): Promise<void> {
  let clock = 1_000;
  const log = new MetricsLog(folder, () => clock);
  for (let epoch = 0; epoch < epochs; epoch++) {
    clock += 4;
    const rate = { epoch: epoch + 1, learning_rate: 1e-4 * (epoch + 1) };
    log.scalar(3 * (epoch + 1), {
      ...rate,
      'train/loss': 2 - epoch,
      'train/loss_qa': 1,
      'train/loss_reasoning': 1,
    });
    clock += 60;
    log.scalar(3 * (epoch + 1), { epoch, 'val/accuracy': 50 });
  }
  log.close();
}

function answers(
  samples: readonly Sample[],
  { beta = 0.8, seed = 1, accuracy = 0.5 }: RunSettings,
  epoch: number,
): { lines: string; score: ScoreResult } {
  const rng = new Rng(`${beta}/${seed}/${epoch}`);
  const predictions = samples.map(({ id, type, options, answer }) => {
    const prediction =
      rng.float() < accuracy ? answer! : (answer! + 1 + rng.int(options.length - 1)) % options.length;
    const scores = options.map((_, i) => (i === prediction ? 3 : rng.float()));
    return { id, type, answer: answer!, prediction, scores };
  });
  return {
    lines: predictions.map((prediction) => `${JSON.stringify(prediction)}\n`).join(''),
    score: scoreAnswers('shapes', samples, new Map(predictions.map((p) => [p.id, p.prediction]))),
  };
}
