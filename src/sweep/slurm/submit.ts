/** Submits the trials of a plan to Slurm, as an array and a job that collects, and returns. */
import { join } from 'node:path';
import { DataError, messageOf, ReasVqaError } from '../../base/errors.js';
import { makeFolder } from '../../base/files.js';
import type { EngineChoice, Execution, Executor } from '../executor.js';
import { clearFailure, type PlannedTrial, recordFailure, type Sweep, trialState } from '../folder.js';
import { shellWord } from '../process.js';
import { indexOf } from '../trial.js';
import { cancel, submit } from './commands.js';
import { type Job, queuedTrials, readJobs, writeJobs } from './jobs.js';
import { arrayScript, collectScript, LOGS, type SlurmOptions } from './script.js';

/**
 * Trials that still wait or run are not submitted again.
 *
 * @throws EngineError when there is no Slurm, UsageError with its own words when it refuses the job
 */
export function slurmExecutor(options: SlurmOptions = {}): Executor {
  return async (execution) => {
    const { sweep, trials, say } = execution;
    const queued = await queuedTrials(sweep);
    const missing = trials.filter(({ id }) => !queued.has(id));
    const earlier = [...new Set([...queued.values()].map(({ job }) => job))];
    if (queued.size > 0) say(`${queued.size} trials wait or run already, in job ${earlier.join(', ')}`);
    if (missing.length > 0) await submitTrials(missing, earlier, execution, options);
    if (missing.length + queued.size > 0)
      say(
        `watch: reasvqa sweep status ${shellWord(sweep.folder)}, or squeue --me; this command can be run again at any time`,
      );
  };
}

async function submitTrials(
  trials: readonly PlannedTrial[],
  earlier: readonly string[],
  { sweep, engine, say }: Execution,
  options: SlurmOptions,
): Promise<void> {
  const { folder } = sweep;
  const script = arrayScript(sweep, trials, engine, options);
  const before = await readJobs(folder);
  await makeLogs(folder);
  const job = await submitAgain(trials, script);
  const tasks = trials.map((trial) => indexOf(sweep, trial));
  await remember(folder, [...before, { job, submitted: new Date().toISOString(), tasks }]);
  say(`job ${job}: ${trials.length} trials; output in ${join(folder, LOGS)}`);
  try {
    say(
      `job ${await submit(collectScript(folder, [...earlier, job], options))}: writes results.csv after the last one`,
    );
  } catch (error) {
    // The trials are on their way; collecting by hand takes a second.
    say(
      `the collecting job was not submitted (${messageOf(error)}); afterwards run reasvqa sweep collect ${shellWord(folder)}`,
    );
  }
}

/** Submits trials; their earlier failures are over, unless nothing comes of it. */
async function submitAgain(trials: readonly PlannedTrial[], script: string): Promise<string> {
  const states = await Promise.all(trials.map(trialState));
  await Promise.all(trials.map(clearFailure));
  try {
    return await submit(script);
  } catch (refusal) {
    for (const { trial, error } of states)
      if (error) await recordFailure(trial, new ReasVqaError(error.message, error.exitCode));
    throw refusal;
  }
}

/** The script of the array, to be submitted by hand. */
export async function emitSlurm(
  sweep: Sweep,
  trials: readonly PlannedTrial[],
  engine: EngineChoice,
  options: SlurmOptions,
): Promise<string> {
  await makeLogs(sweep.folder);
  return arrayScript(sweep, trials, engine, options);
}

/** Slurm fails a job whose output has no folder, and says so nowhere. */
async function makeLogs(folder: string): Promise<void> {
  const logs = join(folder, LOGS);
  await makeFolder(logs).catch((error) => {
    throw new DataError(`${logs}: cannot be made (${messageOf(error)})`, { cause: error });
  });
}

/** A job that nobody remembers would be submitted a second time. */
async function remember(folder: string, jobs: readonly Job[]): Promise<void> {
  try {
    await writeJobs(folder, jobs);
  } catch (error) {
    await cancel(jobs.at(-1)!.job);
    throw error;
  }
}
