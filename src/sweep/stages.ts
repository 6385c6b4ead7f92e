/**
 * Trials that start from the run of another trial of their plan: what a recipe's arm says with `from`. The stages of a method,
 * and settings that begin at one student, are trained in their order.
 */
import { DataError } from '../base/errors.js';
import { readResult, runPaths } from '../training/run/folder.js';
import { type PlannedTrial, type Sweep, trialState } from './folder.js';

/** The trials whose start is done, and those that have none. */
export async function startable(
  sweep: Pick<Sweep, 'trials'>,
  trials: readonly PlannedTrial[],
): Promise<PlannedTrial[]> {
  const done = new Map<string, boolean>();
  for (const { startsFrom } of trials) {
    if (startsFrom === undefined || done.has(startsFrom)) continue;
    const start = sweep.trials.find(({ id }) => id === startsFrom);
    done.set(startsFrom, start !== undefined && (await trialState(start)).state === 'done');
  }
  return trials.filter(({ startsFrom }) => startsFrom === undefined || done.get(startsFrom));
}

/** Runs trials, each after the one that it starts from. Those whose start does not get done are left. */
export async function runInOrder(
  sweep: Pick<Sweep, 'trials'>,
  trials: readonly PlannedTrial[],
  run: (ready: PlannedTrial[]) => Promise<void>,
): Promise<void> {
  let left = [...trials];
  for (let ready = await startable(sweep, left); ready.length > 0; ready = await startable(sweep, left)) {
    await run(ready);
    left = left.filter((trial) => !ready.includes(trial));
  }
}

/** @throws DataError for a trial whose start has no result yet: its best checkpoint is not known before */
export async function requireStart({ id, startsFrom, config }: PlannedTrial): Promise<void> {
  if (startsFrom === undefined || (await readResult(runPaths(config.model.adapter!)))) return;
  throw new DataError(`${id}: starts from ${startsFrom}, which is not done; train that trial first`);
}
