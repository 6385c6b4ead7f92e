/** A run: what is asked for, and everything that it works with. */

import { Interrupted } from '../base/errors.js';
import type { BatchBuilder, HostBatch, Lesson } from '../batches/batch.js';
import type { Loader } from '../batches/loader.js';
import type { Split } from '../batches/split.js';
import type { Config } from '../config/schema.js';
import type { Evaluator } from '../evaluation/answers.js';
import type { Context } from '../model/context.js';
import type { GradientSum } from './gradientSum.js';
import type { AdamW } from './optimizer.js';
import type { RunState } from './run/checkpoint.js';
import type { RunPaths } from './run/folder.js';
import type { InputLog } from './run/inputLog.js';
import type { LossLog } from './run/lossLog.js';
import type { MetricsLog } from './run/metrics.js';
import type { Splits } from './splits.js';
import type { Base, Trial } from './trial.js';

export interface TrainRequest {
  config: Config;
  /** Run folder, made when missing. */
  folder: string;
  /** What run.json says about the engine, unless it is the one in use. */
  engine?: Record<string, unknown>;
  /** Frozen weights that other trials of this process use too; opened and freed by the run unless given. */
  base?: Base;
  /** What the recipe's data sections name, where it was read already. */
  splits?: Splits;
  /** Stops after the current step, with a checkpoint. */
  signal?: AbortSignal;
  /** Prints progress under this name; silent when absent. */
  label?: string;
  /** Stops after so many epochs with a checkpoint and without a result; the recipe's schedule stays. */
  untilEpoch?: number;
}

/** Everything one run works with. */
export interface Run {
  request: TrainRequest;
  config: Config;
  paths: RunPaths;
  trial: Trial;
  optimizer: AdamW;
  context: Context;
  loader: Loader<SharedBatch>;
  builder: BatchBuilder;
  /** The training samples by id, with the reasoning that this run learns from. */
  samples: ReadonlyMap<string, Split['samples'][number]>;
  /** What evaluates after an epoch; absent without a validation split. */
  validation: { split: Split; evaluator: Evaluator } | undefined;
  metrics: MetricsLog;
  losses: LossLog;
  inputs: InputLog;
  /** Where the last update left the run. */
  state: RunState;
  /** Gradients since the last update. */
  sum: GradientSum;
  /** Batch of the epoch that comes next; past `state.batch` while gradients are summed. */
  next: number;
  /** The epoch has had a batch that could be read. */
  learns: boolean;
  /** Epoch to stop before. */
  untilEpoch: number;
  label: string | undefined;
  /** Why it stopped, while others of its cohort went on. */
  failure?: unknown;
  dispose(): Promise<void>;
}

/** A batch with what each run of a cohort learns from it. */
export interface SharedBatch extends HostBatch {
  /** One a run, in the order of the cohort. */
  lessons: Lesson[];
}

/** Runs in lockstep: they read the same samples in the same order, so that one read of a batch serves them all. */
export interface Cohort {
  runs: Run[];
  /** Why runs that were asked for could not be opened. */
  unopened: Map<TrainRequest, unknown>;
  loader: Loader<SharedBatch>;
  label: string | undefined;
  signal: AbortSignal | undefined;
  dispose(): Promise<void>;
}

/** The runs that have not failed. */
export const going = ({ runs }: Pick<Cohort, 'runs'>): Run[] =>
  runs.filter(({ failure }) => failure === undefined);

/** Keeps the failure of one run from stopping the others. @returns what the work gives; undefined when it failed */
export async function attempt<T>(run: Run, work: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Interrupted) throw error;
    run.failure = error;
    return undefined;
  }
}

/** What stops runs whose signal fired, of which one at least has not failed; everything is saved. */
export function interrupted(cohort: Pick<Cohort, 'runs'>): Interrupted {
  const [first, ...others] = going(cohort);
  const { paths, state } = first!;
  const also = others.length > 0 ? ` (and ${others.length} more)` : '';
  return new Interrupted(
    `${paths.folder}${also}: stopped at step ${state.step} with a checkpoint; run the same command again to continue`,
  );
}
