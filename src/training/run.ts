/** A run: what is asked for, and everything that it works with. */

import { Interrupted } from '../base/errors.js';
import type { BatchBuilder, HostBatch } from '../batches/batch.js';
import type { Loader } from '../batches/loader.js';
import type { Split } from '../batches/split.js';
import type { Config } from '../config/schema.js';
import type { Evaluator } from '../evaluation/evaluate.js';
import type { Context } from '../model/context.js';
import type { AdamW } from './optimizer.js';
import type { RunState } from './run/checkpoint.js';
import type { RunPaths } from './run/folder.js';
import type { LossLog } from './run/lossLog.js';
import type { MetricsLog } from './run/metrics.js';
import type { Base, Trial } from './trial.js';

export interface TrainRequest {
  config: Config;
  /** Run folder, made when missing. */
  folder: string;
  /** What run.json says about the engine, unless it is the one in use. */
  engine?: Record<string, unknown>;
  /** Frozen weights that other trials of this process use too; opened and freed by the run unless given. */
  base?: Base;
  /** Stops after the current step, with a checkpoint. */
  signal?: AbortSignal;
  /** Prints progress under this name; silent when absent. */
  label?: string;
}

/** Everything one run works with. */
export interface Run {
  config: Config;
  paths: RunPaths;
  trial: Trial;
  optimizer: AdamW;
  context: Context;
  loader: Loader<HostBatch>;
  builder: BatchBuilder;
  /** What evaluates after every epoch; absent without a validation split. */
  validation: { split: Split; evaluator: Evaluator } | undefined;
  metrics: MetricsLog;
  losses: LossLog;
  state: RunState;
  label: string | undefined;
  signal: AbortSignal | undefined;
  dispose(): void;
}

/** What stops a run whose signal fired; everything is saved. */
export function interrupted({ paths, state }: Pick<Run, 'paths' | 'state'>): Interrupted {
  return new Interrupted(
    `${paths.folder}: stopped at step ${state.step} with a checkpoint; run the same command again to continue`,
  );
}
