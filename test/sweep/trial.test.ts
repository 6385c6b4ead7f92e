import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataError, Interrupted } from '../../src/base/errors.js';
import { holdFolder } from '../../src/base/lock.js';
import { recordFailure, type Sweep, trialState } from '../../src/sweep/folder.js';
import { endOfStatus } from '../../src/sweep/process.js';
import { recordEnd, trainTrial } from '../../src/sweep/trial.js';
import { reasvqa } from '../commands/support.js';
import { useFastEngine } from '../model/support.js';
import { makeWorld, type World } from '../training/support.js';
import { planBetas } from './smallSweep.js';

let scratch: string;
let world: World;
let sweep: Sweep;
let sweeps = 0;
beforeAll(async () => {
  await useFastEngine();
  scratch = await mkdtemp(join(tmpdir(), 'reasvqa trial '));
  world = await makeWorld(join(scratch, 'world'));
  sweep = await newSweep();
});
afterAll(() => rm(scratch, { recursive: true }));

const newSweep = () => planBetas(world, join(scratch, `${sweeps++}`, 'sweep'), [0, 0.5], 'train.epochs=1');
const never = () => new AbortController().signal;

describe('one trial of a plan', () => {
  it('remembers why it failed until it is tried again', async () => {
    const trial = sweep.trials[0]!;
    const file = trial.config.data.train!;
    await rename(file, `${file}.gone`);
    await expect(trainTrial(trial, never())).rejects.toBeInstanceOf(DataError);
    await rename(`${file}.gone`, file);
    const { state, error } = await trialState(trial);
    expect([state, error!.exitCode]).toEqual(['failed', 3]);
    expect(error!.message).toContain(file);

    await trainTrial(trial, never());
    expect(await trialState(trial)).toMatchObject({ state: 'done' });
  });

  it('has not failed when it is told to stop', async () => {
    const trial = sweep.trials[1]!;
    await expect(trainTrial(trial, AbortSignal.abort())).rejects.toBeInstanceOf(Interrupted);
    expect(await trialState(trial)).toMatchObject({ state: 'stopped' });
  });

  it.skipIf(process.platform !== 'linux')(
    'is to be tried later while another process trains in it',
    async () => {
      const trial = (await newSweep()).trials[0]!;
      await mkdir(trial.folder, { recursive: true });
      const release = await holdFolder(trial.folder);
      const held = trainTrial(trial, never());
      await expect(held).rejects.toBeInstanceOf(Interrupted);
      await expect(held).rejects.toThrow(/another process is training in it/);
      release();
      expect(await trialState(trial)).toMatchObject({ state: 'waiting' });
    },
  );

  it('is not trained in the folder of another sweep', async () => {
    const trial = { ...sweep.trials[1]!, from: '../other/trials/beta-0.5' };
    await expect(trainTrial(trial, never())).rejects.toThrow(/its result was to come from/);
  });
});

describe('the end of its process', () => {
  it.each([
    [137, /killed \(SIGKILL\).*memory/],
    [139, /ended by SIGSEGV/],
    [143, /told to stop \(SIGTERM\)/],
    [127, /ended with exit code 127/],
    [255, /ended with exit code 255/],
  ])('with status %i is recorded', async (status, message) => {
    const trial = (await newSweep()).trials[0]!;
    await recordEnd(trial, endOfStatus(status), '/logs/1.log');
    const { error } = await trialState(trial);
    expect(error!.message).toMatch(message);
    expect(error!.message).toContain('/logs/1.log');
  });

  it('does not replace a reason that is there, or a result', async () => {
    const [done, failed] = sweep.trials as [Sweep['trials'][0], Sweep['trials'][0]];
    await recordFailure(failed, new DataError('no data'));
    for (const trial of [done, failed]) await recordEnd(trial, endOfStatus(137), 'log');
    expect(await trialState(done)).toMatchObject({ state: 'done' });
    expect(await trialState(failed)).toMatchObject({ error: { message: 'no data', exitCode: 3 } });
  });
});

describe('reasvqa sweep trial', () => {
  it('prints a trial that is done, by its name or its line of the plan', async () => {
    for (const which of [['beta-0'], ['--index', '1']]) {
      const { code, stdout } = await reasvqa(['sweep', 'trial', sweep.folder, ...which]);
      expect(stdout).toMatch(/^beta-0: best accuracy /);
      expect(code).toBe(0);
    }
  });

  it('records for a job script how the process of a trial ended', async () => {
    const { folder, trials } = await newSweep();
    const env = { SLURM_ARRAY_JOB_ID: '12', SLURM_ARRAY_TASK_ID: '2' };
    const { code, stderr } = await reasvqa(['sweep', 'trial', folder, '--index', '2', '--ended', '137'], {
      env,
    });
    expect([code, stderr]).toEqual([0, expect.stringContaining(join(folder, 'slurm', '12_2.log'))]);
    expect(await readFile(join(trials[1]!.folder, 'error.json'), 'utf8')).toContain('SIGKILL');
  });

  it.each<[string, () => string[], number, RegExp]>([
    [
      'a line past the end',
      () => [sweep.folder, '--index', '3'],
      2,
      /--index 3: .*plan\.jsonl has the lines 1 to 2/,
    ],
    ['the line 0', () => [sweep.folder, '--index', '0'], 2, /at least 1/],
    ['a name that is none', () => [sweep.folder, 'beta-7'], 2, /beta-7: .*plan\.jsonl has no such trial/],
    ['a name and a line', () => [sweep.folder, 'beta-0', '--index', '1'], 2, /give the name of a trial, or/],
    ['neither', () => [sweep.folder], 2, /give the name of a trial, or/],
    ['a folder without a sweep', () => [world.folder, '--index', '1'], 3, /is not a sweep folder/],
    [
      'a folder that is not there',
      () => [join(scratch, 'nowhere'), '--index', '1'],
      3,
      /is not a sweep folder/,
    ],
  ])('refuses %s', async (_, words, exit, message) => {
    const { code, stderr } = await reasvqa(['sweep', 'trial', ...words()]);
    expect(stderr).toMatch(message);
    expect(code).toBe(exit);
  });

  it('refuses a damaged line of the plan, by its place', async () => {
    const { folder } = await newSweep();
    const plan = join(folder, 'plan.jsonl');
    await writeFile(plan, (await readFile(plan, 'utf8')).replace('"id":"beta-0.5"', '"id":'));
    const { code, stderr } = await reasvqa(['sweep', 'trial', folder, '--index', '1']);
    expect(stderr).toContain(`${plan}:2: not a trial`);
    expect(code).toBe(3);
  });
});
