/** Trials that start from the run of another trial of their sweep. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DataError, UsageError } from '../../src/base/errors.js';
import { dumpConfig } from '../../src/config/load.js';
import type { Executor } from '../../src/sweep/executor.js';
import { type PlannedTrial, planSweep, sweepPaths } from '../../src/sweep/folder.js';
import { type RunSweepRequest, runSweep, unfinishedOf } from '../../src/sweep/run.js';
import { runShared } from '../../src/sweep/shared.js';
import { resolveSweep } from '../../src/sweep/spec.js';
import { startable } from '../../src/sweep/stages.js';
import { trainTrial } from '../../src/sweep/trial.js';
import { readResult, runPaths } from '../../src/training/run/folder.js';
import { reasvqa } from '../commands/support.js';
import { useFastEngine } from '../model/support.js';
import { makeWorld, type World, worldConfig } from '../training/support.js';
import { newSweepFolder } from './support.js';

let world: World;
beforeAll(async () => {
  await useFastEngine();
  world = await makeWorld(await mkdtemp(join(tmpdir(), 'reasvqa-stages-')), 0);
});
afterAll(() => rm(world.folder, { recursive: true }));

let count = 0;

/** A recipe with these arms: one epoch of adapters. @param arms YAML */
async function recipeOf(arms: string): Promise<string> {
  const path = join(world.folder, `stages-${count++}.yaml`);
  const config = await worldConfig(world, 'train.epochs=1', 'model.train=[lora]', 'features.folder=null');
  await writeFile(path, `${dumpConfig(config)}sweep:\n  arms: ${arms}\n`);
  return path;
}

const CHAIN =
  '{ cold: {}, warm: { from: cold, train.learningRate: 0.001 }, hot: { from: warm, train.learningRate: 0.002 } }';

async function requestOf(arms: string, sets: readonly string[] = []): Promise<RunSweepRequest> {
  return {
    folder: newSweepFolder(world),
    spec: await resolveSweep({ recipe: await recipeOf(arms), overrides: sets }),
    executor: runShared,
    engine: { engine: 'auto' },
    signal: new AbortController().signal,
    say: () => undefined,
  };
}

/** An executor that notes which trials it was given each time. */
function noting(inner: Executor): { executor: Executor; rounds: string[][] } {
  const rounds: string[][] = [];
  const executor: Executor = (execution) => {
    rounds.push(execution.trials.map(({ id }) => id));
    return inner(execution);
  };
  return { executor, rounds };
}

it('trains each stage after the one that it starts from, on its adapter', async () => {
  const request = await requestOf(CHAIN, ['train.seed=1,2']);
  const { executor, rounds } = noting(runShared);
  const { states, sweep } = await runSweep({ ...request, executor });
  expect(rounds).toEqual([
    ['cold-seed-1', 'cold-seed-2'],
    ['warm-seed-1', 'warm-seed-2'],
    ['hot-seed-1', 'hot-seed-2'],
  ]);
  expect(states.map(({ state }) => state)).toEqual(Array(6).fill('done'));
  const warm = sweep.trials.find(({ id }) => id === 'warm-seed-2')!;
  expect(warm.config.model.adapter).toBe(join(sweepPaths(request.folder).trials, 'cold-seed-2'));
  const { sha256 } = (await readResult(runPaths(warm.folder)))!;
  expect(Object.keys(sha256).filter((file) => file.includes('cold-seed-2'))).not.toEqual([]);
  await runSweep({ ...request, executor: () => Promise.reject(new Error('nothing is left to run')) });
});

it('leaves stages whose start is not done, and goes on from there', async () => {
  const request = await requestOf(CHAIN);
  const { executor, rounds } = noting(async (execution) =>
    rounds.length > 1 ? undefined : runShared(execution),
  );
  const stopped = await runSweep({ ...request, executor });
  expect(rounds).toEqual([['cold'], ['warm']]);
  expect(stopped.states.map(({ state }) => state)).toEqual(['done', 'waiting', 'waiting']);
  expect(unfinishedOf(stopped.states)?.message).toMatch(
    /^2 of 3 trials are not finished \(warm and others\)/,
  );
  const { trials } = stopped.sweep;
  expect((await startable(stopped.sweep, trials)).map(({ id }) => id)).toEqual(['cold', 'warm']);
  const hot = trials[2] as PlannedTrial;
  await expect(trainTrial(hot, request.signal)).rejects.toThrow(DataError);
  await expect(trainTrial(hot, request.signal)).rejects.toThrow(
    'hot: starts from warm, which is not done; train that trial first',
  );
  const second = noting(runShared);
  const { states } = await runSweep({ ...request, executor: second.executor });
  expect(second.rounds).toEqual([['warm'], ['hot']]);
  expect(states.map(({ state }) => state)).toEqual(['done', 'done', 'done']);
});

it('keeps what others start from in its own folder, though an equal trial lies beside it', async () => {
  const first = await requestOf('{ cold: {} }');
  const { sweep } = await runSweep(first);
  const folder = join(sweep.folder, '..', 'second');
  const spec = await resolveSweep({ recipe: await recipeOf('{ cold: {}, warm: { from: cold } }') });
  expect((await planSweep(folder, spec)).trials.map(({ from }) => from)).toEqual([undefined, undefined]);
  const alone = await resolveSweep({ recipe: await recipeOf('{ cold: {} }') });
  const [only] = (await planSweep(join(sweep.folder, '..', 'third'), alone)).trials;
  expect(only!.folder).toBe(sweep.trials[0]!.folder);
});

it('finds its start under the name that an earlier plan gave it', async () => {
  const request = await requestOf('{ cold: {}, warm: { from: cold } }');
  await planSweep(request.folder, request.spec!);
  const recipe = await recipeOf('{ cold: {}, warm: { from: cold } }');
  const own = request.spec!.trials[0]!.config.train.seed;
  const wider = await resolveSweep({ recipe, seeds: [own, own + 1] });
  const { trials } = await planSweep(request.folder, wider);
  expect(trials.map(({ id, startsFrom }) => [id, startsFrom])).toEqual([
    ['cold', undefined],
    ['warm', 'cold'],
    [`cold-seed-${own + 1}`, undefined],
    [`warm-seed-${own + 1}`, `cold-seed-${own + 1}`],
  ]);
  expect(await readFile(sweepPaths(request.folder).plan, 'utf8')).toContain('"startsFrom":"cold"');
});

it('takes the recipe that an arm names, from the folder of the sweep', async () => {
  await writeFile(join(world.folder, 'other.yaml'), 'extends: plain.yaml\ntrain: { epochs: 3 }\n');
  await writeFile(join(world.folder, 'plain.yaml'), dumpConfig(await worldConfig(world)));
  const recipe = await recipeOf('{ cold: {}, warm: { recipe: other.yaml, train.batch: 2, from: cold } }');
  const { trials } = await resolveSweep({ recipe });
  expect(trials.map(({ config: { train } }) => [train.epochs, train.batch])).toEqual([
    [1, 4],
    [3, 2],
  ]);
  expect(trials[1]!.startsFrom).toBe('cold');
});

it.each([
  ['{ warm: { from: cold }, cold: {} }', /arm warm: from cold, expected an arm before it$/],
  ['{ cold: {}, warm: { from: warm } }', /arm warm: from warm, expected an arm before it \(cold\)/],
  ['{ cold: {}, warm: { from: 3 } }', /arms warm from: expected a text, got 3/],
  ['{ cold: {}, warm: { recipe: none.yaml } }', /none\.yaml: no such recipe/],
  [
    '{ cold: {}, warm: { from: cold, model.adapter: x } }',
    /arm warm: model\.adapter is the run of arm cold; leave out one of them/,
  ],
])('refuses %s', async (arms, message) => {
  const asked = resolveSweep({ recipe: await recipeOf(arms) });
  await expect(asked).rejects.toThrow(UsageError);
  await expect(asked).rejects.toThrow(message);
});

it('refuses one adapter for all where an arm starts from a run', async () => {
  const asked = resolveSweep({ recipe: await recipeOf(CHAIN), overrides: ['model.adapter=x'] });
  await expect(asked).rejects.toThrow('--set model.adapter: arm warm starts from the run of arm cold');
});

it('is not halved, and hands schedulers the trials whose start is done', async () => {
  const recipe = await recipeOf('{ cold: {}, warm: { from: cold } }');
  const command = ['sweep', recipe, '--sweep', newSweepFolder(world)];
  const halved = await reasvqa([...command, '--halving']);
  expect(halved.code).toBe(2);
  expect(halved.stderr).toContain('--halving: trials start from the runs of others, which have to be whole');
  const emitted = await reasvqa([...command, '--emit', 'slurm']);
  expect(emitted.stdout).toMatch(/^#SBATCH --array=1$/m);
});
