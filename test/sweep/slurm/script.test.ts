import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UsageError } from '../../../src/base/errors.js';
import type { Sweep } from '../../../src/sweep/folder.js';
import {
  arrayRange,
  arrayScript,
  collectScript,
  jobName,
  type SlurmOptions,
} from '../../../src/sweep/slurm/script.js';

const sweepIn = (folder: string, ids = ['a', 'b', 'c']) =>
  ({ folder, trials: ids.map((id) => ({ id })) }) as unknown as Sweep;
const ENGINE = { engine: 'native-cuda', gpuMemory: 24e9 };

function script(folder: string, options: SlurmOptions = {}, run = [0, 1, 2]): string {
  const sweep = sweepIn(folder);
  return arrayScript(
    sweep,
    run.map((i) => sweep.trials[i]!),
    ENGINE,
    options,
  );
}

const headerOf = (text: string) => text.split('\n').filter((line) => line.startsWith('#SBATCH '));

describe('the script of an array', () => {
  it.each([
    [[3], '3'],
    [[1, 2, 3, 7, 9, 10], '1-3,7,9-10'],
    [[10, 1, 2], '1-2,10'],
  ])('names its tasks in ranges: %j is %s', (indices, range) => {
    expect(arrayRange(indices)).toBe(range);
  });

  it('asks for what was asked for, and for notice before it is stopped', () => {
    const options = {
      partition: 'gpu',
      time: '8:00:00',
      gres: 'gpu:1',
      cpusPerTask: 8,
      mem: '64G',
      maxParallel: 4,
    };
    const place = { account: 'lab', qos: 'low', sbatchArg: ['--constraint=a100|h100', '--exclusive'] };
    expect(headerOf(script('/data/figure 4', { ...options, ...place }, [0, 2]))).toEqual([
      '#SBATCH --job-name=reasvqa-figure-4',
      '#SBATCH --array=1,3%4',
      '#SBATCH "--chdir=/data/figure 4"',
      '#SBATCH "--output=/data/figure 4/slurm/%A_%a.log"',
      '#SBATCH --open-mode=append',
      '#SBATCH --requeue',
      '#SBATCH --signal=B:TERM@120',
      '#SBATCH --partition=gpu',
      '#SBATCH --account=lab',
      '#SBATCH --qos=low',
      '#SBATCH --time=8:00:00',
      '#SBATCH --gres=gpu:1',
      '#SBATCH --cpus-per-task=8',
      '#SBATCH --mem=64G',
      '#SBATCH "--constraint=a100|h100"',
      '#SBATCH --exclusive',
    ]);
  });

  it('collects after every array, in the same partition and without its resources', () => {
    const options = { partition: 'gpu', gres: 'gpu:1', time: '1:00', mem: '64G' };
    expect(headerOf(collectScript('/data/f', ['12', '15'], options))).toEqual([
      '#SBATCH --job-name=reasvqa-f',
      '#SBATCH --dependency=afterany:12:15',
      '#SBATCH --chdir=/data/f',
      '#SBATCH --output=/data/f/slurm/collect-%j.log',
      '#SBATCH --partition=gpu',
    ]);
  });

  it.each([
    [{ sbatchArg: ['--array=1-9'] }, /the sweep sets --array itself/],
    [{ sbatchArg: ['--job-name=mine'] }, /the sweep sets --job-name itself/],
    [{ sbatchArg: ['-p', 'gpu'] }, /expected a long option/],
    [{ sbatchArg: ['--comment=a\nb'] }, /line break/],
    [{ partition: 'a\n#SBATCH --uid=0' }, /line break/],
  ])('refuses %j', (options, message) => {
    expect(() => script('/data/f', options)).toThrow(UsageError);
    expect(() => script('/data/f', options)).toThrow(message);
  });

  it.each(['/data/a\nb', '/data/a\\b'])('refuses the folder %j, which a job file cannot name', (folder) => {
    expect(() => script(folder)).toThrow(UsageError);
  });

  it('has a name by which its jobs are found, whatever the folder is called', () => {
    expect(jobName('/runs/Figure 4 (β), "new"')).toBe('reasvqa-Figure-4-new-');
  });
});

/** What the script does with the ways in which a trial can end; Slurm's commands and the trial are stood in for. */
describe('a task', () => {
  let scratch: string;
  beforeAll(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'reasvqa task '));
  });
  afterAll(() => rm(scratch, { recursive: true }));

  /** Runs the script with `trial` as the body of the trial's command; returns its lines of output and its exit code. */
  function run(trial: string, { state = 'RUNNING', restarts = '' } = {}): { lines: string[]; code: number } {
    const text = script(scratch).replace(/^trial=\(.*\)$/m, 'trial=(stand_in)');
    const functions = `
      squeue() { echo ${state}; }
      scontrol() { echo "scontrol $*"; }
      stand_in() { if [ "$1" = --ended ]; then echo "ended $2"; else ${trial}; fi; }`;
    const env = {
      ...{ PATH: process.env.PATH, SLURM_ARRAY_JOB_ID: '7', SLURM_ARRAY_TASK_ID: '2', SLURM_JOB_ID: '9' },
      ...(restarts === '' ? {} : { SLURM_RESTART_COUNT: restarts }),
    };
    try {
      const output = execFileSync('bash', ['-c', `${functions}\n${text}`], {
        env,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      return { lines: output.split('\n').filter(Boolean), code: 0 };
    } catch (error) {
      const { stdout, status } = error as { stdout: string; status: number };
      return { lines: stdout.split('\n').filter(Boolean), code: status };
    }
  }

  const requeued = ['7_2 goes back to the queue', 'scontrol requeue 7_2'];
  it.each([
    ['is done', 'exit 0', {}, [], 0],
    ['is given the engine', 'echo "$@"', {}, ['--engine native-cuda --gpu-memory 24000000000'], 0],
    ['goes back to the queue after a checkpoint', 'exit 75', {}, requeued, 75],
    ['is left to Slurm where Slurm requeued it', 'exit 75', { state: 'PENDING' }, [], 75],
    ['stays cancelled', 'exit 75', { state: 'COMPLETING' }, [], 75],
    ['goes back when stopped before it listened', 'kill -TERM $BASHPID', {}, requeued, 75],
    ['has failed when that goes on', 'kill -TERM $BASHPID', { restarts: '10' }, ['ended 143'], 143],
    ['has failed when it is killed', 'kill -KILL $BASHPID', {}, ['ended 137'], 137],
    ['has failed with an error', 'exit 3', {}, ['ended 3'], 3],
    [
      'passes SIGTERM on and waits for the checkpoint',
      `trap 'sleep 0.2; echo saved; exit 75' TERM; kill -TERM $$; while :; do sleep 0.05; done`,
      {},
      ['saved', ...requeued],
      75,
    ],
  ])('%s', (_, trial, given, lines, code) => {
    expect(run(trial, given)).toEqual({ lines, code });
  });
});
