/** What a report takes from a run folder, finished or not. */

import { basename, join } from 'node:path';
import { DataError } from '../base/errors.js';
import { isFile } from '../base/files.js';
import { resolveConfig } from '../config/load.js';
import type { Config } from '../config/schema.js';
import type { ScoreResult } from '../evaluation/score.js';
import type { ModeScore } from '../evaluation/splitScore.js';
import {
  bestOf,
  type EpochEvaluation,
  identity,
  type RunPaths,
  type RunResult,
  readEvaluations,
  readResult,
  readRunInfo,
  runPaths,
} from '../training/run/folder.js';
import { type MetricsLine, readMetrics, readWallTimes } from '../training/run/metrics.js';
import { type Predictions, readPredictions } from './predictions.js';

/** A run to report on. */
export interface ReportRun {
  folder: string;
  /** Names its setting, such as the arm of a sweep; the keys that differ between the runs name it unless given. */
  label?: string;
}

export interface Run {
  paths: RunPaths;
  label: string | undefined;
  config: Config;
  /** Undefined while the run is not finished. */
  result: RunResult | undefined;
  engine: { name: string; [fact: string]: unknown };
  /** Processor and Node of the last call, and the program's commit. */
  machine: string | undefined;
  commit: string | undefined;
  evaluations: EpochEvaluation[];
  /** At the best epoch so far; null without a validation split or before the first evaluation. */
  score: ScoreResult | null;
  /** The same of all tasks, where there are others than choice. */
  tasks: ModeScore['tasks'];
  /** The same of the answers without reasoning, where the run has them behind it. */
  direct: ModeScore['direct'];
  /** Answers of the best epoch so far, where there are any. */
  predictions: Predictions | undefined;
  metrics: MetricsLine[];
  /** When each line of metrics was written, in seconds since 1970. */
  times: number[] | undefined;
}

/**
 * Reads run folders; of two with one configuration, the seed among it, the finished one counts, else the first.
 *
 * @param onNotice is told of runs that do not count
 * @throws DataError for a folder that is no run, or a file in it that is damaged (file:line where it has lines)
 */
export async function readRuns(runs: readonly ReportRun[], onNotice: (line: string) => void): Promise<Run[]> {
  const byIdentity = new Map<string, Run>();
  for (const run of await Promise.all(runs.map(readRun))) {
    const key = identity(run.config);
    const other = byIdentity.get(key);
    const [kept, left] = other && (other.result || !run.result) ? [other, run] : [run, other];
    byIdentity.set(key, kept);
    if (left && left.paths.folder !== kept.paths.folder)
      onNotice(`${left.paths.folder}: the same run as ${kept.paths.folder}, counted once`);
  }
  return [...byIdentity.values()];
}

async function readRun({ folder, label }: ReportRun): Promise<Run> {
  const paths = runPaths(folder);
  if (!(await isFile(paths.config)))
    throw new DataError(
      `${folder}: is neither a run folder (config.yaml is missing) nor a sweep folder (plan.jsonl is missing); give the folder of reasvqa train --run or of reasvqa sweep --sweep (reasvqa runs lists them)`,
    );
  const { config } = await resolveConfig({ recipe: paths.config });
  const [result, evaluations, { engine, cpu, node, commit }] = await Promise.all([
    readResult(paths),
    readEvaluations(paths),
    readRunInfo(paths),
  ]);
  const best = bestOf(evaluations);
  const metrics = readMetrics(folder);
  return {
    ...{ paths, label, config, result, engine, evaluations, metrics },
    score: result ? result.score : (best?.score ?? null),
    tasks: (result ?? best)?.tasks,
    direct: (result ?? best)?.direct,
    predictions: await bestPredictions(paths, result, best),
    times: readWallTimes(folder, metrics),
    machine: cpu && [cpu, node && `Node ${node}`].filter(Boolean).join(', '),
    commit,
  };
}

/** @throws DataError when the run was evaluated and its answers are gone */
async function bestPredictions(
  paths: RunPaths,
  result: RunResult | undefined,
  best: EpochEvaluation | undefined,
): Promise<Predictions | undefined> {
  if (result) return result.score ? readPredictions(paths.predictions) : undefined;
  return best?.score ? readPredictions(paths.predictionsOf(best.epoch)) : undefined;
}

/** A run folder's name in tables: its last two parts, since those of trials and seeds repeat. */
export function shortFolder(folder: string): string {
  return join(basename(join(folder, '..')), basename(folder));
}
