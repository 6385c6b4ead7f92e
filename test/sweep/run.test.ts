import { mkdirSync } from 'node:fs';
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DataError, Interrupted } from '../../src/base/errors.js';
import { holdFolder } from '../../src/base/lock.js';
import type { Executor } from '../../src/sweep/executor.js';
import { sweepPaths } from '../../src/sweep/folder.js';
import { failureOf, type RunSweepRequest, runSweep, unfinishedOf } from '../../src/sweep/run.js';
import { runShared } from '../../src/sweep/shared.js';
import { useFastEngine } from '../model/support.js';
import { makeWorld, signalAtLook, type World } from '../training/support.js';
import { newSweepFolder, specOf } from './support.js';

let world: World;
let said: string[];
beforeAll(async () => {
  await useFastEngine();
  world = await makeWorld(await mkdtemp(join(tmpdir(), 'reasvqa-sweep-')));
});
beforeEach(() => {
  said = [];
});
afterAll(() => rm(world.folder, { recursive: true }));

const GRID = ['train.beta=0,0.8', 'train.epochs=1'];

async function requestOf(sets: readonly string[], folder = newSweepFolder(world)): Promise<RunSweepRequest> {
  return {
    ...{ folder, spec: await specOf(world, sets), executor: runShared, engine: { engine: 'auto' } },
    ...{ signal: new AbortController().signal, say: (line: string) => said.push(line) },
  };
}

const resultsOf = async (folder: string) => readFile(sweepPaths(folder).results, 'utf8');

describe('runSweep', () => {
  it('trains what is missing, collects, draws figure 4, and does nothing the second time', async () => {
    const request = await requestOf(GRID);
    const { states, figure } = await runSweep(request);
    expect(states.map(({ state }) => state)).toEqual(['done', 'done']);
    expect(figure).toBe(join(request.folder, 'figure4.svg'));
    for (const name of ['figure4.csv', 'figure4.png', 'figure4.svg', 'figure4.vl.json'])
      expect(await readdir(request.folder)).toContain(name);
    const [results, svg] = [await resultsOf(request.folder), await readFile(figure!)];
    const executor: Executor = () => Promise.reject(new Error('nothing is left to run'));
    await runSweep({ ...request, executor });
    expect(said).toEqual(['2 trials: 0 done, 2 to run', '2 trials: 2 done, 0 to run']);
    expect(await resultsOf(request.folder)).toBe(results);
    expect(await readFile(figure!)).toEqual(svg);
  });

  it('trains a trial again whose folder was deleted by hand, to the same results', async () => {
    const request = await requestOf(GRID);
    const { sweep } = await runSweep(request);
    const before = (await resultsOf(request.folder)).split('\n');
    await rm(sweep.trials[1]!.folder, { recursive: true });
    await runSweep(request);
    const after = (await resultsOf(request.folder)).split('\n');
    expect(after[1]).toBe(before[1]);
    expect(after[2]!.split(',').slice(0, 8)).toEqual(before[2]!.split(',').slice(0, 8));
  });

  it('does not take results of files that have changed since', async () => {
    const own = await makeWorld(await mkdtemp(join(world.folder, 'changing-')));
    const request = { ...(await requestOf([])), spec: await specOf(own, GRID) };
    await runSweep(request);
    await appendFile(join(own.data, 'refined.jsonl'), '\n');
    await expect(runSweep(request)).rejects.toThrow(DataError);
    await expect(runSweep(request)).rejects.toThrow(
      /refined\.jsonl: has changed since trial beta-0 was trained/,
    );
  });

  it('plans nothing in a folder where another process runs a sweep', async () => {
    const request = await requestOf(GRID);
    await runSweep({ ...request, executor: async () => undefined });
    const before = await readFile(sweepPaths(request.folder).plan, 'utf8');
    const release = await holdFolder(request.folder);
    try {
      const wider = { ...request, spec: await specOf(world, ['train.beta=0,0.3,0.8', 'train.epochs=1']) };
      await expect(runSweep(wider)).rejects.toThrow(/process \d+ is running the sweep in it/);
    } finally {
      release();
    }
    expect(await readFile(sweepPaths(request.folder).plan, 'utf8')).toBe(before);
  });

  it('throws what stopped it, though results.csv cannot be written either', async () => {
    const request = await requestOf(GRID);
    const executor: Executor = async ({ sweep }) => {
      await mkdir(sweepPaths(sweep.folder).results);
      throw new Interrupted('stopped');
    };
    await expect(runSweep({ ...request, executor })).rejects.toThrow(Interrupted);
    expect(said.at(-1)).toMatch(/results\.csv: could not be written/);
  });

  it('goes on where a failure cannot be recorded, and says so', async () => {
    const request = await requestOf(['train.learningRate=1e30,3e-3', 'train.epochs=1']);
    const executor: Executor = (execution) => {
      const block = () => {
        for (const { folder } of execution.trials)
          mkdirSync(join(folder, 'error.json', 'x'), { recursive: true });
      };
      return runShared({ ...execution, signal: signalAtLook(1e9, block) });
    };
    const { states } = await runSweep({ ...request, executor });
    expect(states.map(({ state }) => state)).toEqual(['waiting', 'done']);
    expect(unfinishedOf(states)).toBeInstanceOf(Interrupted);
    expect(unfinishedOf(states)!.message).toMatch(/1 of 2 trials is not finished \(learningRate-1e\+30\)/);
  });

  it('does not run in a folder where another process does', async () => {
    const request = await requestOf(GRID);
    await runSweep({ ...request, executor: async () => undefined });
    const release = await holdFolder(request.folder);
    try {
      await expect(runSweep(request)).rejects.toThrow(/process \d+ is running the sweep in it/);
    } finally {
      release();
    }
  });

  it('collects what there is when it is stopped', async () => {
    const request = await requestOf(GRID);
    await expect(runSweep({ ...request, signal: signalAtLook(3) })).rejects.toThrow(Interrupted);
    expect(await resultsOf(request.folder)).toMatch(/^beta-0,.*,stopped,/m);
  });

  it('says which trial failed and how, with its exit code', async () => {
    const request = await requestOf(['train.learningRate=1e-3,1e30', 'train.epochs=1']);
    const { states } = await runSweep(request);
    const failure = failureOf(states)!;
    expect(failure.exitCode).toBe(1);
    expect(failure.message).toMatch(/^1 of 2 trials failed, learningRate-1e\+30 with: loss is NaN/);
    expect(await resultsOf(request.folder)).toMatch(/,failed,.*loss is NaN/);
    expect(failureOf(states.filter(({ state }) => state === 'done'))).toBeUndefined();
  });

  it('counts nothing that is half written', async () => {
    const request = await requestOf(GRID);
    const { sweep } = await runSweep(request);
    const result = join(sweep.trials[0]!.folder, 'result.json');
    const whole = await readFile(result, 'utf8');
    await writeFile(result, whole.slice(0, 100));
    const { states } = await runSweep({ ...request, executor: async () => undefined });
    expect(states.map(({ state }) => state)).toEqual(['stopped', 'done']);
  });

  it('asks for a recipe where the folder has no plan', async () => {
    const { spec: _, ...request } = await requestOf(GRID);
    await expect(runSweep(request)).rejects.toThrow(/is not a sweep folder .*give the recipe to sweep/);
  });
});
