/** What a sweep found: the result of every trial, and results.csv. */
import { csv } from '../base/csv.js';
import { writeFileAtomic } from '../base/files.js';
import { groupBy } from '../base/groups.js';
import { metricsOf, type SplitScore } from '../evaluation/splitScore.js';
import { type TaskTable, taskTable } from '../report/tasks.js';
import { settingName } from './comparisons.js';
import { type Sweep, sweepPaths, type TrialState, trialStates } from './folder.js';

/** The metrics of every task and their chance levels at the best epoch, a row a metric and a column a setting; undefined for choices alone. */
export function sweepTasks(states: readonly TrialState[]): TaskTable | undefined {
  const done = states.flatMap(({ trial, result }) => (result ? [{ name: settingName(trial), result }] : []));
  return taskTable(
    [...groupBy(done, ({ name }) => name)].map(([name, trials]) => ({
      name,
      runs: trials.map(({ result: { score, tasks, direct } }) => ({ score, tasks, direct })),
    })),
  );
}

/** Columns of results.csv that two runs of one sweep may differ in: what depends on the machine and its load. */
export const COST_COLUMNS = ['seconds', 'samples_per_second', 'peak_memory_bytes'] as const;

/**
 * Writes results.csv from the run folders, in the order of the plan: no trial is counted twice, none is left out.
 *
 * @returns the state of every trial
 */
export async function collect(sweep: Sweep): Promise<TrialState[]> {
  const states = await trialStates(sweep);
  await writeFileAtomic(sweepPaths(sweep.folder).results, csv(resultRows(sweep, states)));
  return states;
}

/** The header and one row a trial. */
export function resultRows(sweep: Sweep, states: readonly TrialState[]): string[][] {
  const { keys, protocol } = sweep.info;
  const groups = [...new Set(states.flatMap(({ result }) => Object.keys(result?.score?.groups ?? {})))];
  // Percent by column: each metric of a task beside its chance level; the accuracy of choices has its own columns.
  const tasks = states.map(({ result }) => new Map(result?.tasks ? taskColumns(result) : []));
  const metrics = [...new Set(tasks.flatMap((of) => [...of.keys()]))];
  const header = [
    ...['trial', 'arm', ...keys, 'state', 'protocol', 'best_epoch', 'accuracy', 'last_accuracy', 'questions'],
    ...groups.map((group) => `accuracy_${group}`),
    ...metrics,
    ...['engine', ...COST_COLUMNS, 'config', 'run', 'error'],
  ];
  const rows = states.map(({ trial, state, result, halved, error }, i) => {
    const { score = null, last = null } = result ?? {};
    return [
      ...[trial.id, trial.arm ?? '', ...keys.map((key) => valueText(trial.settings[key])), state, protocol],
      ...[
        result ? String(result.bestEpoch + 1) : '',
        halved ? String(halved.accuracy) : percent(score?.total),
        percent(last?.total),
      ],
      score ? String(score.total.count) : '',
      ...groups.map((group) => percent(score?.groups[group])),
      ...metrics.map((name) => String(tasks[i]!.get(name) ?? '')),
      ...[
        result?.engine?.name ?? '',
        result?.seconds.toFixed(1) ?? '',
        result?.samplesPerSecond.toFixed(2) ?? '',
      ],
      ...[result?.peakMemoryBytes === undefined ? '' : String(result.peakMemoryBytes), trial.identity],
      ...[trial.from ?? `trials/${trial.id}`, error?.message ?? ''],
    ];
  });
  return [header, ...rows];
}

/** `ground_mIoU`, `chance_ground_mIoU` */
function taskColumns(scores: SplitScore): [string, number][] {
  return metricsOf(scores).flatMap(({ task, metric, value, chance }): [string, number][] => [
    [`${task}_${metric}`, value],
    ...(chance === undefined ? [] : [[`chance_${task}_${metric}`, chance] as [string, number]]),
  ]);
}

/** Unrounded: what is read back computes the same means. */
const percent = (accuracy?: { correct: number; count: number } | undefined) =>
  accuracy ? String((100 * accuracy.correct) / accuracy.count) : '';

const valueText = (value: unknown) =>
  value === undefined || value === null ? '' : typeof value === 'string' ? value : JSON.stringify(value);
