/**
 * The files of one run:
 *   config.yaml           the resolved configuration      run.json      versions, engine, seeds, hashes
 *   metrics.jsonl         and events.out.tfevents.*       checkpoints/  see checkpoint.ts
 *   evaluations.json      accuracy by epoch               predictions/  answers of every evaluation
 *   predictions.jsonl     answers of the best epoch       result.json   written last: the run is done
 */
import { readFile, stat } from 'node:fs/promises';
import { arch, cpus, platform } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { DataError, messageOf, UsageError } from '../../base/errors.js';
import { isFile, makeFolder, writeFileAtomic } from '../../base/files.js';
import { isRecord } from '../../base/values.js';
import { configHash, dumpConfig } from '../../config/load.js';
import { rl as rewardKeys } from '../../config/rewardKeys.js';
import type { Config } from '../../config/schema.js';
import { type ModeScore, meritOf } from '../../evaluation/splitScore.js';
import { changedFile, fileHashes, gitCommit } from './provenance.js';
import { listCheckpoints } from './steps.js';

/** Scores after one epoch. */
export interface EpochEvaluation extends ModeScore {
  epoch: number;
  step: number;
  skipped: number;
}

/** Contents of result.json. */
export interface RunResult {
  /** 0-based epoch with the best validation score ({@link meritOf}); the last one when there is no validation split. */
  bestEpoch: number;
  bestStep: number;
  /** Choice questions at the best epoch; null without a validation split, or without such questions in it. */
  score: ModeScore['score'];
  /** At the last epoch, which nothing has chosen. */
  last: ModeScore['score'];
  /** All tasks at the best epoch, where there are others than choice. */
  tasks?: ModeScore['tasks'];
  /** Answers without reasoning at the best epoch, where eval.mode takes them behind it. */
  direct?: ModeScore['direct'];
  epochs: number;
  steps: number;
  /** Training only. */
  seconds: number;
  samplesPerSecond: number;
  /** Most memory that the process had resident so far: of all trials where several share one. */
  peakMemoryBytes: number;
  /** Most memory of the GPU; absent on other engines. */
  peakGpuBytes?: number;
  trainableParameters: number;
  beta: number;
  seed: number;
  engine: { name: string; [fact: string]: unknown };
  /** SHA-256 of the files the numbers come from, by path: annotations, reasoning and weights. */
  sha256: Record<string, string>;
  /** Hash of the configuration ({@link identity}). */
  config: string;
}

/** The part of run.json that is read again. */
export type RunInfo = Pick<RunResult, 'engine' | 'sha256'> & {
  cpu?: string | undefined;
  node?: string | undefined;
  commit?: string | undefined;
};

export interface RunPaths {
  folder: string;
  config: string;
  run: string;
  checkpoints: string;
  evaluations: string;
  predictionsOf: (epoch: number) => string;
  predictions: string;
  result: string;
}

export function runPaths(folder: string): RunPaths {
  const at = (name: string) => join(folder, name);
  return {
    folder,
    config: at('config.yaml'),
    run: at('run.json'),
    checkpoints: at('checkpoints'),
    evaluations: at('evaluations.json'),
    predictionsOf: (epoch) => join(folder, 'predictions', `epoch-${epoch}.jsonl`),
    predictions: at('predictions.jsonl'),
    result: at('result.json'),
  };
}

/** @throws DataError when the folder holds no run. */
export async function existingRun(folder: string): Promise<RunPaths> {
  const paths = runPaths(folder);
  const known = await stat(paths.config).catch(() => undefined);
  if (known === undefined)
    throw new DataError(
      `${folder}: is not a run folder (config.yaml is missing); give the folder of reasvqa train --run`,
    );
  return paths;
}

/**
 * Hash of everything that decides a run's numbers; the folder of features, how videos are read ahead and the intervals of
 * saving and logging do not.
 */
export function identity(config: Config): string {
  return configHash(decisive(config));
}

/**
 * {@link identity} of a run that may go on. The rules that stop training by rewards are at their defaults: they decide no number,
 * and one that stopped a run is changed for it to go on.
 */
export function resumption(config: Config): string {
  return identity(withDefaultStops(config));
}

function withDefaultStops(config: Config): Config {
  const { stopNoSpread, stopKl, stopFormat } = rewardKeys.parse({});
  const rl = { ...config.train?.rl, stopNoSpread, stopKl, stopFormat };
  return { ...config, train: { ...config.train, rl } };
}

/**
 * The first key in which two configurations differ, as `train.epochs was 2, is now 3`.
 *
 * @param except keys that may differ
 */
export function configDifference(
  before: Config,
  now: Config,
  except: readonly string[] = [],
): string | undefined {
  const [a, b] = [before, now].map(
    (config) => structuredClone(decisive(config)) as unknown as Record<string, unknown>,
  );
  for (const key of except)
    for (const values of [a!, b!]) {
      const [section, name] = key.split(/\.(.*)/s);
      if (isRecord(values[section!])) delete (values[section!] as Record<string, unknown>)[name!];
    }
  return firstDifference(a, b);
}

function decisive(config: Config): Config {
  const { features, ...rest } = config;
  const { workers: _workers, ahead: _ahead, ...data } = config.data;
  const { checkpointEverySteps: _every, logEverySteps: _log, lengthBuckets, rl, ...train } = config.train;
  // A run that was made before there was the key has it off.
  const order = lengthBuckets ? { lengthBuckets } : {};
  const rewarded = train.mode === 'rl' ? { rl } : {};
  const stored = decisiveFeatures(features, config.video?.sampling);
  return { ...rest, data, train: { ...train, ...order, ...rewarded }, ...stored } as Config;
}

/** What stored features change in the numbers: those rounded to bf16, and frames drawn of those that are kept. */
function decisiveFeatures(kept: Partial<Config['features']> = {}, sampling?: string) {
  const { cache, dtype, frames } = kept;
  const rounded = cache && dtype === 'bf16' ? { dtype } : {};
  const drawn = cache && sampling === 'random' ? { frames } : {};
  const features = { ...rounded, ...drawn };
  return Object.keys(features).length > 0 ? { features } : {};
}

/** @throws DataError when it cannot be made. */
export async function makeRunFolder(folder: string): Promise<RunPaths> {
  const paths = runPaths(folder);
  for (const path of [join(folder, 'predictions'), paths.checkpoints])
    await makeFolder(path).catch((error) => {
      throw new DataError(
        `${folder}: cannot be made or written to (${messageOf(error)}); use another --run folder`,
        { cause: error },
      );
    });
  return paths;
}

/**
 * Checks that the run in the folder is this one, and writes config.yaml. A run that ended before its first checkpoint (a
 * path was wrong, a loss not finite) has nothing to lose: the folder is then this one's.
 *
 * @throws UsageError when the folder belongs to another configuration, naming the first key that differs.
 */
export async function claimRunFolder(paths: RunPaths, config: Config): Promise<void> {
  const { folder } = paths;
  const earlier = await readFile(paths.config, 'utf8').catch(() => undefined);
  let claimed = config;
  if (earlier !== undefined && (await hasLearned(paths))) {
    const before = parseFile(paths.config, earlier, (text) => parse(text) as Config);
    claimed = withGroupsOf(before, config);
    if (resumption(before) !== resumption(claimed))
      throw new UsageError(
        `${folder}: holds a run with another configuration (${firstDifference(decisive(withDefaultStops(before)), decisive(withDefaultStops(claimed))) ?? 'other defaults'}); use another --run folder`,
      );
  }
  await writeFileAtomic(paths.config, dumpConfig(claimed));
}

/** A recipe that leaves model.train to a base model that is gone by now means the groups of the run. */
function withGroupsOf(run: Config, config: Config): Config {
  return { ...config, model: { train: run.model?.train, ...config.model } };
}

/** Whether there is a whole checkpoint, or a result whose checkpoints were removed. */
async function hasLearned(paths: RunPaths): Promise<boolean> {
  return (await listCheckpoints(paths.checkpoints)).length > 0 || (await isFile(paths.result));
}

/** @throws DataError in one line for a file that was damaged since it was written. */
function parseFile<T>(path: string, text: string, parseText: (text: string) => T): T {
  try {
    const value = parseText(text);
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // Said below: a parser's own message can be many lines.
  }
  throw new DataError(`${path}: damaged; restore it or use another --run folder`);
}

function firstDifference(a: unknown, b: unknown, path = ''): string | undefined {
  if (isRecord(a) && isRecord(b)) {
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
      const found = firstDifference(a[key], b[key], path ? `${path}.${key}` : key);
      if (found) return found;
    }
    return undefined;
  }
  const [before, now] = [JSON.stringify(a), JSON.stringify(b)];
  return before === now ? undefined : `${path} was ${before ?? 'not set'}, is now ${now ?? 'not set'}`;
}

/**
 * Writes run.json: the origin of the run's numbers.
 *
 * @param continues the run has learned something from the files that an earlier run.json names.
 * @throws DataError when it continues and one of them has changed since.
 */
export async function writeRunInfo(
  paths: RunPaths,
  config: Config,
  engine: Record<string, unknown>,
  continues: boolean,
): Promise<void> {
  const hashes = await fileHashes(config);
  if (continues) await requireUnchanged(paths, hashes);
  const info = {
    started: new Date().toISOString(),
    node: process.version,
    platform: `${platform()}-${arch()}`,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    commit: gitCommit(),
    engine,
    seed: config.train.seed,
    sha256: hashes,
  };
  await writeFileAtomic(paths.run, `${JSON.stringify(info, null, 2)}\n`);
}

async function requireUnchanged(paths: RunPaths, hashes: Record<string, string>): Promise<void> {
  const changed = changedFile((await readRunInfo(paths)).sha256, hashes);
  if (changed !== undefined)
    throw new DataError(
      `${changed}: has changed since the run in ${paths.folder} read it; restore it or use another --run folder`,
    );
}

/** The part of run.json that is read again; empty where there is none. */
export async function readRunInfo(paths: RunPaths): Promise<RunInfo> {
  const text = await readFile(paths.run, 'utf8').catch(() => undefined);
  const info = text === undefined ? {} : parseFile(paths.run, text, (t) => JSON.parse(t) as Partial<RunInfo>);
  const { engine = { name: 'unknown' }, sha256 = {}, cpu, node, commit } = info;
  return { engine, sha256, cpu, node, commit };
}

/** Evaluations so far, by epoch. */
export async function readEvaluations(paths: RunPaths): Promise<EpochEvaluation[]> {
  const text = await readFile(paths.evaluations, 'utf8').catch(() => undefined);
  return text === undefined
    ? []
    : parseFile(paths.evaluations, text, (t) => JSON.parse(t) as EpochEvaluation[]);
}

/** The result of a finished run, undefined while it is not done. */
export async function readResult(paths: RunPaths): Promise<RunResult | undefined> {
  const text = await readFile(paths.result, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : parseFile(paths.result, text, (t) => JSON.parse(t) as RunResult);
}

/** The first evaluation with the highest score: the accuracy of choices, or the mean of the tasks' main metrics. */
export function bestOf(evaluations: readonly EpochEvaluation[]): EpochEvaluation | undefined {
  return evaluations.reduce<EpochEvaluation | undefined>(
    (best, e) => (best && meritOf(best) >= meritOf(e) ? best : e),
    undefined,
  );
}
