import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataError, UsageError } from '../../src/base/errors.js';
import {
  clearFailure,
  isSweep,
  type PlannedTrial,
  planSweep,
  readSweep,
  recordFailure,
  type Sweep,
  sweepPaths,
  trialState,
  trialStates,
} from '../../src/sweep/folder.js';
import { collect } from '../../src/sweep/results.js';
import { resolveSweep } from '../../src/sweep/spec.js';
import { runPaths } from '../../src/training/run/folder.js';

let scratch: string;
let recipe: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'reasvqa-folder-'));
  recipe = join(scratch, 'recipe.yaml');
  await writeFile(recipe, 'data: { dataset: jsonl, videos: v, train: t.jsonl, val: v.jsonl }\n');
});
afterAll(() => rm(scratch, { recursive: true }));

let count = 0;
const newFolder = () => join(scratch, `sweeps-${count++}`, 'sweep');
const plan = async (folder: string, ...sets: string[]) =>
  planSweep(folder, await resolveSweep({ recipe, overrides: sets }));

/** A result as training writes it: so many of ten questions right. */
async function finish(
  { folder, identity, config }: PlannedTrial,
  correct: number,
  sha256: Record<string, string> = {},
): Promise<void> {
  const total = { correct, count: 10, accuracy: 10 * correct };
  const score = { dataset: 'jsonl', types: {}, groups: { Why: total }, total };
  await mkdir(folder, { recursive: true });
  const result = {
    ...{
      bestEpoch: 1,
      bestStep: 4,
      score,
      last: score,
      epochs: 2,
      steps: 8,
      seconds: 1.5,
      samplesPerSecond: 20,
    },
    ...{ peakMemoryBytes: 1e9, trainableParameters: 10, beta: config.train.beta, seed: config.train.seed },
    ...{ engine: { name: 'cpu' }, sha256, config: identity },
  };
  await writeFile(runPaths(folder).result, JSON.stringify(result));
}

const statesOf = async (sweep: Sweep) => (await trialStates(sweep)).map(({ state }) => state);

describe('planSweep', () => {
  it('writes a plan that is read back', async () => {
    const folder = newFolder();
    expect(await isSweep(folder)).toBe(false);
    const sweep = await plan(folder, 'train.beta=0,0.5', 'train.seed=1,2');
    expect(await isSweep(folder)).toBe(true);
    expect(await readSweep(folder)).toEqual(JSON.parse(JSON.stringify(sweep)));
    expect(await statesOf(sweep)).toEqual(['waiting', 'waiting', 'waiting', 'waiting']);
    const bytes = await readFile(sweepPaths(folder).plan, 'utf8');
    await plan(folder, 'train.beta=0,0.5', 'train.seed=1,2');
    expect(await readFile(sweepPaths(folder).plan, 'utf8')).toBe(bytes);
  });

  it('adds the trials of a wider grid and keeps those it has', async () => {
    const folder = newFolder();
    const first = await plan(folder, 'train.beta=0,0.5');
    const wider = await plan(folder, 'train.beta=0.5,0.8');
    expect(wider.trials.map(({ id }) => id)).toEqual(['beta-0', 'beta-0.5', 'beta-0.8']);
    expect(wider.trials.slice(0, 2)).toEqual(first.trials);
  });

  it.each([
    ['the axes in another order', ['train.epochs=1,2', 'train.beta=0,0.5'], 4],
    [
      'a key more, whose value was the default',
      ['train.beta=0,0.5', 'train.epochs=1,2', 'train.seed=42,7'],
      8,
    ],
    ['a key less', ['train.beta=0,0.5'], 6],
  ])('knows its trials again: %s', async (_, sets, count) => {
    const folder = newFolder();
    const first = await plan(folder, 'train.beta=0,0.5', 'train.epochs=1,2');
    const wider = await plan(folder, ...sets);
    expect(wider.trials.slice(0, 4).map(({ id }) => id)).toEqual(first.trials.map(({ id }) => id));
    expect(wider.trials).toHaveLength(count);
    expect(new Set(wider.trials.map(({ identity }) => identity)).size).toBe(count);
    const full = wider.info.keys.filter((key) => sets.some((set) => set.startsWith(key)));
    for (const { settings, config } of wider.trials.slice(0, 4))
      if (full.includes('train.seed')) expect(settings['train.seed']).toBe(config.train.seed);
  });

  it('refuses the folder of a run', async () => {
    const folder = newFolder();
    await mkdir(folder, { recursive: true });
    await writeFile(runPaths(folder).config, 'train: {}\n');
    await expect(plan(folder, 'train.beta=0,0.5')).rejects.toThrow(UsageError);
    await expect(plan(folder, 'train.beta=0,0.5')).rejects.toThrow(/is a run folder .*another --sweep/);
  });

  it.each([
    [
      'another value for all',
      ['train.beta=0,0.5', 'train.epochs=3'],
      /holds a sweep of another recipe \(train\.epochs was 10, is now 3\)/,
    ],
    ['another protocol', ['train.beta=0,0.5'], /follow the protocol full, asked for is halving/],
  ])('refuses a folder of %s', async (what, sets, message) => {
    const folder = newFolder();
    await plan(folder, 'train.beta=0,0.5');
    const spec = await resolveSweep({ recipe, overrides: sets });
    const again = planSweep(folder, spec, what === 'another protocol' ? 'halving' : 'full');
    await expect(again).rejects.toThrow(UsageError);
    await expect(again).rejects.toThrow(message);
  });

  it('takes trials from a sweep beside it that finished them, and forgets that when they are gone', async () => {
    const folder = newFolder();
    const beside = join(folder, '..', 'earlier');
    const earlier = await plan(beside, 'train.beta=0,0.5');
    await finish(earlier.trials[0]!, 7);
    const sweep = await plan(folder, 'train.beta=0,0.5,0.8');
    expect(sweep.trials.map(({ from }) => from)).toEqual(['../earlier/trials/beta-0', undefined, undefined]);
    expect(await statesOf(sweep)).toEqual(['done', 'waiting', 'waiting']);
    await rm(earlier.trials[0]!.folder, { recursive: true });
    expect((await plan(folder, 'train.beta=0,0.5,0.8')).trials.map(({ from }) => from)).toEqual(
      Array(3).fill(undefined),
    );
  });

  it('takes no trial whose files have changed since a sweep beside it read them', async () => {
    const folder = newFolder();
    const earlier = await plan(join(folder, '..', 'earlier'), 'train.beta=0,0.5');
    const file = join(scratch, 't.jsonl');
    await writeFile(file, 'as it is now');
    const now = createHash('sha256').update('as it is now').digest('hex');
    await finish(earlier.trials[0]!, 7, { [file]: now });
    await finish(earlier.trials[1]!, 7, { [file]: 'as it was' });
    const { trials } = await plan(folder, 'train.beta=0,0.5');
    expect(trials.map(({ from }) => from)).toEqual(['../earlier/trials/beta-0', undefined]);
    await rm(file);
  });

  it('trains equal trials of two arms once', async () => {
    const folder = newFolder();
    const arms = [
      { name: 'a', set: ['train.beta=0.5'] },
      { name: 'b', set: ['train.beta=0.5'] },
    ];
    const { trials } = await planSweep(folder, await resolveSweep({ recipe, arms }));
    expect(trials.map(({ from }) => from)).toEqual([undefined, 'trials/a']);
    await finish(trials[0]!, 5);
    expect((await trialStates(await readSweep(folder))).map(({ state }) => state)).toEqual(['done', 'done']);
  });

  it('does not count the result of another configuration', async () => {
    const sweep = await plan(newFolder(), 'train.beta=0,0.5');
    const [first, second] = sweep.trials;
    await finish({ ...first!, folder: second!.folder }, 9);
    expect(await statesOf(sweep)).toEqual(['waiting', 'waiting']);
  });
});

describe('readSweep', () => {
  it('says what a folder without a plan lacks', async () => {
    await expect(readSweep(scratch)).rejects.toThrow(DataError);
    await expect(readSweep(scratch)).rejects.toThrow(/is not a sweep folder \(plan\.jsonl is missing\)/);
  });
  it('names the line that is damaged', async () => {
    const folder = newFolder();
    await plan(folder, 'train.beta=0,0.5');
    const path = sweepPaths(folder).plan;
    const text = await readFile(path, 'utf8');
    await writeFile(path, text.slice(0, -20));
    await expect(readSweep(folder)).rejects.toThrow(`${path}:2: not a trial`);
    await writeFile(sweepPaths(folder).info, '{');
    await expect(readSweep(folder)).rejects.toThrow(/sweep\.json: damaged/);
  });
  it('takes no configuration that was changed by hand', async () => {
    const folder = newFolder();
    await plan(folder, 'train.beta=0,0.5');
    const path = sweepPaths(folder).plan;
    await writeFile(path, (await readFile(path, 'utf8')).replaceAll('"epochs":10', '"epochs":11'));
    await expect(readSweep(folder)).rejects.toThrow(DataError);
    await expect(readSweep(folder)).rejects.toThrow(`${path}:1: trial beta-0 was changed`);
  });
  it('says that sweep.json is missing', async () => {
    const folder = newFolder();
    await plan(folder, 'train.beta=0,0.5');
    await rm(sweepPaths(folder).info);
    await expect(readSweep(folder)).rejects.toThrow(/sweep\.json: missing; restore it/);
  });
  it('takes no trial whose name leaves the folder', async () => {
    const folder = newFolder();
    await plan(folder, 'train.beta=0,0.5');
    const path = sweepPaths(folder).plan;
    await writeFile(path, (await readFile(path, 'utf8')).replace('"beta-0"', '"../../x"'));
    await expect(readSweep(folder)).rejects.toThrow(`${path}:1: not a trial`);
  });
});

it('tells a trial that failed, one that was stopped and one that is half written', async () => {
  const sweep = await plan(newFolder(), 'train.beta=0,0.5,0.8');
  const [a, b, c] = sweep.trials;
  await recordFailure(a!, new DataError('a.csv:3: bad'));
  await mkdir(join(runPaths(b!.folder).checkpoints, 'step-00000004'), { recursive: true });
  await mkdir(c!.folder, { recursive: true });
  await writeFile(runPaths(c!.folder).result, '{"bestEpoch": 1');
  expect(await statesOf(sweep)).toEqual(['failed', 'stopped', 'waiting']);
  expect((await trialState(a!)).error).toEqual({ message: 'a.csv:3: bad', exitCode: 3 });
  await clearFailure(a!);
  expect(await statesOf(sweep)).toEqual(['waiting', 'stopped', 'waiting']);
});

it('collects one row a trial in the order of the plan, whatever its state', async () => {
  const folder = newFolder();
  const sweep = await plan(folder, 'train.beta=0,0.5', 'train.seed=1,2');
  await finish(sweep.trials[2]!, 7);
  await finish(sweep.trials[0]!, 5);
  await recordFailure(sweep.trials[1]!, new Error('said "no", twice'));
  await collect(sweep);
  const lines = (await readFile(sweepPaths(folder).results, 'utf8')).trimEnd().split('\n');
  const id = (i: number) => sweep.trials[i]!.identity;
  expect(lines).toEqual([
    'trial,arm,train.beta,train.seed,state,protocol,best_epoch,accuracy,last_accuracy,questions,accuracy_Why,engine,seconds,samples_per_second,peak_memory_bytes,config,run,error',
    `beta-0-seed-1,,0,1,done,full,2,50,50,10,50,cpu,1.5,20.00,1000000000,${id(0)},trials/beta-0-seed-1,`,
    `beta-0-seed-2,,0,2,failed,full,,,,,,,,,,${id(1)},trials/beta-0-seed-2,"said ""no"", twice"`,
    `beta-0.5-seed-1,,0.5,1,done,full,2,70,70,10,70,cpu,1.5,20.00,1000000000,${id(2)},trials/beta-0.5-seed-1,`,
    `beta-0.5-seed-2,,0.5,2,waiting,full,,,,,,,,,,${id(3)},trials/beta-0.5-seed-2,`,
  ]);
});
