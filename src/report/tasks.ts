/** The table of tasks: a row a metric, a column a setting; where answers come behind reasoning, the direct ones beside. */
import { metricsOf, type SplitScore } from '../evaluation/splitScore.js';
import type { Run } from './runs.js';

export interface TaskTable {
  heads: string[];
  /** Task, metric, its chance level where one is known, and percent by setting; empty where a setting was not asked. */
  rows: string[][];
}

/** A setting with what its runs scored. */
export interface ScoredSetting {
  name: string;
  runs: readonly Pick<Run, 'score' | 'tasks' | 'direct'>[];
}

/** Scores of a column's runs, one a seed. */
interface Column {
  head: string;
  scores: SplitScore[];
}

/** @returns undefined where every run answers choices alone, directly: the table of accuracy says it all */
export function taskTable(settings: readonly ScoredSetting[]): TaskTable | undefined {
  const runs = settings.flatMap((setting) => setting.runs);
  if (runs.every(({ tasks, direct }) => !tasks && !direct)) return undefined;
  const columns = settings.flatMap(columnsOf);
  const cells = columns.map(({ scores }) => meansOf(scores));
  const metrics = columns.flatMap(({ scores }) => scores.flatMap(metricsOf));
  const keys = new Map<string, string[]>(
    metrics.map(({ task, metric }) => [`${task} ${metric}`, [task, metric]]),
  );
  const levels = new Map<string, number>(
    metrics.flatMap(({ task, metric, chance }) =>
      chance === undefined ? [] : [[`${task} ${metric}`, chance] as const],
    ),
  );
  return {
    heads: ['Task', 'Metric', ...(levels.size > 0 ? ['Chance'] : []), ...columns.map(({ head }) => head)],
    rows: [...keys].map(([key, names]) => [
      ...names,
      ...(levels.size > 0 ? [levels.get(key)?.toFixed(2) ?? ''] : []),
      ...cells.map((means) => means.get(key)?.toFixed(2) ?? ''),
    ]),
  };
}

function columnsOf({ name, runs }: ScoredSetting): Column[] {
  const scores = runs.map(({ score, tasks }) => ({ score, tasks }));
  const direct = runs.flatMap((run) => run.direct ?? []);
  if (direct.length === 0) return [{ head: name, scores }];
  return [
    { head: `${name}, direct`, scores: direct },
    { head: `${name}, behind reasoning`, scores },
  ];
}

/** Mean over seeds of every metric. */
function meansOf(scores: readonly SplitScore[]): Map<string, number> {
  const values = new Map<string, number[]>();
  for (const { task, metric, value } of scores.flatMap(metricsOf)) {
    const key = `${task} ${metric}`;
    values.set(key, [...(values.get(key) ?? []), value]);
  }
  return new Map(
    [...values].map(([key, all]) => [key, all.reduce((sum, value) => sum + value, 0) / all.length]),
  );
}
