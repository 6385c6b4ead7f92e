/** Runs a sweep: its plan, the trials that are missing, and what they found. */
import { DataError, Interrupted, messageOf, ReasVqaError } from '../base/errors.js';
import { holdFolder } from '../base/lock.js';
import { type ComparedSetting, compareSweep } from './comparisons.js';
import type { EngineChoice, Executor } from './executor.js';
import { drawSweepFigure } from './figure.js';
import {
  fileChangedSince,
  isSweep,
  makeSweepFolder,
  type PlannedTrial,
  planSweep,
  readSweep,
  type Sweep,
  type TrialState,
  trialStates,
} from './folder.js';
import { collect } from './results.js';
import type { SweepSpec } from './spec.js';
import { runInOrder } from './stages.js';
import { type ComparedTask, compareTasks } from './taskComparisons.js';

export interface RunSweepRequest {
  folder: string;
  /** What is asked for; the plan that the folder has unless given. */
  spec?: SweepSpec;
  protocol?: 'full' | 'halving';
  executor: Executor;
  engine: EngineChoice;
  signal: AbortSignal;
  say: (line: string) => void;
}

export interface SweepResult {
  sweep: Sweep;
  /** Every trial's, in the order of the plan. */
  states: TrialState[];
  /** Every setting beside the first one. */
  compared: ComparedSetting[];
  /** The same for the metrics of other tasks than choice. */
  comparedTasks: ComparedTask[];
  /** Path of the figure's SVG, where one was drawn. */
  figure: string | undefined;
}

/**
 * Plans, runs what is missing, and writes results.csv, comparisons.csv and the figure. The same call over the folder continues it.
 *
 * @throws UsageError when another process runs this sweep, or the folder holds another one; Interrupted when stopped
 */
export async function runSweep(request: RunSweepRequest): Promise<SweepResult> {
  const { folder, spec, protocol = 'full', executor, say } = request;
  if (!spec && !(await isSweep(folder)))
    throw new DataError(`${folder}: is not a sweep folder (plan.jsonl is missing); give the recipe to sweep`);
  await makeSweepFolder(folder);
  const release = await holdFolder(folder, { doing: 'running the sweep', option: '--sweep' });
  try {
    const sweep = spec ? await planSweep(folder, spec, protocol) : await readSweep(folder);
    const before = await trialStates(sweep);
    await requireSameFiles(before);
    const trials = missing(before);
    say(describe(before, trials));
    const { engine, signal } = request;
    try {
      await runInOrder(sweep, trials, (ready) => executor({ sweep, trials: ready, engine, signal, say }));
    } catch (error) {
      // A full disk, say, must not hide what happened.
      await collect(sweep).catch((problem) => say(messageOf(problem)));
      throw error;
    }
    const states = await collect(sweep);
    const compared = await compareSweep(sweep, states);
    const comparedTasks = await compareTasks(sweep, states);
    return { sweep, states, compared, comparedTasks, figure: await drawSweepFigure(sweep, states, say) };
  } finally {
    release();
  }
}

/** Trials to run: of equal ones the first, whose folder the others point to. */
export function missing(states: readonly TrialState[]): PlannedTrial[] {
  const folders = new Set<string>();
  return states.flatMap(({ trial, state }) => {
    if (state === 'done' || state === 'halved' || folders.has(trial.folder)) return [];
    folders.add(trial.folder);
    return [trial];
  });
}

function describe(states: readonly TrialState[], trials: readonly PlannedTrial[]): string {
  const done = states.filter(({ state }) => state === 'done');
  const elsewhere = done.filter(({ trial }) => trial.from !== undefined).length;
  const from = elsewhere > 0 ? ` (${elsewhere} in other sweeps)` : '';
  return `${states.length} trials: ${done.length} done${from}, ${trials.length} to run`;
}

/** Numbers from two versions of a file are not one sweep. */
async function requireSameFiles(states: readonly TrialState[]): Promise<void> {
  for (const state of states) {
    const changed = await fileChangedSince(state);
    const { id, folder } = state.trial;
    if (changed)
      throw new DataError(
        `${changed}: has changed since trial ${id} was trained (${folder}); restore it or use another --sweep folder`,
      );
  }
}

/** What to say about trials that are neither done nor failed though the executor has ended; undefined when all are. */
export function unfinishedOf(states: readonly TrialState[]): Interrupted | undefined {
  const left = states.filter(({ state }) => state === 'waiting' || state === 'stopped');
  const [first] = left;
  if (!first) return undefined;
  const one = left.length === 1;
  return new Interrupted(
    `${left.length} of ${states.length} trials ${one ? 'is' : 'are'} not finished (${first.trial.id}${one ? '' : ' and others'}); run the same command again to continue`,
  );
}

/** What to say about trials that failed, with the exit code of the first; undefined when none did. */
export function failureOf(states: readonly TrialState[]): ReasVqaError | undefined {
  const failed = states.filter(({ state }) => state === 'failed');
  const [first] = failed;
  if (!first) return undefined;
  const { message, exitCode } = first.error!;
  return new ReasVqaError(
    `${failed.length} of ${states.length} trials failed, ${first.trial.id} with: ${message}; the same command tries them again`,
    exitCode,
  );
}
