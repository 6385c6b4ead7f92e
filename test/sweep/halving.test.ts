import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Interrupted, UsageError } from '../../src/base/errors.js';
import { type Sweep, sweepPaths, trialStates } from '../../src/sweep/folder.js';
import { rungs, runHalving } from '../../src/sweep/halving.js';
import { runSweep } from '../../src/sweep/run.js';
import { readEvaluations, runPaths } from '../../src/training/run/folder.js';
import { train } from '../../src/training/train.js';
import { useFastEngine } from '../model/support.js';
import { learned, makeWorld, signalAtLook, type World } from '../training/support.js';
import { executionOf, makeSweep, newSweepFolder, specOf } from './support.js';

describe('rungs', () => {
  it.each([
    [
      6,
      3,
      [
        [1, 3],
        [2, 1],
      ],
    ],
    [
      6,
      10,
      [
        [3, 3],
        [5, 1],
      ],
    ],
    [
      4,
      8,
      [
        [2, 2],
        [4, 1],
      ],
    ],
    [
      16,
      10,
      [
        [1, 8],
        [2, 4],
        [3, 2],
        [5, 1],
      ],
    ],
    [2, 1, []],
    [1, 10, []],
    [3, 2, [[1, 1]]],
  ])('of %i settings and %i epochs', (settings, epochs, expected) => {
    expect(rungs(settings, epochs).map(({ epoch, keep }) => [epoch, keep])).toEqual(expected);
  });

  it('cost less than every trial to its end, keep fewer at each, and end before the last epoch', () => {
    for (let settings = 2; settings <= 20; settings++)
      for (let epochs = 2; epochs <= 12; epochs++) {
        const all = rungs(settings, epochs);
        let [going, at, cost] = [settings, 0, 0];
        for (const { epoch, keep } of all) {
          expect(epoch).toBeGreaterThan(at);
          expect(epoch).toBeLessThan(epochs);
          expect(keep).toBeLessThan(going);
          expect(keep).toBeGreaterThanOrEqual(1);
          cost += going * (epoch - at);
          [going, at] = [keep, epoch];
        }
        expect(cost + going * (epochs - at)).toBeLessThan(settings * epochs);
      }
  });

  it('finish 6 settings in at most 3.5 times the epochs of one', () => {
    for (const epochs of [3, 6, 10]) {
      let [going, at, cost] = [6, 0, 0];
      for (const { epoch, keep } of rungs(6, epochs)) {
        cost += going * (epoch - at);
        [going, at] = [keep, epoch];
      }
      expect((cost + going * (epochs - at)) / epochs).toBeLessThanOrEqual(3.5);
    }
  });
});

describe('halving', () => {
  let world: World;
  beforeAll(async () => {
    await useFastEngine();
    world = await makeWorld(await mkdtemp(join(tmpdir(), 'reasvqa-halving-')));
  });
  afterAll(() => rm(world.folder, { recursive: true }));

  const GRID = ['train.beta=0,0.3,0.6,0.9', 'train.seed=1,2', 'train.epochs=3'];
  const epochsOf = async (sweep: Sweep) =>
    Promise.all(sweep.trials.map(async ({ folder }) => (await readEvaluations(runPaths(folder))).length));

  it('stops the worse half, and trains the rest as a full sweep does, seldom as evaluations may be', async () => {
    const sweep = await makeSweep(world, [...GRID, 'eval.everyEpochs=2'], 'halving');
    const { execution, said } = executionOf(sweep);
    await runHalving(execution);
    const states = await trialStates(sweep);
    expect((await epochsOf(sweep)).sort()).toEqual([1, 1, 1, 1, 2, 2, 3, 3]);
    expect(states.filter(({ state }) => state === 'done')).toHaveLength(2);
    expect(states.filter(({ state }) => state === 'halved')).toHaveLength(6);
    expect(said.filter((line) => line.startsWith('after epoch '))).toHaveLength(2);
    for (const { trial, state } of states) {
      if (state !== 'done') continue;
      const alone = join(world.folder, `alone-${trial.id}`);
      await train({ config: trial.config, folder: alone, engine: {} });
      expect(await learned(trial.folder)).toEqual(await learned(alone));
    }
    // No stopped setting was better, at its rung, than one that went on.
    const best = (id: string) => states.find(({ trial }) => trial.id === id)!;
    for (const { halved, trial } of states)
      if (halved?.epoch === 1) expect(best(trial.id).halved!.accuracy).toBe(halved.accuracy);
  });

  /** What a sweep that nothing stops comes to, run once for all that are stopped. */
  let whole: Promise<unknown> | undefined;
  const wholeSummary = () => {
    whole ??= (async () => {
      const sweep = await makeSweep(world, GRID, 'halving');
      await runHalving(executionOf(sweep).execution);
      return summaryOf(sweep);
    })();
    return whole;
  };
  const summaryOf = async (sweep: Sweep) =>
    (await trialStates(sweep)).map(({ trial, state, halved, result }) => [
      trial.id,
      state,
      halved,
      result?.score,
    ]);

  it.each([3, 12, 26])('chooses the same after a stop, at look %i', async (look) => {
    const broken = await makeSweep(world, [...GRID, 'train.checkpointEverySteps=1'], 'halving');
    const stopped = runHalving(executionOf(broken, { signal: signalAtLook(look) }).execution);
    await expect(stopped).rejects.toThrow(Interrupted);
    await runHalving(executionOf(broken).execution);
    expect(await summaryOf(broken)).toEqual(await wholeSummary());
  });

  it('names the protocol in results.csv, counts nothing as done that was stopped, and draws no figure', async () => {
    const folder = newSweepFolder(world);
    const said: string[] = [];
    const request = {
      ...{ folder, executor: runHalving, protocol: 'halving' as const, engine: { engine: 'auto' } },
      ...{ signal: new AbortController().signal, say: (line: string) => said.push(line) },
      spec: await specOf(world, ['train.beta=0,0.9']),
    };
    const { figure } = await runSweep(request);
    expect(figure).toBeUndefined();
    const lines = (await readFile(sweepPaths(folder).results, 'utf8')).trimEnd().split('\n');
    expect(lines.slice(1).map((line) => line.split(',').slice(4, 6))).toEqual(
      expect.arrayContaining([
        ['done', 'halving'],
        ['halved', 'halving'],
      ]),
    );
    expect(said.some((line) => /figure 4 is not drawn: .*halving/.test(line))).toBe(true);
    const before = await readFile(sweepPaths(folder).results, 'utf8');
    await runSweep(request);
    expect(await readFile(sweepPaths(folder).results, 'utf8')).toBe(before);
    await expect(runSweep({ ...request, protocol: undefined as never })).rejects.toThrow(
      /follow the protocol halving/,
    );
  });

  it('needs a validation split and one number of epochs', async () => {
    const blind = await makeSweep(world, ['train.beta=0,0.9', 'data.val=null'], 'halving');
    await expect(runHalving(executionOf(blind).execution)).rejects.toThrow(UsageError);
    const uneven = await makeSweep(world, ['train.epochs=2,3'], 'halving');
    await expect(runHalving(executionOf(uneven).execution)).rejects.toThrow(/train\.epochs 2, 3/);
  });
});
