/** Options of the executors local and slurm, and the job files of `--emit`. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { UsageError } from '../base/errors.js';
import type { EmitOptions } from '../sweep/emit/plan.js';
import type { EngineChoice, Executor } from '../sweep/executor.js';
import type { PlannedTrial, Sweep } from '../sweep/folder.js';
import type { SlurmOptions } from '../sweep/slurm/script.js';
import { integer } from './io.js';

/** Job files that `--emit` prints. */
const EMITTED = ['slurm', 'k8s', 'sky'] as const;

/** Options of {@link withScheduler}. */
export interface SchedulerOptions extends SlurmOptions, EmitOptions {
  emit?: (typeof EMITTED)[number];
  devices?: number[];
  sbatchArg: string[];
  volume: string[];
}

/** Where trials run and what they are given: options of the executors local and slurm, and of `--emit`. */
export function withScheduler(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--emit <scheduler>',
        'print the job file of a scheduler instead of running (default: none)',
      ).choices(EMITTED),
    )
    .option('--devices <list>', 'local: GPUs to use, such as 0,1 (default: all)', deviceList)
    .option('--partition <name>', 'slurm: partition (default: the cluster’s)')
    .option('--account <name>', 'slurm: account that is charged (default: yours)')
    .option('--qos <name>', 'slurm: quality of service (default: the cluster’s)')
    .option(
      '--time <limit>',
      'slurm: time limit of a task, such as 8:00:00; it is requeued there (default: the partition’s)',
    )
    .option('--gres <list>', 'slurm, k8s, sky: GPUs of a trial, such as gpu:1 or gpu:h100:1 (default: none)')
    .option('--cpus-per-task <n>', 'slurm, k8s, sky: cores of a trial (default: the scheduler’s)', integer(1))
    .option('--mem <size>', 'slurm, k8s, sky: memory of a trial, such as 32G (default: the scheduler’s)')
    .option('--max-parallel <n>', 'slurm, k8s: most trials at a time (default: all)', integer(1))
    .option(
      '--sbatch-arg <option>',
      'slurm: another option of sbatch, such as --constraint=a100; may be repeated',
      collected,
      [],
    )
    .option('--image <name>', 'k8s, sky: container image with reasvqa on its PATH (default: a placeholder)')
    .option(
      '--volume <name>',
      'k8s, sky: volume with the files, one for each top folder; may be repeated (default: placeholders)',
      collected,
      [],
    );
}

const collected = (text: string, earlier: string[]) => [...earlier, text];

function deviceList(text: string): number[] {
  const parts = text.split(',').map((part) => part.trim());
  if (!parts.every((part) => /^\d{1,3}$/.test(part)))
    throw new InvalidArgumentError('Expected numbers of GPUs, such as 0,1.');
  return parts.map(Number);
}

/** The executor `local` or `slurm`. */
export async function schedulerExecutor(
  name: 'local' | 'slurm',
  options: SchedulerOptions,
): Promise<Executor> {
  if (name === 'slurm') return (await import('../sweep/slurm/submit.js')).slurmExecutor(options);
  const { localExecutor } = await import('../sweep/local.js');
  return localExecutor(options.devices ? { devices: options.devices } : {});
}

/** The job file of `--emit` for trials that are to run. */
export async function emitted(
  sweep: Sweep,
  trials: readonly PlannedTrial[],
  engine: EngineChoice,
  options: SchedulerOptions,
): Promise<string> {
  if (trials.length === 0)
    throw new UsageError(`${sweep.folder}: every trial is done; there is nothing to write a job for`);
  const emission = { sweep, trials, engine, options };
  switch (options.emit) {
    case 'k8s':
      return (await import('../sweep/emit/kubernetes.js')).kubernetesJob(emission);
    case 'sky':
      return (await import('../sweep/emit/sky.js')).skyTask(emission);
    default:
      return (await import('../sweep/slurm/submit.js')).emitSlurm(sweep, trials, engine, options);
  }
}
