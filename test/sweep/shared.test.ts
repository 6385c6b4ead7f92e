import { rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Interrupted } from '../../src/base/errors.js';
import type { Config } from '../../src/config/schema.js';
import { type PlannedTrial, trialStates } from '../../src/sweep/folder.js';
import type { RunResult } from '../../src/training/run/folder.js';
import { train } from '../../src/training/train.js';
import { useFastEngine } from '../model/support.js';
import { equalMetrics, learned, makeWorld, signalAtLook, type World } from '../training/support.js';
import { makeSweep as makeSweepOf, run } from './support.js';

let scratch: string;
let world: World;
beforeAll(async () => {
  await useFastEngine();
  scratch = await mkdtemp(join(tmpdir(), 'reasvqa-shared-'));
  world = await makeWorld(join(scratch, 'world'));
});
afterAll(() => rm(scratch, { recursive: true }));

const makeSweep = (...sets: string[]) => makeSweepOf(world, sets);

/** Puts a file in the place of a run's checkpoints. */
function blockCheckpoints(folder: string): void {
  rmSync(join(folder, 'checkpoints'), { recursive: true });
  writeFileSync(join(folder, 'checkpoints'), '');
}

/** Runs by themselves, each configuration's once. */
const runsAlone = new Map<string, Promise<{ alone: string; result: RunResult }>>();

function runAlone(config: Config): Promise<{ alone: string; result: RunResult }> {
  const key = JSON.stringify(config);
  let run = runsAlone.get(key);
  if (!run) {
    const alone = join(scratch, `alone-${runsAlone.size}`);
    run = train({ config, folder: alone, engine: {} }).then((result) => ({ alone, result }));
    runsAlone.set(key, run);
  }
  return run;
}

/** What a trial learned and said, next to a run of the same configuration by itself. */
async function expectAsAlone({ id, config, folder }: PlannedTrial): Promise<void> {
  const { alone, result } = await runAlone(config);
  expect(await learned(folder), id).toEqual(await learned(alone));
  expect(equalMetrics(folder), id).toEqual(equalMetrics(alone));
  expect(await readFile(join(folder, 'predictions.jsonl'), 'utf8'), id).toBe(
    await readFile(join(alone, 'predictions.jsonl'), 'utf8'),
  );
  const shared = JSON.parse(await readFile(join(folder, 'result.json'), 'utf8'));
  for (const key of ['bestEpoch', 'score', 'last', 'steps', 'config', 'sha256'] as const)
    expect(shared[key], `${id} ${key}`).toEqual(result[key]);
}

describe('the shared executor', () => {
  it.each([
    ['kept features', ['train.beta=0,0.5,0.9', 'features.cache=true']],
    [
      'frames decoded and drawn anew',
      ['train.beta=0,0.5', 'features.cache=false', 'video.sampling=random', 'video.crop=random-resized'],
    ],
    ['gradients of several batches', ['train.beta=0,0.5', 'train.accumulate=2', 'train.clipNorm=1']],
  ])('gives every trial the bits of a run alone: %s', async (_, settings) => {
    const before = tf.memory().numTensors;
    const sweep = await makeSweep('train.seed=1,2', ...settings);
    const said = await run(sweep);
    expect(said).toEqual([]);
    expect(tf.memory().numTensors).toBe(before);
    for (const trial of sweep.trials) await expectAsAlone(trial);
  });

  it('gives bits of a run alone to trials that differ in what and how they learn', async () => {
    const sweep = await makeSweep(
      'train.mode=mtl,stl',
      'train.reasoningSet=all,correct',
      'model.train=[lora],[qformer, lora]',
      'train.epochs=1',
    );
    await run(sweep);
    for (const trial of sweep.trials) await expectAsAlone(trial);
  });

  it('lets trials whose vision model learns see with weights of their own', async () => {
    const sweep = await makeSweep(
      'model.train=[qformer],[all],[all, lora]',
      'features.cache=false',
      'train.epochs=1',
    );
    await run(sweep);
    for (const trial of sweep.trials) await expectAsAlone(trial);
  });

  it.each([2, 7, 14])('continues where it was stopped, at look %i', async (look) => {
    const sweep = await makeSweep('train.beta=0,0.8', 'train.checkpointEverySteps=2');
    const signal = signalAtLook(look);
    await expect(run(sweep, { signal })).rejects.toThrow(Interrupted);
    for (const { folder } of sweep.trials) expect(await readdir(folder)).not.toContain('result.json');
    await run(sweep);
    for (const trial of sweep.trials) await expectAsAlone(trial);
  });

  it('brings trials that stand at different places into step', async () => {
    const sweep = await makeSweep('train.beta=0,0.5,0.8', 'train.checkpointEverySteps=1');
    const [first, second] = sweep.trials;
    // The first is an epoch ahead, the second two batches, the third at the start.
    for (const [trial, look] of [
      [first!, 9],
      [second!, 2],
    ] as const)
      await expect(run(sweep, { trials: [trial], signal: signalAtLook(look) })).rejects.toThrow(Interrupted);
    await run(sweep);
    for (const trial of sweep.trials) await expectAsAlone(trial);
  });

  it('goes on without a trial that fails, and records why', async () => {
    const sweep = await makeSweep('train.beta=0,0.8', 'train.learningRate=3e-3,1e30', 'train.clipNorm=0');
    const said = await run(sweep);
    const states = await trialStates(sweep);
    const failed = states.filter(({ state }) => state === 'failed');
    expect(failed.map(({ trial }) => trial.config.train.learningRate)).toEqual([1e30, 1e30]);
    for (const { error } of failed) expect(error!.message).toMatch(/^loss is NaN at step /);
    expect(said.filter((line) => /failed: /.test(line))).toHaveLength(2);
    for (const { trial, state } of states) if (state === 'done') await expectAsAlone(trial);
    expect(states.filter(({ state }) => state === 'done')).toHaveLength(2);
  });

  it('ends each trial at its own last epoch', async () => {
    const sweep = await makeSweep('train.epochs=1,3,2');
    await run(sweep);
    for (const trial of sweep.trials) await expectAsAlone(trial);
  });

  it('goes on without a trial that cannot be opened, or whose evaluations are damaged', async () => {
    const sweep = await makeSweep('model.lora.targets=[q],[v],[nowhere]', 'train.epochs=2');
    const [first, second] = sweep.trials;
    // The second stands behind its first epoch, of which the evaluation was recorded.
    const stopped = run(sweep, { trials: [second!], signal: signalAtLook(9) });
    await expect(stopped).rejects.toThrow(Interrupted);
    await writeFile(join(second!.folder, 'evaluations.json'), '[{');
    await run(sweep);
    const states = await trialStates(sweep);
    expect(states.map(({ state }) => state)).toEqual(['done', 'failed', 'failed']);
    expect(states[1]!.error!.message).toMatch(/evaluations\.json: damaged/);
    expect(states[2]!.error!.message).toMatch(/nowhere/);
    await expectAsAlone(first!);
  });

  it('records why each trial failed where none can be opened', async () => {
    const sweep = await makeSweep('model.lora.targets=[here],[nowhere]');
    await run(sweep);
    const messages = (await trialStates(sweep)).map(({ error }) => error?.message);
    expect(messages).toEqual([expect.stringMatching(/"here"/), expect.stringMatching(/"nowhere"/)]);
  });

  it('says what failed where no checkpoint can be saved when it is stopped', async () => {
    const sweep = await makeSweep('train.beta=0,0.8');
    const signal = signalAtLook(3, (look) => {
      if (look === 2) for (const { folder } of sweep.trials) blockCheckpoints(folder);
    });
    await expect(run(sweep, { signal })).rejects.toThrow(/checkpoints/);
  });

  it('fails the trials whose data is missing and trains the others', async () => {
    const sweep = await makeSweep(
      `data.reasoning=${join(world.data, 'refined.jsonl')},${join(scratch, 'gone.jsonl')}`,
    );
    await run(sweep);
    const states = await trialStates(sweep);
    expect(states.map(({ state }) => state)).toEqual(['done', 'failed']);
    expect(states[1]!.error).toMatchObject({ exitCode: 3 });
    expect(states[1]!.error!.message).toContain('gone.jsonl');
  });

  it('trains as many at a time as memory holds, says so, and gives the same bits', async () => {
    const sweep = await makeSweep('train.beta=0,0.4,0.8,0.9', 'train.epochs=1');
    const uses: number[] = [];
    const engine = await import('../../src/engine/engine.js');
    const memory = () => {
      const use = engine.deviceMemory();
      if (!use) return undefined;
      uses.push(use.inUse);
      return { ...use, available: 1 };
    };
    const said = await run(sweep, { memory });
    if (uses.length === 0) return;
    expect(said).toContain('1 of 4 trials at a time: memory holds no more');
    for (const trial of sweep.trials) await expectAsAlone(trial);
  });

  it('trains at most as many at a time as asked for', async () => {
    const sweep = await makeSweep('train.beta=0,0.4,0.8', 'train.epochs=1');
    const said = await run(sweep, { atOnce: 2 });
    expect(said).toEqual(['2 of 3 trials at a time: as asked for']);
    for (const trial of sweep.trials) await expectAsAlone(trial);
  });
});
