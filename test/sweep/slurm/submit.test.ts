import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from 'csv-parse/sync';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UsageError } from '../../../src/base/errors.js';
import { selectEngine } from '../../../src/engine/engine.js';
import { type Sweep, sweepPaths, trialState, trialStates } from '../../../src/sweep/folder.js';
import { queuedTrials } from '../../../src/sweep/slurm/jobs.js';
import type { SlurmOptions } from '../../../src/sweep/slurm/script.js';
import { slurmExecutor } from '../../../src/sweep/slurm/submit.js';
import { train } from '../../../src/training/train.js';
import { nativeMissing } from '../../model/support.js';
import { learned, makeWorld, type World } from '../../training/support.js';
import { hasCheckpoint, planBetas, processOf } from '../smallSweep.js';
import { type Cluster, slurmMissing, startCluster } from './cluster.js';

const skipped = slurmMissing ?? nativeMissing;
const ENGINE = { engine: 'native-cpu', threads: 1 };

describe.skipIf(skipped)(`a sweep on Slurm${skipped ? `, SKIPPED: ${skipped}` : ''}`, () => {
  let scratch: string;
  let world: World;
  let cluster: Cluster;
  beforeAll(async () => {
    await selectEngine('native-cpu', { threads: 1 });
    scratch = await mkdtemp(join(tmpdir(), 'reasvqa-slurm-'));
    world = await makeWorld(join(scratch, 'world'));
    cluster = await startCluster(join(scratch, 'cluster'));
  });
  afterAll(async () => {
    await cluster?.stop();
    await rm(scratch, { recursive: true, force: true });
  });

  /** Submits what is not done; resolves to what was said. */
  async function submit(sweep: Sweep, options: SlurmOptions = {}): Promise<string> {
    const said: string[] = [];
    const states = await trialStates(sweep);
    const trials = states.filter(({ state }) => state !== 'done').map(({ trial }) => trial);
    const { signal } = new AbortController();
    await slurmExecutor(options)({ sweep, trials, engine: ENGINE, signal, say: (line) => said.push(line) });
    return said.join('\n');
  }

  /** Waits for something that jobs in the queue are to bring about. */
  async function until(sweep: Sweep, happened: () => Promise<boolean>): Promise<void> {
    for (let looks = 1; !(await happened()); looks++) {
      await sleep(20);
      // The queue is asked now and then: that takes a process.
      if (looks % 50 === 0 && (await emptyQueue()) && !(await happened()))
        throw new Error(`the queue is empty:\n${await output(sweep)}`);
    }
  }

  async function queueIsEmpty(): Promise<void> {
    while (!(await emptyQueue())) await sleep(300);
  }

  const emptyQueue = async () => (await cluster.run('squeue', '--noheader')).trim() === '';

  /** What the tasks of a sweep have printed. */
  async function output({ folder }: Sweep): Promise<string> {
    const logs = join(folder, 'slurm');
    return (
      await Promise.all((await readdir(logs)).sort().map((name) => readFile(join(logs, name), 'utf8')))
    ).join('\n');
  }

  async function rowsOf(sweep: Sweep): Promise<Record<string, string>[]> {
    return parse(await readFile(sweepPaths(sweep.folder).results), { columns: true });
  }

  it('comes to the results of undisturbed trials when tasks are told to stop, requeued and killed', async () => {
    const settings = ['train.epochs=8', 'train.checkpointEverySteps=1'];
    const sweep = await planBetas(world, join(scratch, 'it\'s 100%a "grid"'), [0, 0.5, 0.8], ...settings);
    const said = await submit(sweep);
    const job = /^job (\d+): 3 trials/m.exec(said)?.[1];
    expect(job, said).toBeDefined();

    // Before a time limit Slurm tells the script alone; at preemption and scontrol requeue every process of the job.
    await until(sweep, () => hasCheckpoint(sweep, 0));
    await cluster.run('scancel', '--batch', '--signal=TERM', `${job}_1`);
    await until(sweep, () => hasCheckpoint(sweep, 1));
    await cluster.run('scontrol', 'requeue', `${job}_2`);
    // As the kernel does where memory runs out.
    await until(sweep, () => hasCheckpoint(sweep, 2));
    process.kill((await processOf(sweep, '3'))!, 'SIGKILL');

    // What waits or runs is not submitted a second time.
    expect([...(await queuedTrials(sweep)).keys()]).toEqual(expect.arrayContaining(['beta-0', 'beta-0.5']));
    await until(sweep, async () => (await trialState(sweep.trials[2]!)).state === 'failed');
    while ((await queuedTrials(sweep)).has('beta-0.8')) await sleep(300);
    const again = await submit(sweep, { maxParallel: 2 });
    expect(again).toContain(`2 trials wait or run already, in job ${job}`);
    expect(again).toMatch(/^job \d+: 1 trials/m);

    await queueIsEmpty();
    const rows = await rowsOf(sweep);
    expect(rows.map(({ trial, state, error }) => [trial, state, error])).toEqual(
      ['beta-0', 'beta-0.5', 'beta-0.8'].map((id) => [id, 'done', '']),
    );
    for (const { id, folder, config } of sweep.trials.slice(0, 2)) {
      const whole = join(scratch, 'whole', id);
      await train({ config, folder: whole });
      expect(await learned(folder), id).toEqual(await learned(whole));
    }
    const stops = (await output(sweep)).match(/stopped at step \d+ with a checkpoint/g);
    expect(stops).toHaveLength(2);
  });

  it('leaves a task that is cancelled out of the queue, with its checkpoint, and says so when it collects', async () => {
    const sweep = await planBetas(
      world,
      join(scratch, 'cancelled'),
      [0.5],
      'train.epochs=500',
      'train.checkpointEverySteps=1',
    );
    const job = /^job (\d+): 1 trials/m.exec(await submit(sweep))?.[1];
    await until(sweep, () => hasCheckpoint(sweep, 0));
    await cluster.run('scancel', `${job}_1`);
    await queueIsEmpty();
    const [row] = await rowsOf(sweep);
    expect(row).toMatchObject({ state: 'failed' });
    expect(row!.error).toContain(`Slurm task ${job}_1 was cancelled (CANCELLED)`);
    expect(await output(sweep)).toMatch(/stopped at step \d+ with a checkpoint/);
  });

  it('is refused in the words of Slurm, and nothing is remembered of it', async () => {
    const sweep = await planBetas(world, join(scratch, 'refused'), [0.5]);
    const refused = submit(sweep, { partition: 'nowhere' });
    await expect(refused).rejects.toThrow(/sbatch refused the job: invalid partition specified: nowhere; /);
    await expect(refused).rejects.toBeInstanceOf(UsageError);
    expect(await readdir(sweep.folder)).not.toContain('slurm.json');
  });
});
