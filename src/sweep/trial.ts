/** One trial of a plan, trained into its folder by this process: what children, Slurm tasks and pods run. */
import { join } from 'node:path';
import { DataError, Interrupted, messageOf, UsageError } from '../base/errors.js';
import { HeldError } from '../base/lock.js';
import { say } from '../base/progress.js';
import type { RunResult } from '../training/run/folder.js';
import { train } from '../training/train.js';
import {
  clearFailure,
  type PlannedTrial,
  recordFailure,
  type Sweep,
  sweepPaths,
  trialState,
} from './folder.js';
import { type End, failureOfEnd } from './process.js';
import { requireStart } from './stages.js';

/** @param which its name, or its line of plan.jsonl from 1. @throws UsageError when the plan has no such trial */
export function trialOf({ folder, trials }: Sweep, which: string | number): PlannedTrial {
  const found = typeof which === 'number' ? trials[which - 1] : trials.find(({ id }) => id === which);
  if (found) return found;
  const { plan } = sweepPaths(folder);
  throw new UsageError(
    typeof which === 'number'
      ? `--index ${which}: ${plan} has the lines 1 to ${trials.length}`
      : `${which}: ${plan} has no such trial; reasvqa sweep status ${folder} lists them`,
  );
}

/** The line of a trial in plan.jsonl, from 1. Lines are only ever added, so it stays. */
export function indexOf(sweep: Sweep, trial: PlannedTrial): number {
  return sweep.trials.findIndex(({ id }) => id === trial.id) + 1;
}

/**
 * Trains a trial to its end; a failure is recorded and thrown.
 *
 * @throws Interrupted (exit 75) when the signal fired, or when another process trains in the folder: the same command
 *   later finds the trial done or goes on with it
 */
export async function trainTrial(trial: PlannedTrial, signal: AbortSignal): Promise<RunResult> {
  const { id, folder, config, from } = trial;
  if (from !== undefined)
    throw new DataError(
      `${id}: its result was to come from ${folder}, which has none; run the sweep again, which plans it anew`,
    );
  try {
    await clearFailure(trial);
    await requireStart(trial);
    return await train({ config, folder, signal, label: id });
  } catch (error) {
    if (error instanceof HeldError)
      throw new Interrupted(`${folder}: another process is training in it; run the same command again later`);
    if (!(error instanceof Interrupted)) await recordQuietly(trial, error);
    throw error;
  }
}

/**
 * Records how the process of a trial ended, where neither a result nor a reason is there.
 *
 * @returns the reason, or undefined when there was nothing to record
 */
export async function recordEnd(trial: PlannedTrial, end: End, log: string): Promise<string | undefined> {
  const { state, error } = await trialState(trial);
  if (state === 'done') return undefined;
  if (error) return error.message;
  const failure = failureOfEnd(end, log);
  await recordQuietly(trial, failure);
  return failure.message;
}

/** A reason that cannot be written (a full disk, most often the reason itself) must not hide what went wrong. */
export async function recordQuietly(trial: PlannedTrial, error: unknown): Promise<void> {
  await recordFailure(trial, error).catch((problem) => {
    say(`${trial.id}: its failure could not be recorded (${messageOf(problem)})`);
  });
}

/** Where the output of a trial's process goes. */
export function logOf({ folder }: PlannedTrial): string {
  return join(folder, 'log.txt');
}
