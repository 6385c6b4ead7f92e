/** `reasvqa sweep trial`: one trial of a plan, in a process of its own. */
import { Argument, type Command, Option } from 'commander';
import { UsageError } from '../base/errors.js';
import {
  type EngineChoice,
  fromCwd,
  type Io,
  integer,
  interruptible,
  note,
  print,
  startEngine,
  withEngine,
} from './io.js';

interface TrialOptions extends EngineChoice {
  index?: number;
  ended?: number;
}

/** `sweep trial`: what the processes of the local executor, Slurm tasks and pods run. */
export function addSweepTrial(sweep: Command, io: Io): void {
  withEngine(sweep.command('trial'))
    .summary('train one trial of a plan')
    .description(
      'Trains one trial of a sweep that is planned into its folder. The same command continues a trial that was stopped; a finished one is only printed.',
    )
    .addArgument(new Argument('<folder>', 'folder of the sweep'))
    .addArgument(new Argument('[id]', 'name of the trial, as sweep status prints it'))
    .option(
      '--index <n>',
      'the trial in line n of plan.jsonl instead, from 1 (default: the one named)',
      integer(1),
    )
    .addOption(
      new Option('--ended <status>', 'record how its process ended, 137 for killed (default: train)')
        .argParser(integer(0))
        .hideHelp(),
    )
    .action(async (folder: string, id: string | undefined, options: TrialOptions) =>
      runTrial(io, fromCwd(io, folder), id, options),
    );
}

async function runTrial(
  io: Io,
  folder: string,
  id: string | undefined,
  options: TrialOptions,
): Promise<void> {
  const { readSweep, trialState } = await import('../sweep/folder.js');
  const { recordEnd, trainTrial, trialOf } = await import('../sweep/trial.js');
  const which = id ?? options.index;
  if (which === undefined || (id !== undefined && options.index !== undefined))
    throw new UsageError('sweep trial: give the name of a trial, or its line in plan.jsonl with --index');
  const trial = trialOf(await readSweep(folder), which);
  if (options.ended !== undefined) {
    const { endOfStatus } = await import('../sweep/process.js');
    const { logOfTask } = await import('../sweep/slurm/script.js');
    const { SLURM_ARRAY_JOB_ID: job, SLURM_ARRAY_TASK_ID: task } = io.env;
    const log = job && task ? logOfTask(folder, job, task) : 'where the job printed it';
    const reason = await recordEnd(trial, endOfStatus(options.ended), log);
    if (reason !== undefined) note(io, `${trial.id}: failed: ${reason}`);
    return;
  }
  const { describeResult } = await import('../training/result.js');
  const { result } = await trialState(trial);
  if (result) return print(io, `${trial.id}: ${describeResult(result)}`);
  await startEngine(io, options);
  await interruptible(async (signal) => trainTrial(trial, AbortSignal.any([signal, parentGone()])));
}

/** Fires when the process that started this one over a channel (the local executor) is gone. */
function parentGone(): AbortSignal {
  const controller = new AbortController();
  if (process.channel) {
    process.once('disconnect', () => controller.abort());
    // Listening alone would keep this process from ending.
    process.channel.unref();
  }
  return controller.signal;
}
