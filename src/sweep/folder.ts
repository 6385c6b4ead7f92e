/**
 * The files of a sweep:
 *   sweep.json    what every trial has in common: the hash of each arm's recipe, the swept keys, figure, protocol
 *   plan.jsonl    one line a trial: id, settings, configuration
 *   trials/<id>/  a run folder (src/training/run/folder.ts), and error.json where the last attempt failed
 *   results.csv   one row a trial, from the run folders (results.ts)
 *
 * The same command over the folder continues it. A wider grid over the same recipe adds its trials to the plan.
 */
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { z } from 'zod';
import { DataError, EXIT, type ExitCode, messageOf, ReasVqaError, UsageError } from '../base/errors.js';
import { isFile, makeFolder, writeFileAtomic } from '../base/files.js';
import { isRecord } from '../base/values.js';
import type { Config } from '../config/schema.js';
import { configDifference, identity, type RunResult, readResult, runPaths } from '../training/run/folder.js';
import { changedFile, fileHashes } from '../training/run/provenance.js';
import type { Settings } from './axes.js';
import type { SweepSpec, Trial } from './spec.js';

const infoSchema = z.object({
  version: z.literal(1),
  bases: z.record(z.string(), z.string()),
  keys: z.array(z.string()),
  figure: z.union([z.literal(3), z.literal(4)]).optional(),
  /** `halving` where trials were stopped early (src/sweep/halving.ts): another protocol, named with every result. */
  protocol: z.enum(['full', 'halving']),
});

/** What sweep.json says. */
export type SweepInfo = z.output<typeof infoSchema>;

const planSchema = z.object({
  id: z.string().regex(/^[^/\\]+$/),
  arm: z.string().optional(),
  settings: z.record(z.string(), z.unknown()),
  identity: z.string(),
  /** Run folder of another plan, relative to the sweep's, that finished the same configuration. */
  from: z.string().optional(),
  /** The trial whose run is this one's model.adapter. */
  startsFrom: z.string().optional(),
  config: z.record(z.string(), z.unknown()),
});

/** A trial with its place. */
export interface PlannedTrial extends Trial {
  from?: string | undefined;
  /** Its run folder: below `trials`, or another plan's. */
  folder: string;
}

export interface Sweep {
  folder: string;
  info: SweepInfo;
  trials: PlannedTrial[];
}

export interface SweepPaths {
  folder: string;
  info: string;
  plan: string;
  trials: string;
  results: string;
}

export function sweepPaths(folder: string): SweepPaths {
  const at = (name: string) => join(folder, name);
  return {
    folder,
    info: at('sweep.json'),
    plan: at('plan.jsonl'),
    trials: at('trials'),
    results: at('results.csv'),
  };
}

/** Whether a folder holds a sweep. */
export async function isSweep(folder: string): Promise<boolean> {
  return isFile(sweepPaths(folder).plan);
}

/**
 * Writes the plan of a sweep, or adds trials to it. Trials that another sweep beside this one has finished are taken from
 * there.
 *
 * @param protocol how trials are trained; a folder has one
 * @throws UsageError when the folder holds a sweep of another recipe or protocol
 */
export async function planSweep(
  folder: string,
  spec: SweepSpec,
  protocol: SweepInfo['protocol'] = 'full',
): Promise<Sweep> {
  const paths = sweepPaths(folder);
  const sweep = await previewSweep(folder, spec, protocol);
  await makeSweepFolder(folder);
  await writeFileAtomic(paths.info, `${JSON.stringify(sweep.info, null, 2)}\n`);
  const lines = sweep.trials.map((trial) => `${JSON.stringify(planLine(trial))}\n`);
  await writeFileAtomic(paths.plan, lines.join(''));
  return sweep;
}

/** @throws DataError when it cannot be made, UsageError when it is a run's */
export async function makeSweepFolder(folder: string): Promise<void> {
  if (await stat(runPaths(folder).config).catch(() => undefined))
    throw new UsageError(`${folder}: is a run folder (it has config.yaml); use another --sweep folder`);
  await makeFolder(sweepPaths(folder).trials).catch((error) => {
    throw new DataError(
      `${folder}: cannot be made or written to (${messageOf(error)}); use another --sweep folder`,
      { cause: error },
    );
  });
}

/** The sweep that {@link planSweep} would write. */
export async function previewSweep(
  folder: string,
  spec: SweepSpec,
  protocol: SweepInfo['protocol'] = 'full',
): Promise<Sweep> {
  const before = (await isSweep(folder)) ? await readSweep(folder) : undefined;
  if (before) requireSame(before, spec, protocol);
  const keys = mergedKeys(before?.info.keys ?? [], spec.keys);
  const trials = await withSources(folder, merged(folder, before?.trials ?? [], spec.trials, keys));
  requireUniqueIds(trials, folder);
  const info: SweepInfo = {
    version: 1,
    bases: { ...before?.info.bases, ...spec.bases },
    keys,
    figure: spec.figure ?? before?.info.figure,
    protocol,
  };
  return { folder, info, trials };
}

function requireSame(before: Sweep, spec: SweepSpec, protocol: SweepInfo['protocol']): void {
  const { folder, info } = before;
  for (const [arm, hash] of Object.entries(spec.bases))
    if (info.bases[arm] !== undefined && info.bases[arm] !== hash)
      throw new UsageError(
        `${folder}: holds a sweep of another recipe (${arm ? `arm ${arm}: ` : ''}${whatDiffers(before, spec, arm)}); use another --sweep folder`,
      );
  if (!Object.keys(spec.bases).some((arm) => arm in info.bases) && Object.keys(info.bases).length > 0)
    throw new UsageError(
      `${folder}: holds a sweep of other arms (${Object.keys(info.bases).join(', ')}); use another --sweep folder`,
    );
  if (info.protocol !== protocol)
    throw new UsageError(
      `${folder}: its trials follow the protocol ${info.protocol}, asked for is ${protocol}; use another --sweep folder`,
    );
}

/** The first key that an arm's trials have another value of, beside those that either sweep varies. */
function whatDiffers({ trials, info }: Sweep, spec: SweepSpec, arm: string): string {
  const configOf = (all: readonly Trial[]) => all.find((trial) => (trial.arm ?? '') === arm)?.config;
  const [then, now] = [configOf(trials), configOf(spec.trials)];
  const varied = [...info.keys, ...spec.keys];
  const derived = varied.includes('train.beta') ? ['train.alpha'] : [];
  return (then && now && configDifference(then, now, [...varied, ...derived])) ?? 'other defaults';
}

function requireUniqueIds(trials: readonly PlannedTrial[], folder: string): void {
  const ids = trials.map(({ id }) => id);
  const twice = ids.find((id, i) => ids.indexOf(id) !== i);
  if (twice)
    throw new UsageError(
      `${folder}: trial ${twice} is planned with another configuration; use another --sweep folder`,
    );
}

/**
 * The trials of a plan, then those asked for that it lacks. One that it has keeps its place and name, whatever the order
 * and number of the keys that are swept now, and so counts once.
 */
function merged(
  folder: string,
  before: readonly PlannedTrial[],
  asked: readonly Trial[],
  keys: readonly string[],
): PlannedTrial[] {
  const valuesOf = ({ arm, identity, config }: Trial) =>
    JSON.stringify([arm, identity, ...keys.map((key) => valueAt(config, key))]);
  const places = new Map(before.map((trial, i) => [valuesOf(trial), i]));
  const trials = [...before];
  /** Where each of those asked for is planned, by the name that it is asked for under. */
  const planned = new Map<string, number>();
  for (const plain of asked) {
    const start = plain.startsFrom === undefined ? undefined : trials[planned.get(plain.startsFrom)!];
    const trial = withStart(folder, withFeatures(folder, plain), start);
    const known = places.get(valuesOf(trial));
    planned.set(plain.id, known ?? trials.length);
    if (known === undefined) trials.push(placed(folder, trial));
    else trials[known] = { ...trials[known]!, settings: { ...trial.settings, ...trials[known]!.settings } };
  }
  return trials;
}

/** A trial with the run of another one as its model.adapter, which counts in its identity. */
function withStart(folder: string, trial: Trial, start: PlannedTrial | undefined): Trial {
  if (!start) return trial;
  const adapter = join(sweepPaths(folder).trials, start.id);
  const config = { ...trial.config, model: { ...trial.config.model, adapter } };
  return { ...trial, config, identity: identity(config), startsFrom: start.id };
}

const valueAt = (config: Config, key: string): unknown =>
  key.split('.').reduce<unknown>((value, name) => (isRecord(value) ? value[name] : undefined), config);

const mergedKeys = (before: readonly string[], now: readonly string[]): string[] => [
  ...now,
  ...before.filter((key) => !now.includes(key)),
];

/** A trial in its place. Kept features lie once for all trials, unless the recipe has a folder for them. */
function placed(folder: string, trial: Trial & { from?: string | undefined }): PlannedTrial {
  const place =
    trial.from === undefined ? join(sweepPaths(folder).trials, trial.id) : resolve(folder, trial.from);
  return { ...trial, folder: place };
}

function withFeatures(folder: string, trial: Trial): Trial {
  const { features } = trial.config;
  if (!features.cache || features.folder !== undefined) return trial;
  return {
    ...trial,
    config: { ...trial.config, features: { ...features, folder: join(folder, 'features') } },
  };
}

const planLine = ({ id, arm, settings, identity, from, startsFrom, config }: PlannedTrial) => ({
  ...{ id, arm, settings, identity, from, startsFrom },
  config,
});

/** @throws DataError when the folder holds no sweep, or a damaged one */
export async function readSweep(folder: string): Promise<Sweep> {
  const paths = sweepPaths(folder);
  const text = await readFile(paths.plan, 'utf8').catch(() => {
    throw notASweep(folder);
  });
  const info = await readJson(paths.info, infoSchema);
  const trials = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line, i) => placed(folder, parsePlanLine(line, `${paths.plan}:${i + 1}`)));
  return { folder, info, trials };
}

function parsePlanLine(line: string, place: string): Trial & { from?: string | undefined } {
  const parsed = parsedBy(planSchema, line);
  if (!parsed) throw new DataError(`${place}: not a trial; restore the file or use another --sweep folder`);
  const config = parsed.config as unknown as Config;
  // Its result would be another configuration's, and count for nothing.
  if (identity(config) !== parsed.identity)
    throw new DataError(
      `${place}: trial ${parsed.id} was changed since it was planned; restore the file or use another --sweep folder`,
    );
  return { ...parsed, config, settings: parsed.settings as Settings };
}

const notASweep = (folder: string) =>
  new DataError(
    `${folder}: is not a sweep folder (plan.jsonl is missing); make it with reasvqa sweep RECIPE --sweep FOLDER`,
  );

async function readJson<T>(path: string, schema: z.ZodType<T>): Promise<T> {
  const text = await readFile(path, 'utf8').catch(() => {
    throw new DataError(`${path}: missing; restore it or use another --sweep folder`);
  });
  const value = parsedBy(schema, text);
  if (value === undefined) throw new DataError(`${path}: damaged; restore it or use another --sweep folder`);
  return value;
}

function parsedBy<T>(schema: z.ZodType<T>, text: string): T | undefined {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Where a trial stands. */
export interface TrialState {
  trial: PlannedTrial;
  state: 'done' | 'halved' | 'failed' | 'stopped' | 'waiting';
  result?: RunResult;
  /** Where successive halving stopped it, and its setting's accuracy there. */
  halved?: Halved;
  /** Why the last attempt failed. */
  error?: TrialError;
}

/** What error.json says. */
export interface TrialError {
  message: string;
  exitCode: ExitCode;
}

/** What halved.json says: accuracy in percent, meaned over the setting's seeds. */
export interface Halved {
  epoch: number;
  accuracy: number;
}

/** `stopped` has a checkpoint to go on from; a result of another configuration counts for nothing. */
export async function trialState(trial: PlannedTrial): Promise<TrialState> {
  const paths = runPaths(trial.folder);
  const result = await readResult(paths).catch(() => undefined);
  if (result?.config === trial.identity) return { trial, state: 'done', result };
  const halved = parsedBy(halvedSchema, await readFile(halvedFile(trial), 'utf8').catch(() => ''));
  if (halved) return { trial, state: 'halved', halved };
  const error = parsedBy(errorSchema, await readFile(errorFile(trial), 'utf8').catch(() => ''));
  if (error) return { trial, state: 'failed', error };
  const checkpoints = await readdir(paths.checkpoints).catch(() => []);
  return { trial, state: checkpoints.some((name) => name.startsWith('step-')) ? 'stopped' : 'waiting' };
}

/** The first file that has changed since a trial that is done read it. */
export async function fileChangedSince({ trial, result }: TrialState): Promise<string | undefined> {
  return result && changedFile(result.sha256 ?? {}, await fileHashes(trial.config));
}

export async function trialStates(sweep: Sweep): Promise<TrialState[]> {
  return Promise.all(sweep.trials.map(trialState));
}

const errorSchema = z.object({ message: z.string(), exitCode: z.number() }) as z.ZodType<TrialError>;

const errorFile = ({ folder }: PlannedTrial) => join(folder, 'error.json');

const halvedSchema = z.object({ epoch: z.int(), accuracy: z.number() });

const halvedFile = ({ folder }: PlannedTrial) => join(folder, 'halved.json');

/** Remembers that successive halving stopped a trial. */
export async function recordHalved(trial: PlannedTrial, halved: Halved): Promise<void> {
  await makeFolder(trial.folder);
  await writeFileAtomic(halvedFile(trial), `${JSON.stringify(halved)}\n`);
}

/** Remembers why a trial failed; the next attempt removes it. */
export async function recordFailure(trial: PlannedTrial, error: unknown): Promise<void> {
  const exitCode = error instanceof ReasVqaError ? error.exitCode : EXIT.unexpected;
  await makeFolder(trial.folder);
  await writeFileAtomic(errorFile(trial), `${JSON.stringify({ message: messageOf(error), exitCode })}\n`);
}

export async function clearFailure(trial: PlannedTrial): Promise<void> {
  await rm(errorFile(trial), { force: true });
}

/**
 * Trials that are finished elsewhere point there: to an equal one earlier in this plan, or one of the sweeps beside this
 * folder. A place that has lost its result since is forgotten. One that others start from stays here, where they look for it.
 */
async function withSources(folder: string, trials: readonly PlannedTrial[]): Promise<PlannedTrial[]> {
  const finished = await finishedBeside(folder);
  const placedBefore = new Map<string, string>();
  const found: PlannedTrial[] = [];
  const starts = new Set(trials.flatMap(({ startsFrom }) => startsFrom ?? []));
  for (const { from: _, ...trial } of trials) {
    const own = placed(folder, trial);
    const stays = starts.has(trial.id) || (await trialState(own)).state === 'done';
    const source = stays ? undefined : (placedBefore.get(trial.identity) ?? finished.get(trial.identity));
    const place = source === undefined ? own : placed(folder, { ...trial, from: relative(folder, source) });
    placedBefore.set(trial.identity, place.folder);
    found.push(place);
  }
  return found;
}

/** Run folders of finished trials of the sweeps in the same parent folder, by identity. */
async function finishedBeside(folder: string): Promise<Map<string, string>> {
  const parent = dirname(folder);
  const found = new Map<string, string>();
  for (const name of (await readdir(parent).catch(() => [])).sort()) {
    const other = join(parent, name);
    if (name === basename(folder) || !(await isSweep(other))) continue;
    const sweep = await readSweep(other).catch(() => undefined);
    for (const trial of sweep?.info.protocol === 'full' ? sweep.trials : []) {
      const state = trial.from === undefined ? await trialState(trial) : undefined;
      if (state?.state === 'done' && (await fileChangedSince(state)) === undefined)
        found.set(trial.identity, trial.folder);
    }
  }
  return found;
}
