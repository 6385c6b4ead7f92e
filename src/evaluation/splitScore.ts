/** The scores of a split with any tasks: as numbers of a log, as one number that chooses a checkpoint, and as a table. */
import { TASK_FORMS } from '../text/tasks/index.js';
import { RULE_METRIC, type Scored } from './rules.js';
import { formatScore, type ScoreResult } from './score.js';
import type { TaskScore, TaskScores } from './taskScore.js';

/** Scores of a split. */
export interface SplitScore {
  /** Of its choice questions; null where it has none. */
  score: ScoreResult | null;
  /** Of every task, choices among them; absent where all samples are choices. */
  tasks?: TaskScores | undefined;
}

/** Scores of an answer mode (eval.mode), and of the answers without reasoning where it takes them behind it. */
export interface ModeScore extends SplitScore {
  direct?: SplitScore | undefined;
}

const entriesOf = (tasks: TaskScores = {}) => Object.entries(tasks) as [Scored, TaskScore][];

/** A metric of a task in percent, and its chance level where it is known. */
export interface Metric {
  task: Scored;
  metric: string;
  value: number;
  chance?: number | undefined;
}

/** Every metric of every task; of choices alone their accuracy. */
export function metricsOf({ score, tasks }: SplitScore): Metric[] {
  if (!tasks) return score ? [{ task: 'choice', metric: 'accuracy', value: score.total.accuracy }] : [];
  return entriesOf(tasks).flatMap(([task, { metrics, chance }]) =>
    Object.entries(metrics).map(([metric, value]) => ({ task, metric, value, chance: chance?.[metric] })),
  );
}

/** The main metric of every task, in percent. */
function mainMetrics(tasks: TaskScores | undefined): { task: Scored; name: string; value: number }[] {
  return entriesOf(tasks).map(([task, { metrics }]) => {
    const name = task === 'dark' || task === 'mix' ? RULE_METRIC : TASK_FORMS[task].mainMetric;
    return { task, name, value: metrics[name]! };
  });
}

/**
 * What chooses the best checkpoint, in percent: the accuracy of the choice questions; without any, the mean over the tasks of
 * each one's main metric.
 */
export function meritOf({ score, tasks }: SplitScore): number {
  if (score) return score.total.accuracy;
  const values = mainMetrics(tasks).map(({ value }) => value);
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** In a phrase: `accuracy 71.20 %`, or each task's main metric. */
export function meritText({ score, tasks }: SplitScore): string {
  if (score && !tasks) return `accuracy ${score.total.accuracy.toFixed(2)} %`;
  return mainMetrics(tasks)
    .map(({ task, name, value }) => `${task} ${name} ${value.toFixed(2)}`)
    .join(', ');
}

/** Scalars for metrics.jsonl: `val/accuracy` of choices, `val/<task>_<metric>` where there are other tasks, both also `val/direct_...`. */
export function scalarsOf({ direct, ...scores }: ModeScore): Record<string, number> {
  return { ...named('val/', scores), ...(direct && named('val/direct_', direct)) };
}

function named(prefix: string, { score, tasks }: SplitScore): Record<string, number> {
  const values: Record<string, number> = {};
  if (score) values[`${prefix}accuracy`] = score.total.accuracy;
  if (tasks)
    for (const { task, metric, value } of metricsOf({ score, tasks }))
      values[`${prefix}${task}_${metric}`] = value;
  return values;
}

/** A table for people: accuracy by type, then the metrics of every task, then what the answers without reasoning score. */
export function formatScores({ score, tasks, direct }: ModeScore): string {
  const parts = [
    score ? [formatScore(score)] : [],
    taskLines(tasks),
    direct ? directLines(direct, { score, tasks }) : [],
  ];
  return parts.flat().join('\n');
}

/** `ground  mIoU 31.20 (12.40)  R1@0.3 40.00 (9.80)  of 120 (3 missing)`, with chance levels in brackets, which a line says. */
function taskLines(tasks: TaskScores | undefined): string[] {
  const entries = entriesOf(tasks);
  const hasChance = entries.some(([, { chance }]) => chance);
  const width = Math.max(0, ...entries.map(([task]) => task.length));
  const lines = entries.map(([task, { count, missing, metrics, chance }]) => {
    const level = (name: string) => (chance?.[name] === undefined ? '' : ` (${chance[name].toFixed(2)})`);
    const values = Object.entries(metrics).map(
      ([name, value]) => `${name} ${value.toFixed(2)}${level(name)}`,
    );
    const without = missing > 0 ? ` (${missing} missing)` : '';
    return [task.padEnd(width), ...values, `of ${count}${without}`].join('  ');
  });
  return hasChance
    ? [...lines, 'in brackets: chance, what guesses reach without a look at the video']
    : lines;
}

/** Direct and reasoned values side by side. */
function directLines(direct: SplitScore, reasoned: SplitScore): string[] {
  const after = named('', reasoned);
  const rows = Object.entries(named('', direct)).map(([name, value]) => [
    name,
    value.toFixed(2),
    after[name]!.toFixed(2),
  ]);
  const table = [['', 'direct', 'reasoned'], ...rows];
  const widths = [0, 1, 2].map((column) => Math.max(...table.map((row) => row[column]!.length)));
  return table.map(([name, ...values]) =>
    [name!.padEnd(widths[0]!), ...values.map((value, i) => value.padStart(widths[i + 1]!))]
      .join('  ')
      .trimEnd(),
  );
}
