/** Slurm's own commands, run and read. */
import { execFile } from 'node:child_process';
import { EngineError, UsageError } from '../../base/errors.js';
import { jobName } from './script.js';

interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

/** @throws EngineError when the program is not there */
async function slurm(program: string, words: readonly string[], input = ''): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const options = { maxBuffer: 2 ** 28, encoding: 'utf8' as const };
    const child = execFile(program, words, options, (error, stdout, stderr) => {
      const code = error?.code ?? 0;
      if (code === 'ENOENT')
        reject(
          new EngineError(
            `${program} is not on the PATH: run this on a login node of a Slurm cluster, or print the script with --emit slurm and submit it there`,
          ),
        );
      else if (error && typeof code !== 'number') reject(new EngineError(`${program}: ${error.message}`));
      else resolve({ code: Number(code), stdout, stderr });
    });
    // A program that ends before it has read its input says why by itself.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}

/** Messages of a controller that cannot be asked, unlike one that refuses. */
const UNREACHABLE =
  /Unable to contact|Connection (refused|timed out)|Socket timed out|configuration source|munge|Zero Bytes/i;

/** What a program said, in one line and without its name before every message. */
function said({ stdout, stderr }: Ran): string {
  const lines = `${stderr}\n${stdout}`
    .split('\n')
    .map((line) => line.replace(/^\w+: (error|fatal): /, '').trim())
    .filter((line) => line !== '');
  return lines.join('; ') || 'without a reason';
}

function failure(program: string, ran: Ran): EngineError | UsageError {
  const reason = said(ran);
  return UNREACHABLE.test(reason)
    ? new EngineError(`${program}: ${reason}; is this machine part of a Slurm cluster, and is it up (sinfo)?`)
    : new UsageError(`${program} refused the job: ${reason}`);
}

/**
 * Submits a job script.
 *
 * @returns the job's number
 * @throws UsageError with Slurm's own words when it refuses the job, EngineError when there is no Slurm
 */
export async function submit(script: string): Promise<string> {
  const ran = await slurm('sbatch', ['--parsable'], script);
  const job = /^(\d+)/m.exec(ran.stdout)?.[1];
  if (ran.code !== 0 || job === undefined) throw failure('sbatch', ran);
  return job;
}

/** Takes a job back. */
export async function cancel(job: string): Promise<void> {
  await slurm('scancel', [job]);
}

/** A job or array task in the queue. */
export interface Queued {
  /** Number of the array, or of a job that is none. */
  job: string;
  /** Task of the array; absent for other jobs. */
  index?: number;
  /** PENDING, RUNNING, COMPLETING and so on. */
  state: string;
  /** Folder that the job runs in. */
  folder: string;
}

/** What of a sweep is in the queue, waiting or running. @throws EngineError when the queue cannot be read */
export async function queueOf(folder: string): Promise<Queued[]> {
  const format = '--format=%F|%K|%T|%Z';
  const ran = await slurm('squeue', ['--noheader', '--array', `--name=${jobName(folder)}`, format]);
  if (ran.code !== 0) throw new EngineError(`squeue: ${said(ran)}`);
  return ran.stdout
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [job = '', index = '', state = '', ...rest] = line.trim().split('|');
      const task = /^\d+$/.test(index) ? { index: Number(index) } : {};
      return { job, ...task, state, folder: rest.join('|') };
    });
}

/** How a task that is no longer in the queue ended, in Slurm's word (OUT_OF_MEMORY, TIMEOUT); undefined where nobody kept it. */
export async function endedState(job: string, index: number): Promise<string | undefined> {
  const task = `${job}_${index}`;
  const accounted = ['--noheader', '--parsable2', '--allocations', '--format=State', `--jobs=${task}`];
  return (
    (await firstMatch('sacct', accounted, /^([A-Z_]+)/m)) ??
    // Without accounting the controller remembers a job for some minutes.
    (await firstMatch('scontrol', ['show', 'job', '--oneliner', task], /\bJobState=([A-Z_]+)/))
  );
}

async function firstMatch(program: string, words: string[], pattern: RegExp): Promise<string | undefined> {
  const ran = await slurm(program, words).catch(() => undefined);
  return ran?.code === 0 ? pattern.exec(ran.stdout)?.[1] : undefined;
}
