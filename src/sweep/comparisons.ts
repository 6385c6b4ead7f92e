/**
 * comparisons.csv: the accuracy of every setting of a sweep beside that of one of them, paired over seeds and questions; and
 * answers.csv, from which anyone can pair them otherwise.
 */
import { join } from 'node:path';
import { csv } from '../base/csv.js';
import { UsageError } from '../base/errors.js';
import { writeFileAtomic } from '../base/files.js';
import { groupBy } from '../base/groups.js';
import { type Answers, accuracyOf, readAnswers } from '../report/answers.js';
import { type Comparison, compare, meanAndStandardError, type SeededAnswers } from '../report/statistics.js';
import { runPaths } from '../training/run/folder.js';
import type { PlannedTrial, Sweep, TrialState } from './folder.js';

/** When in training a student answered: at the end, or where its accuracy on the validation split was highest. */
const EPOCHS = ['last', 'best'] as const;
type Epoch = (typeof EPOCHS)[number];

/** One setting at one of the two epochs. Accuracies are fractions. */
export interface ComparedSetting {
  name: string;
  epoch: Epoch;
  accuracy: number;
  /** Over seeds; NaN for one. */
  standardError: number;
  seeds: number[];
  /** Undefined for the setting that others are compared with, and for one that shares no seed with it. */
  comparison?: Comparison | undefined;
}

/**
 * Compares the settings of trials that are done and ran to their end, and writes comparisons.csv where there are two, and answers.csv.
 *
 * @param against the setting that others are compared with, the first of the plan unless given. It comes first in the result, the
 *   others in the order of the plan
 * @throws DataError for predictions that cannot be read, UsageError where no trial of `against` is done
 */
export async function compareSweep(
  { folder }: Pick<Sweep, 'folder'>,
  states: readonly TrialState[],
  against?: string,
): Promise<ComparedSetting[]> {
  const finished = states.filter(({ state }) => state === 'done');
  const done = finished.filter(({ result }) => result?.score);
  const trials = await Promise.all(done.map(answeredBy));
  // Other tasks than choice are compared by taskComparisons.ts.
  const compared = finished.length > 0 && done.length === 0 ? [] : compareSettings(trials, against);
  await writeComparisons(folder, compared);
  await writeAnswers(folder, trials);
  return compared;
}

/** What the student of a trial answered at each of the two epochs. */
interface AnsweredTrial extends Record<Epoch, Answers> {
  id: string;
  /** Of its setting. */
  name: string;
  seed: number;
}

async function answeredBy({ trial }: TrialState): Promise<AnsweredTrial> {
  const { seed, epochs } = trial.config.train;
  const paths = runPaths(trial.folder);
  const [last, best] = await Promise.all([
    readAnswers(paths.predictionsOf(epochs - 1)),
    readAnswers(paths.predictions),
  ]);
  return { id: trial.id, name: settingName(trial), seed, last, best };
}

function compareSettings(trials: readonly AnsweredTrial[], against: string | undefined): ComparedSetting[] {
  const settings = baselineFirst([...groupBy(trials, ({ name }) => name)], against);
  const compared: ComparedSetting[] = [];
  for (const epoch of EPOCHS) {
    let first: SeededAnswers[] | undefined;
    for (const [name, trials] of settings) {
      const answers = trials.map(({ seed, [epoch]: own }) => ({ seed, answers: own }));
      const accuracies = answers.map((run) => accuracyOf(run.answers));
      const { mean: accuracy, standardError } = meanAndStandardError(accuracies);
      const seeds = answers.map(({ seed }) => seed);
      const comparison = first && compare(answers, first);
      compared.push({ name, epoch, accuracy, standardError, seeds, comparison });
      first ??= answers;
    }
  }
  return compared;
}

/** Settings with the one that others are compared with first. @throws UsageError where that has no trials */
export function baselineFirst<T>(settings: [string, T][], against: string | undefined): [string, T][] {
  if (against === undefined) return settings;
  const baseline = settings.find(([name]) => name === against);
  if (baseline) return [baseline, ...settings.filter((setting) => setting !== baseline)];
  const names = settings.map(([name]) => `"${name}"`).join(', ');
  throw new UsageError(
    `--against "${against}": expected a setting with trials that are done, ${names || 'and none is'}`,
  );
}

/** An arm's name and the values of the axes but the seed: `refined, reasoningFraction 0.25`. */
export function settingName({ arm, settings }: Pick<PlannedTrial, 'arm' | 'settings'>): string {
  const others = Object.entries(settings).filter(([key]) => key !== 'train.seed');
  const texts = others.map(([key, value]) => `${key.split('.').at(-1)} ${textOf(value)}`);
  return [...(arm ? [arm] : []), ...texts].join(', ');
}

const textOf = (value: unknown) => (typeof value === 'string' ? value : (JSON.stringify(value) ?? 'default'));

/** A row a question, a column a trial: 1 where its student was right after the last epoch, else 0; empty where it was not asked. */
async function writeAnswers(folder: string, trials: readonly AnsweredTrial[]): Promise<void> {
  if (trials.length === 0) return;
  const types = new Map(trials.flatMap(({ last }) => [...last].map(([id, { type }]) => [id, type] as const)));
  const given = (answers: Answers, id: string) => {
    const answer = answers.get(id);
    return answer ? String(Number(answer.right)) : '';
  };
  const rows = [...types].map(([id, type]) => [id, type, ...trials.map(({ last }) => given(last, id))]);
  const header = ['question', 'type', ...trials.map(({ id }) => id)];
  await writeFileAtomic(join(folder, 'answers.csv'), csv([header, ...rows]));
}

async function writeComparisons(folder: string, compared: readonly ComparedSetting[]): Promise<void> {
  if (!compared.some(({ comparison }) => comparison)) return;
  const header = [
    'setting',
    'epoch',
    'accuracy',
    'standard_error',
    'seeds',
    ...comparisonHeader('questions'),
  ];
  const rows = compared.map(({ name, epoch, accuracy, standardError, seeds, comparison }) => [
    ...[name, epoch, percent(accuracy), percent(standardError), seeds.join(' ')],
    ...comparisonCells(comparison),
  ]);
  await writeFileAtomic(join(folder, 'comparisons.csv'), csv([header, ...rows]));
}

/** A fraction in percent; empty where there is none. */
export const percent = (value: number) => (Number.isFinite(value) ? (100 * value).toFixed(4) : '');

/** Columns of a comparison. @param what is counted: questions, samples */
export const comparisonHeader = (what: string) => [
  'difference',
  'low',
  'high',
  'difference_of_each_seed',
  what,
];

/** The cells of {@link comparisonHeader}, in percent; empty without a comparison. */
export function comparisonCells(c: Comparison | undefined): string[] {
  if (!c) return comparisonHeader('').map(() => '');
  const bounds = [c.difference, c.low, c.high].map(percent);
  return [...bounds, c.perSeed.map(percent).join(' '), String(c.questions)];
}
