/** comparisons.csv: the accuracy of every setting of a sweep beside that of the first one, paired over seeds and questions. */
import { join } from 'node:path';
import { csv } from '../base/csv.js';
import { writeFileAtomic } from '../base/files.js';
import { groupBy } from '../base/groups.js';
import { readAnswers } from '../report/answers.js';
import { type Comparison, compare, meanAndStandardError, type SeededAnswers } from '../report/statistics.js';
import { runPaths } from '../training/run/folder.js';
import type { Sweep, TrialState } from './folder.js';

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
  /** Undefined for the first setting, and for one that shares no seed with it. */
  comparison?: Comparison | undefined;
}

/**
 * Compares the settings of trials that are done and ran to their end, in the order of the plan.
 *
 * @throws DataError for predictions that cannot be read
 */
export async function compareSettings(states: readonly TrialState[]): Promise<ComparedSetting[]> {
  const done = states.filter(({ state, halved }) => state === 'done' && !halved);
  const settings = [...groupBy(done, ({ trial }) => settingName(trial))];
  const compared: ComparedSetting[] = [];
  for (const epoch of EPOCHS) {
    let first: SeededAnswers[] | undefined;
    for (const [name, trials] of settings) {
      const answers = await Promise.all(trials.map((state) => answersOf(state, epoch)));
      const accuracies = answers.map(({ answers: of }) => share([...of.values()]));
      const { mean: accuracy, standardError } = meanAndStandardError(accuracies);
      const seeds = answers.map(({ seed }) => seed);
      const comparison = first && compare(answers, first);
      compared.push({ name, epoch, accuracy, standardError, seeds, comparison });
      first ??= answers;
    }
  }
  return compared;
}

/** An arm's name and the values of the axes but the seed; "the recipe" when nothing is varied. */
function settingName({ arm, settings }: TrialState['trial']): string {
  const others = Object.entries(settings).filter(([key]) => key !== 'train.seed');
  const texts = others.map(
    ([key, value]) => `${key} ${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  return [...(arm ? [arm] : []), ...(arm ? [] : texts)].join(', ') || 'the recipe';
}

async function answersOf({ trial, result }: TrialState, epoch: Epoch): Promise<SeededAnswers> {
  const paths = runPaths(trial.folder);
  const file = epoch === 'best' ? paths.predictions : paths.predictionsOf(trial.config.train.epochs - 1);
  void result;
  return { seed: trial.config.train.seed, answers: await readAnswers(file) };
}

const share = (answers: readonly { right: boolean }[]) =>
  answers.filter(({ right }) => right).length / answers.length;

export async function writeComparisons(sweep: Sweep, compared: readonly ComparedSetting[]): Promise<void> {
  const header = [
    ...['setting', 'epoch', 'accuracy', 'standard_error', 'seeds'],
    ...['difference', 'low', 'high', 'difference_of_each_seed', 'questions'],
  ];
  const percent = (value: number) => (Number.isFinite(value) ? (100 * value).toFixed(4) : '');
  const rows = compared.map(({ name, epoch, accuracy, standardError, seeds, comparison: c }) => [
    ...[name, epoch, percent(accuracy), percent(standardError), seeds.join(' ')],
    ...(c
      ? [
          percent(c.difference),
          percent(c.low),
          percent(c.high),
          c.perSeed.map(percent).join(' '),
          String(c.questions),
        ]
      : ['', '', '', '', '']),
  ]);
  await writeFileAtomic(join(sweep.folder, 'comparisons.csv'), csv([header, ...rows]));
}
