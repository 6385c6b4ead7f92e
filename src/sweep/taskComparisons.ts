/** task-comparisons.csv: every task's metrics of each setting beside those of one of them, paired over seeds and samples. */
import { join } from 'node:path';
import { csv } from '../base/csv.js';
import { writeFileAtomic } from '../base/files.js';
import { groupBy } from '../base/groups.js';
import { readAnnotations } from '../data/annotations.js';
import { readJsonLines } from '../data/jsonLines.js';
import { ProblemLog } from '../data/problems.js';
import type { Sample } from '../data/sample.js';
import { textSource } from '../data/textFile.js';
import { type Scored, scoredAs } from '../evaluation/rules.js';
import { scoreTasks, type TaskPrediction } from '../evaluation/taskScore.js';
import {
  type Comparison,
  compareValues,
  meanAndStandardError,
  type SeededValues,
} from '../report/statistics.js';
import { runPaths } from '../training/run/folder.js';
import { baselineFirst, comparisonCells, comparisonHeader, percent, settingName } from './comparisons.js';
import type { Sweep, TrialState } from './folder.js';

/** Metrics that are means over samples: what one sample adds to them is its value. Those of a whole corpus (CIDEr, BLEU) are not. */
const PAIRED: Readonly<Record<Scored, readonly string[]>> = {
  choice: ['accuracy'],
  open: ['accuracy'],
  dark: ['score'],
  mix: ['score'],
  caption: ['ROUGE-L'],
  ground: ['mIoU'],
  'grounded-choice': ['Acc@GQA', 'Acc@QA', 'mIoU'],
};

/** A metric of one setting after the last epoch, as a fraction. */
export interface ComparedTask {
  task: Scored;
  metric: string;
  /** Of the setting. */
  name: string;
  /** Mean over seeds. */
  value: number;
  seeds: number[];
  /** Undefined for the setting that others are compared with, and for one that shares no seed with it. */
  comparison?: Comparison | undefined;
}

/**
 * Compares the settings of trials that are done and answer other tasks than choice, after the last epoch, and writes
 * task-comparisons.csv where there are two settings.
 *
 * @param against the setting that others are compared with, the first of the plan unless given
 * @returns metric by metric; the setting of `against` first, the others in the order of the plan
 * @throws DataError for predictions or annotations that cannot be read, UsageError where no trial of `against` is done
 */
export async function compareTasks(
  { folder }: Pick<Sweep, 'folder'>,
  states: readonly TrialState[],
  against?: string,
): Promise<ComparedTask[]> {
  const done = states.filter(({ state, result }) => state === 'done' && result?.tasks);
  if (done.length === 0) return [];
  const readSamples = annotationsOnce();
  const settings: [string, TrialValues[]][] = [];
  for (const [name, trials] of baselineFirst([...groupBy(done, ({ trial }) => settingName(trial))], against))
    settings.push([name, await Promise.all(trials.map((state) => valuesOf(state, readSamples)))]);
  const keys = new Set(
    settings.flatMap(([, trials]) => trials.flatMap(({ metrics }) => [...metrics.keys()])),
  );
  const compared = [...keys].flatMap((key) => comparedBy(key, settings));
  await write(folder, compared);
  return compared;
}

interface TrialValues {
  seed: number;
  /** By `task metric`: the value of each sample. */
  metrics: Map<string, Map<string, number>>;
}

type ReadSamples = (dataset: string, file: string) => Promise<readonly Sample[]>;

/** Trials of a sweep mostly read one file. */
function annotationsOnce(): ReadSamples {
  const known = new Map<string, Promise<readonly Sample[]>>();
  return (dataset, file) => {
    const key = JSON.stringify([dataset, file]);
    const samples = known.get(key) ?? readAnnotations({ dataset, file }).then((read) => read.samples);
    known.set(key, samples);
    return samples;
  };
}

async function valuesOf({ trial }: TrialState, readSamples: ReadSamples): Promise<TrialValues> {
  const { data, train } = trial.config;
  const predictions = await readPredicted(runPaths(trial.folder).predictionsOf(train.epochs - 1));
  const metrics: TrialValues['metrics'] = new Map();
  for (const sample of await readSamples(data.dataset, data.val!)) {
    if (!predictions.has(sample.id)) continue;
    const task = scoredAs(sample);
    const { metrics: own } = scoreTasks([sample], predictions)[task]!;
    for (const metric of PAIRED[task]) {
      const key = `${task} ${metric}`;
      const values = metrics.get(key) ?? new Map<string, number>();
      if (own[metric] !== undefined) values.set(sample.id, own[metric] / 100);
      metrics.set(key, values);
    }
  }
  return { seed: train.seed, metrics };
}

async function readPredicted(file: string): Promise<Map<string, TaskPrediction>> {
  const log = new ProblemLog(file);
  const predictions = new Map<string, TaskPrediction>();
  for await (const { line, record } of readJsonLines(await textSource(file), 'prediction', log))
    if (typeof record.id === 'string') predictions.set(record.id, record as TaskPrediction);
    else log.add(line, 'id', 'a text', JSON.stringify(record.id) ?? 'nothing');
  log.throwIfAny();
  return predictions;
}

function comparedBy(key: string, settings: readonly [string, TrialValues[]][]): ComparedTask[] {
  const [task, metric] = key.split(' ') as [Scored, string];
  let first: SeededValues[] | undefined;
  return settings.flatMap(([name, trials]) => {
    const own = trials.flatMap(({ seed, metrics }) => {
      const values = metrics.get(key);
      return values && values.size > 0 ? [{ seed, values }] : [];
    });
    if (own.length === 0) return [];
    const means = own.map(({ values }) => meanAndStandardError([...values.values()]).mean);
    const { mean: value } = meanAndStandardError(means);
    const comparison = first && compareValues(own, first);
    first ??= own;
    return [{ task, metric, name, value, seeds: own.map(({ seed }) => seed), comparison }];
  });
}

async function write(folder: string, compared: readonly ComparedTask[]): Promise<void> {
  if (!compared.some(({ comparison }) => comparison)) return;
  const header = ['task', 'metric', 'setting', 'value', 'seeds', ...comparisonHeader('samples')];
  const rows = compared.map(({ task, metric, name, value, seeds, comparison }) => [
    ...[task, metric, name, percent(value), seeds.join(' ')],
    ...comparisonCells(comparison),
  ]);
  await writeFileAtomic(join(folder, 'task-comparisons.csv'), csv([header, ...rows]));
}
