/** Tables of accuracy: one a set of validation questions, a row a setting, and what each setting gains on the first. */
import { groupBy } from '../base/groups.js';
import { datasetOf } from '../data/datasets/index.js';
import type { ScoreResult } from '../evaluation/score.js';
import { answersWhere, judged } from './answers.js';
import type { Run } from './runs.js';
import type { Setting } from './settings.js';
import {
  type Comparison,
  compare,
  meanAndStandardError,
  proportionStandardError,
  type SeededAnswers,
} from './statistics.js';

/** Accuracies are fractions in [0, 1]. */
export interface AccuracyTable {
  caption: string;
  /** Column names; the last is the total. */
  groups: string[];
  rows: AccuracyRow[];
  /** Of every further row on the first; absent where there is one row. */
  gains: { baseline: string; rows: GainRow[] } | undefined;
}

export interface AccuracyRow {
  name: string;
  seeds: number;
  /** Runs that are not finished yet: their best epoch so far counts. */
  unfinished: number;
  /** By group; null where it has no questions. */
  cells: (AccuracyCell | null)[];
}

export interface AccuracyCell {
  accuracy: number;
  /** Questions. */
  n: number;
  /** Over seeds, and over questions for one seed. */
  standardError: number;
}

export interface GainRow {
  name: string;
  /** By group; null where the two have no seed or question in common. */
  cells: (Comparison | null)[];
}

const TOTAL = 'Total';

/** The tables; settings without an evaluation are in none. */
export function accuracyTables(settings: readonly Setting[]): AccuracyTable[] {
  const evaluated = settings.flatMap((setting) => {
    const runs = setting.runs.filter(({ score }) => score !== null);
    return runs.length > 0 ? [{ ...setting, runs }] : [];
  });
  return [...groupBy(evaluated, ({ runs }) => validationOf(runs[0]!)).values()].map(tableOf);
}

/** What tells one set of validation questions from another. */
export function validationOf({ config: { data } }: Run): string {
  return JSON.stringify([data.dataset, data.val, data.videos]);
}

function tableOf(settings: readonly Setting[]): AccuracyTable {
  const scores = settings.flatMap(({ runs }) => runs.map(({ score }) => score!));
  const { dataset } = scores[0]!;
  const grouped = scores.some((score) => Object.keys(score.groups).length > 0);
  const names = new Set(scores.flatMap((score) => Object.keys(grouped ? score.groups : score.types)));
  const groups = [...names, TOTAL];
  const [baseline, ...others] = settings;
  return {
    caption: `Accuracy on the validation questions of ${dataset}, at the best epoch`,
    groups,
    rows: settings.map((setting) => rowOf(setting, groups)),
    gains:
      others.length === 0
        ? undefined
        : {
            baseline: baseline!.name,
            rows: others.map((other) => gainOf(other, baseline!, groups, dataset)),
          },
  };
}

function rowOf({ name, runs }: Setting, groups: readonly string[]): AccuracyRow {
  return {
    name,
    seeds: runs.length,
    unfinished: runs.filter(({ result }) => !result).length,
    cells: groups.map((group) => {
      const found = runs.flatMap(({ score }) => accuracyIn(score!, group) ?? []);
      if (found.length === 0) return null;
      const { mean, standardError } = meanAndStandardError(
        found.map(({ correct, count }) => correct / count),
      );
      const n = found[0]!.count;
      return {
        accuracy: mean,
        n,
        standardError: found.length > 1 ? standardError : proportionStandardError(mean, n),
      };
    }),
  };
}

function accuracyIn({ groups, types, total }: ScoreResult, group: string) {
  return group === TOTAL ? total : (groups[group] ?? types[group]);
}

function gainOf(setting: Setting, baseline: Setting, groups: readonly string[], dataset: string): GainRow {
  const { groups: members, countsAs = {} } = datasetOf(dataset);
  const isIn = (type: string, group: string) => {
    const reported = Object.hasOwn(countsAs, type) ? countsAs[type]! : type;
    return group === TOTAL || reported === group || (members[group]?.includes(reported) ?? false);
  };
  const [ours, theirs] = [answersOf(setting), answersOf(baseline)];
  return {
    name: setting.name,
    cells: groups.map((group) => {
      const within = (runs: readonly SeededAnswers[]) =>
        runs.map(({ seed, answers }) => ({
          seed,
          answers: answersWhere(answers, (_, { type }) => isIn(type, group)),
        }));
      return compare(within(ours), within(theirs)) ?? null;
    }),
  };
}

function answersOf({ runs }: Setting): SeededAnswers[] {
  return runs.flatMap(({ config, predictions }) =>
    predictions ? [{ seed: config.train.seed, answers: judged(predictions) }] : [],
  );
}
