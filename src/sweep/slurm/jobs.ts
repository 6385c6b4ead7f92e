/** The jobs that a sweep was submitted as (slurm.json), and where their trials stand in the queue. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { DataError, EXIT, ReasVqaError } from '../../base/errors.js';
import { writeFileAtomic } from '../../base/files.js';
import { type PlannedTrial, recordFailure, type Sweep, trialState } from '../folder.js';
import { indexOf } from '../trial.js';
import { endedState, type Queued, queueOf } from './commands.js';
import { logOfTask } from './script.js';

const jobsSchema = z.strictObject({
  version: z.literal(1),
  /** Oldest first. */
  jobs: z.array(
    z.strictObject({
      job: z.string().regex(/^\d+$/),
      submitted: z.string(),
      /** Lines of plan.jsonl. */
      tasks: z.array(z.int().min(1)),
    }),
  ),
});

export type Job = z.output<typeof jobsSchema>['jobs'][number];

const fileOf = (folder: string) => join(folder, 'slurm.json');

/** Jobs that were submitted from this folder. @throws DataError for a damaged slurm.json */
export async function readJobs(folder: string): Promise<Job[]> {
  const text = await readFile(fileOf(folder), 'utf8').catch(() => undefined);
  if (text === undefined) return [];
  try {
    return jobsSchema.parse(JSON.parse(text)).jobs;
  } catch (error) {
    throw new DataError(
      `${fileOf(folder)}: damaged; cancel the sweep's jobs that squeue shows, then remove the file`,
      { cause: error },
    );
  }
}

export async function writeJobs(folder: string, jobs: readonly Job[]): Promise<void> {
  await writeFileAtomic(fileOf(folder), `${JSON.stringify({ version: 1, jobs }, null, 2)}\n`);
}

/**
 * The tasks of a sweep's trials that wait or run, by the trial's name: jobs that were submitted from here, and those of an
 * emitted script, which run in the same folder.
 *
 * @throws EngineError when the queue cannot be read
 */
export async function queuedTrials(sweep: Sweep): Promise<Map<string, Queued>> {
  const known = new Set((await readJobs(sweep.folder)).map(({ job }) => job));
  const found = new Map<string, Queued>();
  for (const task of await queueOf(sweep.folder)) {
    const trial = task.index === undefined ? undefined : sweep.trials[task.index - 1];
    if (trial && (known.has(task.job) || task.folder === sweep.folder)) found.set(trial.id, task);
  }
  return found;
}

/**
 * Records a failure for every trial whose task left the queue without a result or a reason: Slurm killed its job, or the
 * node went down. Does nothing where nothing was submitted.
 *
 * @returns what still waits or runs, by the trial's name
 * @throws EngineError when the queue cannot be read
 */
export async function settleJobs(sweep: Sweep): Promise<Map<string, Queued>> {
  const jobs = await readJobs(sweep.folder);
  if (jobs.length === 0) return new Map();
  const queued = await queuedTrials(sweep);
  for (const trial of sweep.trials) {
    const index = indexOf(sweep, trial);
    const job = jobs.findLast(({ tasks }) => tasks.includes(index));
    if (job && !queued.has(trial.id)) await settle(sweep.folder, trial, job.job, index);
  }
  return queued;
}

async function settle(folder: string, trial: PlannedTrial, job: string, index: number): Promise<void> {
  const { state } = await trialState(trial);
  if (state !== 'waiting' && state !== 'stopped') return;
  const ended = await endedState(job, index);
  const reason = REASONS[ended ?? ''] ?? `ended without a result or a reason${ended ? ` (${ended})` : ''}`;
  const log = logOfTask(folder, job, index);
  await recordFailure(
    trial,
    new ReasVqaError(`Slurm task ${job}_${index} ${reason}; its output: ${log}`, EXIT.unexpected),
  );
}

const REASONS: Record<string, string> = {
  OUT_OF_MEMORY: 'was killed for memory (OUT_OF_MEMORY); ask for more with --mem, or lower train.batch',
  TIMEOUT: 'reached its time limit before it could save a checkpoint (TIMEOUT); ask for more with --time',
  CANCELLED: 'was cancelled (CANCELLED)',
  NODE_FAIL: 'was lost with its node (NODE_FAIL)',
  PREEMPTED: 'was preempted and not requeued (PREEMPTED)',
};
