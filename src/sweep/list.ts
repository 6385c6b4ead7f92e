/** Lists run and sweep folders below a path: where each stands and what came out. */
import { type Dirent, existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import pLimit from 'p-limit';
import { DataError, messageOf } from '../base/errors.js';
import { isHeld } from '../base/lock.js';
import { isRecord } from '../base/values.js';
import { bestOf, readEvaluations, readResult, readRunInfo, runPaths } from '../training/run/folder.js';
import { readSweep, type TrialState, trialStates } from './folder.js';
import { readJobs } from './slurm/jobs.js';

/** A run or sweep folder. What is not known is null. */
export interface Listed {
  folder: string;
  kind: 'run' | 'sweep';
  /**
   * `halved` was stopped early by its sweep's protocol; `stopped` has a checkpoint to go on from; of a
   * sweep, trials have begun, some are left and nobody works on them. `waiting` has no checkpoint yet; of a sweep, no
   * trial has begun, or Slurm has its trials, whose queue is not asked. `unreadable` holds a damaged file.
   */
  state: 'done' | 'halved' | 'running' | 'stopped' | 'failed' | 'waiting' | 'unreadable';
  /** Percent of the validation questions, at the best epoch so far; of a sweep its best trial's. */
  accuracy: number | null;
  /** One value, or of a sweep all that its trials have. */
  beta: number[];
  seed: number[];
  engine: string[];
  /** Of training. */
  hours: number | null;
  /** Of a sweep: its trials, and how many of them have nothing left to do. */
  trials?: { done: number; total: number };
}

/** Folders read at once. */
const AT_ONCE = 32;

/**
 * Looks below a path, and at the path itself. Links are not followed, nothing is looked for inside run folders.
 *
 * @param onProblem is told of folders that cannot be read
 * @returns sorted by path; the trials of a sweep follow it
 * @throws DataError when the path is no folder
 */
export async function listRuns(path: string, onProblem: (line: string) => void): Promise<Listed[]> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isDirectory())
    throw new DataError(
      `${path}: ${found ? 'is not a folder' : 'no such folder'}; give a folder with runs in it`,
    );
  const limit = pLimit(AT_ONCE);
  const listed: Listed[] = [];
  const visit = async (folder: string): Promise<void> => {
    const inside = await limit(async () => {
      try {
        const entries = await readdir(folder, { withFileTypes: true });
        const one = await look(folder, new Set(entries.map(({ name }) => name)), onProblem);
        if (one) listed.push(one);
        return one?.kind === 'run' ? [] : entries.filter(isPlace);
      } catch (error) {
        onProblem(`${folder}: cannot be read (${messageOf(error)})`);
        return [];
      }
    });
    await Promise.all(inside.map(({ name }) => visit(join(folder, name))));
  };
  await visit(path);
  return listed.sort((a, b) => comparePaths(relative(path, a.folder), relative(path, b.folder)));
}

const isPlace = (entry: Dirent) =>
  entry.isDirectory() && !entry.name.startsWith('.') && entry.name !== 'node_modules';

const { compare } = new Intl.Collator('en', { numeric: true });

/** Part by part, so that what lies in a folder follows it; numbers in names by their value. */
function comparePaths(a: string, b: string): number {
  const [left, right] = [a.split(sep), b.split(sep)];
  const at = left.findIndex((part, i) => part !== right[i]);
  if (at < 0) return left.length - right.length;
  return right[at] === undefined ? 1 : compare(left[at]!, right[at]) || (left[at]! < right[at] ? -1 : 1);
}

async function look(
  folder: string,
  names: ReadonlySet<string>,
  onProblem: (line: string) => void,
): Promise<Listed | undefined> {
  const isRun =
    names.has('config.yaml') && ['run.json', 'checkpoints', 'result.json'].some((n) => names.has(n));
  // A trial may have failed before it was a run.
  const isTrial =
    (names.has('error.json') || names.has('halved.json')) && basename(dirname(folder)) === 'trials';
  const kind = names.has('plan.jsonl') ? 'sweep' : isRun || isTrial ? 'run' : undefined;
  if (!kind) return undefined;
  try {
    return kind === 'sweep' ? await sweepAt(folder) : await runAt(folder, names);
  } catch (error) {
    onProblem(messageOf(error));
    return { folder, kind, state: 'unreadable', ...nothing(), hours: null };
  }
}

const nothing = () => ({ accuracy: null, beta: [], seed: [], engine: [] });

async function runAt(folder: string, names: ReadonlySet<string>): Promise<Listed> {
  const paths = runPaths(folder);
  const result = names.has('result.json') ? await readResult(paths) : undefined;
  if (result)
    return {
      ...{ folder, kind: 'run', state: 'done' },
      accuracy: percent(result.score?.total),
      ...{ beta: [result.beta], seed: [result.seed], engine: engineOf(result.engine) },
      hours: Number.isFinite(result.seconds) ? result.seconds / 3600 : null,
    };
  const [held, best, { engine }, steps] = await Promise.all([
    isHeld(folder),
    readEvaluations(paths).then(bestOf),
    readRunInfo(paths),
    checkpointNames(paths.checkpoints),
  ]);
  const last = steps.at(-1);
  return {
    ...{ folder, kind: 'run' },
    state: held ? 'running' : unfinishedState(names, last !== undefined),
    accuracy: percent(best?.score?.total),
    ...(await settingsOf(paths.config)),
    engine: names.has('run.json') ? engineOf(engine) : [],
    hours: last ? await hoursOf(join(paths.checkpoints, last, 'state.json')) : null,
  };
}

function unfinishedState(names: ReadonlySet<string>, hasCheckpoint: boolean): Listed['state'] {
  if (names.has('halved.json')) return 'halved';
  if (names.has('error.json')) return 'failed';
  return hasCheckpoint ? 'stopped' : 'waiting';
}

const percent = (accuracy?: { correct: number; count: number }) =>
  accuracy ? (100 * accuracy.correct) / accuracy.count : null;

const engineOf = (engine: { name: string } | undefined) => (engine ? [engine.name] : []);

async function checkpointNames(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(() => [])).filter((name) => name.startsWith('step-')).sort();
}

/** Beta and seed as {@link dumpConfig} wrote them: reading the whole file as YAML takes milliseconds a run. */
async function settingsOf(config: string): Promise<Pick<Listed, 'beta' | 'seed'>> {
  const text = await readFile(config, 'utf8').catch(() => '');
  const train = /^train:\n((?: .*(?:\n|$))*)/m.exec(text)?.[1] ?? '';
  const textOf = (key: string) => new RegExp(`^ {2}${key}: (.+)$`, 'm').exec(train)?.[1];
  const numbers = (value: string | undefined) =>
    Number.isFinite(Number(value ?? 'none')) ? [Number(value)] : [];
  // Single-task training has no loss of reasoning, whatever beta says (src/training/result.ts).
  return {
    beta: textOf('mode') === 'stl' ? [0] : numbers(textOf('beta')),
    seed: numbers(textOf('seed')),
  };
}

async function hoursOf(state: string): Promise<number | null> {
  const text = await readFile(state, 'utf8').catch(() => 'null');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new DataError(`${state}: not the state of a checkpoint; remove its folder`, { cause: error });
  }
  return isRecord(value) && typeof value.seconds === 'number' ? value.seconds / 3600 : null;
}

async function sweepAt(folder: string): Promise<Listed> {
  const sweep = await readSweep(folder);
  const states = await trialStates(sweep);
  const configs = sweep.trials.map(({ config }) => config);
  const distinct = <T>(values: T[]) => [...new Set(values)];
  const results = states.flatMap(({ result }) => result ?? []);
  const accuracies = results.flatMap(({ score }) => percent(score?.total) ?? []);
  return {
    ...{ folder, kind: 'sweep', state: await sweepState(folder, states) },
    accuracy: accuracies.length > 0 ? Math.max(...accuracies) : null,
    beta: distinct(configs.map(({ train }) => (train.mode === 'stl' ? 0 : train.beta))),
    seed: distinct(configs.map(({ train }) => train.seed)),
    engine: distinct(results.flatMap(({ engine }) => engineOf(engine))),
    hours: results.reduce((sum, { seconds }) => sum + seconds, 0) / 3600,
    trials: { done: states.filter(({ state }) => isOver(state)).length, total: states.length },
  };
}

const isOver = (state: TrialState['state']) => state === 'done' || state === 'halved';

/** Failed is a sweep in which nothing but failed trials is left to do; a trial that has begun has its folder. */
async function sweepState(folder: string, states: readonly TrialState[]): Promise<Listed['state']> {
  const left = states.filter(({ state }) => !isOver(state));
  if (left.length === 0) return 'done';
  const places = [folder, ...left.map(({ trial }) => trial.folder)].filter((place) => existsSync(place));
  if ((await Promise.all(places.map(isHeld))).includes(true)) return 'running';
  if (left.every(({ state }) => state === 'failed')) return 'failed';
  const hasBegun = states.some(({ trial }) => existsSync(trial.folder));
  return hasBegun && (await readJobs(folder)).length === 0 ? 'stopped' : 'waiting';
}
