/**
 * Runs the trials of a sweep in this process, on one copy of the frozen weights. Trials that read the same samples in the same
 * order train in lockstep: videos are decoded and the frozen vision model computes once a batch for all of them, everything
 * behind it once a trial. Each trial computes the bits that it would compute alone.
 */

import { Interrupted, messageOf } from '../base/errors.js';
import { groupBy } from '../base/groups.js';
import { type DeviceMemoryUse, deviceMemory } from '../engine/engine.js';
import { measureTrial } from '../training/memory.js';
import { HeldError } from '../training/run/lock.js';
import type { TrainRequest } from '../training/run.js';
import { cohortKey, type Splits, sharedSplits } from '../training/splits.js';
import { trainTogether } from '../training/train.js';
import { type Base, openBase } from '../training/trial.js';
import type { Execution } from './executor.js';
import { clearFailure, type PlannedTrial } from './folder.js';
import { recordQuietly } from './trial.js';

export interface SharedOptions {
  /** Most trials in lockstep; what memory holds unless given. */
  atOnce?: number | undefined;
  /** Epoch to stop before, with a checkpoint and no result. */
  untilEpoch?: number | undefined;
  /** Memory in use and to be had; tests give their own. */
  memory?: () => DeviceMemoryUse | undefined;
}

/** Tries every trial; see {@link Executor}. */
export async function runShared(execution: Execution, options: SharedOptions = {}): Promise<void> {
  for (const group of groupBy(execution.trials, ({ config }) => baseKey(config.model)).values()) {
    const configs = group.map(({ config }) => config);
    const base = await openBase(configs, undefined, 'needed').catch((error) =>
      failed(execution, group, error),
    );
    if (!base) continue;
    try {
      for (const line of base.notices) execution.say(line);
      for (const cohort of await cohorts(execution, group)) await runCohort(execution, cohort, base, options);
    } finally {
      base.dispose();
    }
  }
}

const baseKey = ({ base, tokenizer, precision }: PlannedTrial['config']['model']) =>
  JSON.stringify([base, tokenizer, precision]);

/** A trial whose data has been read. */
type ReadTrial = PlannedTrial & { splits: Splits };

/** Trials that can go in lockstep, in the order of the plan. One whose data cannot be read has failed. */
async function cohorts(execution: Execution, trials: readonly PlannedTrial[]): Promise<ReadTrial[][]> {
  const readSplits = sharedSplits();
  const read: ReadTrial[] = [];
  for (const trial of trials) {
    const splits = await readSplits(trial.config).catch((error) => failed(execution, [trial], error));
    if (splits) read.push({ ...trial, splits });
  }
  return [...groupBy(read, ({ config, splits }) => cohortKey(config, splits)).values()];
}

async function runCohort(
  execution: Execution,
  trials: readonly ReadTrial[],
  base: Base,
  options: SharedOptions,
): Promise<void> {
  const request = requestOf(execution, base, options);
  const most = options.atOnce ?? (await trialsThatFit(trials, request, options));
  if (most < trials.length)
    execution.say(
      `${most} of ${trials.length} trials at a time: ${options.atOnce ? 'as asked for' : 'memory holds no more'}`,
    );
  for (let i = 0; i < trials.length; i += most)
    await runTogether(execution, trials.slice(i, i + most), request);
}

type MakeRequest = (trial: ReadTrial) => TrainRequest & { base: Base; splits: Splits };

const requestOf =
  ({ signal }: Execution, base: Base, { untilEpoch }: SharedOptions): MakeRequest =>
  ({ config, folder, id, splits }) => ({
    ...{ config, folder, base, splits, signal, label: id },
    ...(untilEpoch === undefined ? {} : { untilEpoch }),
  });

async function runTogether(
  execution: Execution,
  trials: readonly ReadTrial[],
  request: MakeRequest,
): Promise<void> {
  for (const trial of trials) await clearFailure(trial);
  const [first, ...others] = trials;
  const label = others.length > 0 ? `${first!.id} and ${others.length} more:` : first!.id;
  const outcomes = await trainTogether(trials.map(request), { label }).catch((error) =>
    failed(execution, trials, error),
  );
  for (const [i, { error }] of (outcomes ?? []).entries())
    if (error !== undefined) await failed(execution, [trials[i]!], error);
}

/** Records why trials failed, and says it. @throws Interrupted, which is no failure */
async function failed(
  { say, signal }: Execution,
  trials: readonly PlannedTrial[],
  error: unknown,
): Promise<undefined> {
  if (error instanceof Interrupted || signal.aborted) throw error;
  for (const trial of trials) {
    // Whoever trains in the folder will finish it.
    if (!(error instanceof HeldError)) await recordQuietly(trial, error);
    say(`${trial.id}: ${error instanceof HeldError ? '' : 'failed: '}${messageOf(error)}`);
  }
  return undefined;
}

/** Share of the memory to be had that trials may take: the rest is for reading ahead and for what else the machine does. */
const USABLE = 0.9;

/**
 * How many trials in lockstep the memory holds. One trial is attached and computes the gradients of one batch, which
 * changes nothing of it: what it keeps (its own weights, the optimizer's moments) counts once a trial, what it takes in
 * passing once in all, since one trial computes at a time.
 */
async function trialsThatFit(
  trials: readonly ReadTrial[],
  request: MakeRequest,
  { memory = deviceMemory }: SharedOptions,
): Promise<number> {
  const before = memory();
  if (trials.length === 1 || !before) return trials.length;
  const needed = await measureTrial(request(trials[0]!), () => memory()!).catch(() => undefined);
  // What is wrong with it will be said when it trains.
  if (!needed) return trials.length;
  const fits = Math.floor((USABLE * before.available - needed.passing) / needed.kept);
  return Math.max(1, Math.min(trials.length, fits));
}
