import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { formatDuration } from '../base/progress.js';
import { readSplit, type Split } from '../batches/split.js';
import type { Config } from '../config/schema.js';
import { readAnnotations } from '../data/annotations.js';
import type { Sample } from '../data/sample.js';
import type { EngineInfo } from '../engine/engine.js';
import { type Prediction, writeReasoning } from '../evaluation/evaluate.js';
import { refine } from '../reasoning/refine.js';
import type { RefineStats } from '../reasoning/refineFile.js';
import type { ReasoningRow } from '../reasoning/row.js';
import type { AccuracyCell, AccuracyTable, DifferenceCell, Example, Plot } from '../report/data.js';
import { writeReport } from '../report/html.js';
import { meanAndStandardError, proportionStandardError } from '../report/statistics.js';
import type { ShapesSummary } from '../shapes/dataset.js';
import { type RunPaths, type RunResult, readEvaluations } from '../training/run/folder.js';
import { readMetrics } from '../training/run/metrics.js';
import { openTrained } from '../training/trained.js';
import { openBuilder } from '../training/trial.js';
import { readFrames } from '../video/frames.js';

export interface DemoRun {
  beta: number;
  seed: number;
  config: Config;
  paths: RunPaths;
  result: RunResult;
}

interface DemoFacts {
  runs: DemoRun[];
  engine: EngineInfo;
  summary: ShapesSummary;
  refinement: RefineStats;
  /** File of the teacher's own texts. */
  generated: string;
  seconds: number;
}

/** Tokens of reasoning that a student writes for the report. */
const REASONING_TOKENS = 80;

/** Writes the demo's report from the run folders. */
export async function writeDemoReport(path: string, facts: DemoFacts): Promise<void> {
  const { runs, engine, summary, refinement, seconds } = facts;
  const betas = [...new Set(runs.map(({ beta }) => beta))];
  const [first, second] = betas.map((beta) => runs.filter((run) => run.beta === beta)) as [
    DemoRun[],
    DemoRun[],
  ];
  const accuracy = accuracyTable(betas, first, second);
  const gain = accuracy.gain!.cells.at(-1)!;
  const seeds = first.length;
  await writeReport(path, {
    title: 'ReasVQA on the shapes world',
    summary: `A student that also learns to reproduce the teacher's refined reasoning (beta ${betas[1]}) answers ${signed(gain.difference)} points of validation questions compared with one trained on answers alone (standard error ${percent(gain.standardError ?? Number.NaN)}, ${seeds === 1 ? 'over questions, one seed' : `over ${seeds} seeds`}). The teacher itself was right in ${percent(refinement.teacherAccuracy ?? Number.NaN)} % of its answers.`,
    setup: [
      { label: 'Engine', value: engine.description },
      { label: 'Machine', value: `${cpus().length} x ${cpus()[0]?.model.trim() ?? 'unknown'}` },
      { label: 'Time', value: `${formatDuration(seconds * 1000)}, data and teacher included` },
      { label: 'Training questions', value: `${summary.questions.train} about ${summary.clips.train} clips` },
      { label: 'Validation questions', value: `${summary.questions.val} about ${summary.clips.val} clips` },
      { label: 'Learned parameters', value: first[0]!.result.trainableParameters.toLocaleString('en') },
      { label: 'Epochs, batch', value: `${first[0]!.config.train.epochs}, ${first[0]!.config.train.batch}` },
      { label: 'Seeds', value: first.map(({ seed }) => seed).join(', ') },
    ],
    accuracy,
    plots: await plots(runs),
    examples: [
      ...(await validationExamples(first[0]!, second[0]!)),
      ...(await teacherExamples(second[0]!, facts)),
    ],
    notes: [
      'Accuracy is on the validation split at the best epoch; the test split was not looked at.',
      'The world, its teacher and the base model ship with the program: this page shows that the method runs, not what it gains on real video.',
    ],
  });
}

const percent = (fraction: number) => (100 * fraction).toFixed(1);
const signed = (fraction: number) => `${fraction >= 0 ? '+' : ''}${percent(fraction)}`;

/** Accuracy per group and in total: mean over seeds, with the error over seeds, or over questions for one seed. */
function accuracyTable(betas: number[], first: DemoRun[], second: DemoRun[]): AccuracyTable {
  const score = first[0]!.result.score!;
  const groups = [...Object.keys(score.groups), 'Total'];
  const value = ({ result }: DemoRun, group: string) =>
    group === 'Total' ? result.score!.total : result.score!.groups[group]!;
  const fraction = (run: DemoRun, group: string) => value(run, group).correct / value(run, group).count;
  const cell = (runs: DemoRun[], group: string): AccuracyCell => {
    const { mean, standardError } = meanAndStandardError(runs.map((run) => fraction(run, group)));
    const n = value(runs[0]!, group).count;
    return {
      accuracy: mean,
      n,
      standardError: runs.length > 1 ? standardError : proportionStandardError(mean, n),
    };
  };
  const difference = (group: string): DifferenceCell => {
    const gains = second.map((run, i) => fraction(run, group) - fraction(first[i]!, group));
    const { mean, standardError } = meanAndStandardError(gains);
    if (gains.length > 1) return { difference: mean, standardError };
    const { accuracy: a, n } = cell(first, group);
    const { accuracy: b } = cell(second, group);
    // Both students answer the same questions; without their pairing this is an upper bound for independent errors.
    return { difference: mean, standardError: Math.sqrt((a * (1 - a) + b * (1 - b)) / n) };
  };
  return {
    caption: 'Accuracy on the validation split',
    groups,
    rows: [first, second].map((runs, i) => ({
      name: `beta ${betas[i]}`,
      cells: groups.map((group) => cell(runs, group)),
    })),
    gain: { name: 'gain', cells: groups.map(difference) },
  };
}

async function plots(runs: DemoRun[]): Promise<Plot[]> {
  const name = ({ beta, seed }: DemoRun) => `beta ${beta}, seed ${seed}`;
  const losses = (key: string) =>
    runs.flatMap((run) => {
      const points = readMetrics(run.paths.folder).flatMap((line): [number, number][] =>
        typeof line[key] === 'number' ? [[line.step, line[key] as number]] : [],
      );
      return points.length > 0 ? [{ name: name(run), points }] : [];
    });
  const accuracy = await Promise.all(
    runs.map(async (run) => ({
      name: name(run),
      points: (await readEvaluations(run.paths)).map(({ epoch, score }): [number, number] => [
        epoch + 1,
        score.total.correct / score.total.count,
      ]),
    })),
  );
  return [
    { title: 'Validation accuracy', xLabel: 'epoch', yLabel: 'accuracy', percent: true, series: accuracy },
    { title: 'Answer loss', xLabel: 'step', yLabel: 'cross-entropy', series: losses('train/loss_qa') },
    {
      title: 'Reasoning loss',
      xLabel: 'step',
      yLabel: 'cross-entropy',
      series: losses('train/loss_reasoning'),
    },
  ].filter((plot) => plot.series.length > 0);
}

/** Answers by sample id. */
async function predictionsOf({ paths }: DemoRun): Promise<Map<string, Prediction>> {
  const lines = (await readFile(paths.predictions, 'utf8')).trim().split('\n');
  return new Map(lines.map((line) => JSON.parse(line) as Prediction).map((p) => [p.id, p]));
}

/** Three questions the reasoning helped with, two it hurt, three others: the first of each in the file. */
async function validationExamples(before: DemoRun, after: DemoRun): Promise<Example[]> {
  const dataset = await readSplit(after.config, after.config.data.val!, false);
  const [a, b] = [await predictionsOf(before), await predictionsOf(after)];
  const right = (predictions: Map<string, Prediction>, { id, answer }: Sample) =>
    predictions.get(id)?.prediction === answer;
  const pick = (count: number, wanted: (sample: Sample) => boolean) =>
    dataset.samples.filter(wanted).slice(0, count);
  const samples = [
    ...pick(3, (s) => !right(a, s) && right(b, s)),
    ...pick(2, (s) => right(a, s) && !right(b, s)),
    ...pick(3, (s) => right(a, s) === right(b, s)),
  ];
  const written = await reasoningOf(after, dataset, samples);
  return Promise.all(
    samples.map(async (sample, i) => ({
      ...(await card(sample, dataset)),
      answers: [before, after].map(({ beta }, k) => ({
        name: `beta ${beta}`,
        predicted: (k === 0 ? a : b).get(sample.id)?.prediction ?? null,
      })),
      generated: [{ name: `student, beta ${after.beta}`, text: written[i]! }],
    })),
  );
}

/** What the trained student writes about the samples itself. */
async function reasoningOf(run: DemoRun, split: Split, samples: Sample[]): Promise<string[]> {
  const { trial } = await openTrained(run.paths, run.config);
  try {
    const options = { runFolder: run.paths.folder, onWarning: () => {}, training: false };
    const builder = openBuilder(trial, run.config, split, options);
    return await writeReasoning({ ...trial, builder }, samples, REASONING_TOKENS);
  } finally {
    trial.dispose();
  }
}

/** One right and one wrong text of the teacher, with what refinement removed. */
async function teacherExamples({ config }: DemoRun, { generated }: DemoFacts): Promise<Example[]> {
  const rows = (await readFile(generated, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as ReasoningRow);
  const chosen = [rows.find((row) => row.correct === true), rows.find((row) => row.correct === false)];
  const { samples } = await readAnnotations({ dataset: config.data.dataset, file: config.data.train! });
  const dataset = await readSplit(config, config.data.train!, false);
  return Promise.all(
    chosen
      .filter((row) => row !== undefined)
      .map(async (row) => {
        const sample = samples.find(({ id }) => id === row.id)!;
        const { options, answer = null } = sample;
        const { predicted, correct } = row;
        const { parts } = refine(row.reasoning, { options, answer, correct, predicted });
        return {
          ...(await card(sample, dataset)),
          answers: [],
          teacher: { name: `teacher (${correct ? 'correct' : 'incorrect'} reasoning)`, predicted, parts },
        };
      }),
  );
}

async function card(sample: Sample, { paths }: Split): Promise<Omit<Example, 'answers'>> {
  const { id, type, question, options, answer = null } = sample;
  const frames = await readFrames({ path: paths.get(sample.video)!, id, count: 4, mode: 'uniform' });
  return { id, type, question, options, answer, frames };
}
