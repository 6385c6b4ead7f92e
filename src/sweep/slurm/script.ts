/**
 * The job scripts of a sweep on Slurm: an array with one task a trial, and the job that collects.
 *
 * The scripts run in the sweep's folder (`--chdir`), which the queue shows: so its jobs are told from others.
 */
import { basename, join } from 'node:path';
import { EXIT, UsageError } from '../../base/errors.js';
import type { EngineChoice } from '../executor.js';
import type { PlannedTrial, Sweep } from '../folder.js';
import { engineArguments, ownCommand, requireOneLine, shellWord } from '../process.js';
import { indexOf } from '../trial.js';

/** What a task asks the cluster for; sbatch's own option names. */
export interface SlurmOptions {
  partition?: string;
  account?: string;
  qos?: string;
  time?: string;
  gres?: string;
  cpusPerTask?: number;
  mem?: string;
  /** Most tasks that run at a time. */
  maxParallel?: number;
  /** Further options of sbatch, such as `--constraint=a100`. */
  sbatchArg?: readonly string[];
}

/** Seconds before the time limit at which a task is told to save a checkpoint. */
const NOTICE = 120;
/** Most attempts that end before the trial could even listen to signals; each later stop has gone at least a step on. */
const VAIN_ATTEMPTS = 10;
/** SIGTERM, as a shell reports it. */
const TERMINATED = 143;

/** Folder of the output of jobs, in the sweep's. */
export const LOGS = 'slurm';

/** Output of a task. @param job number of the array */
export function logOfTask(folder: string, job: string, index: number | string): string {
  return join(folder, LOGS, `${job}_${index}.log`);
}

/** Name of a sweep's jobs, by which they are found in the queue. */
export function jobName(folder: string): string {
  return `reasvqa-${basename(folder).replace(/[^\w.-]+/g, '-')}`;
}

/** Indices as sbatch takes them: `1,4-6`. */
export function arrayRange(indices: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const index of [...indices].sort((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last && index === last[1] + 1) last[1] = index;
    else runs.push([index, index]);
  }
  return runs.map(([from, to]) => (from === to ? String(from) : `${from}-${to}`)).join(',');
}

/**
 * The script of the array: task i trains line i of plan.jsonl. SIGTERM (the time limit, preemption, scancel --signal) reaches
 * the trial, which saves a checkpoint and ends with exit code 75; the task then goes back to the queue.
 */
export function arrayScript(
  sweep: Sweep,
  trials: readonly PlannedTrial[],
  engine: EngineChoice,
  options: SlurmOptions,
): string {
  const { folder } = sweep;
  const { maxParallel, sbatchArg = [] } = options;
  const range = arrayRange(trials.map((trial) => indexOf(sweep, trial)));
  const header = [
    ...[`--job-name=${jobName(folder)}`, `--array=${range}${maxParallel ? `%${maxParallel}` : ''}`],
    ...[`--chdir=${folder}`, outputOption(folder, '%A_%a.log'), '--open-mode=append', '--requeue'],
    ...[`--signal=B:TERM@${NOTICE}`, ...placeOptions(options), ...resourceOptions(options)],
    ...sbatchArg.map(furtherOption),
  ];
  const trial = [...ownCommand(), 'sweep', 'trial', folder].map(shellWord).join(' ');
  const engineWords = engineArguments(engine).map(shellWord).join(' ');
  return `#!/bin/bash
# The trials of a sweep, one array task a trial: task i trains line i of plan.jsonl. Submit it with sbatch. Afterwards, or
# in a job with --dependency=afterany:ID, collect the results:
#   ${[...ownCommand(), 'sweep', 'collect', folder].map(shellWord).join(' ')}
${header.map((option) => `#SBATCH ${sbatchWord(option)}`).join('\n')}

trial=(${trial} --index "$SLURM_ARRAY_TASK_ID")
task="\${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
[ -z "\${SLURM_CPUS_PER_TASK:-}" ] || export REASVQA_THREADS="\${REASVQA_THREADS:-$SLURM_CPUS_PER_TASK}"

# SIGTERM is passed on: the trial saves a checkpoint and ends with exit code ${EXIT.interrupted}.
trap 'told=1; [ -z "\${child:-}" ] || kill -TERM "$child" 2>/dev/null' TERM
"\${trial[@]}" ${engineWords} &
child=$!
[ -z "\${told:-}" ] || kill -TERM "$child"
# The trap ends a wait as well; then the trial is waited for again.
while
  told=
  wait "$child"
  status=$?
  [ -n "$told" ]
do :; done

[ "$status" -eq 0 ] && exit 0
# ${TERMINATED}: told to stop before the trial could listen.
if [ "$status" -eq ${EXIT.interrupted} ] || { [ "$status" -eq ${TERMINATED} ] && [ "\${SLURM_RESTART_COUNT:-0}" -lt ${VAIN_ATTEMPTS} ]; }; then
  # Otherwise Slurm has requeued the task itself (preemption), or somebody cancelled it: requeuing would bring it back.
  if [ "$(squeue --noheader --jobs="$task" --format=%T)" = RUNNING ]; then
    echo "$task goes back to the queue"
    scontrol requeue "$task"
  fi
  exit ${EXIT.interrupted}
fi
# A trial that was killed (137, most often for memory) has left no reason.
"\${trial[@]}" --ended "$status"
exit "$status"
`;
}

/** The script of the job that writes results.csv. @param jobs arrays to wait for */
export function collectScript(folder: string, jobs: readonly string[], options: SlurmOptions): string {
  const header = [
    ...[`--job-name=${jobName(folder)}`, `--dependency=afterany:${jobs.join(':')}`],
    ...[`--chdir=${folder}`, outputOption(folder, 'collect-%j.log'), ...placeOptions(options)],
  ];
  return `#!/bin/bash
${header.map((option) => `#SBATCH ${sbatchWord(option)}`).join('\n')}

exec ${[...ownCommand(), 'sweep', 'collect', folder].map(shellWord).join(' ')}
`;
}

/** @param name a pattern: %A is the array, %a the task, %j the job; in the folder's path %% is a percent sign */
function outputOption(folder: string, name: string): string {
  if (folder.includes('\\'))
    throw new UsageError(
      `${folder}: Slurm takes no backslash in the path of a job's output; rename the folder`,
    );
  return `--output=${join(folder, LOGS).replaceAll('%', '%%')}/${name}`;
}

function placeOptions({ partition, account, qos }: SlurmOptions): string[] {
  return [...given('partition', partition), ...given('account', account), ...given('qos', qos)];
}

function resourceOptions({ time, gres, cpusPerTask, mem }: SlurmOptions): string[] {
  return [
    ...[...given('time', time), ...given('gres', gres)],
    ...[...given('cpus-per-task', cpusPerTask), ...given('mem', mem)],
  ];
}

const given = (name: string, value: string | number | undefined) =>
  value === undefined ? [] : [`--${name}=${value}`];

/** What a sweep's job is made of cannot be changed: its tasks, name and place are how its trials are found again. */
const FIXED = ['array', 'job-name', 'chdir', 'output', 'wrap', 'dependency', 'no-requeue', 'parsable'];

function furtherOption(option: string): string {
  const name = /^--([a-z][a-z-]*)/.exec(option)?.[1];
  if (name === undefined)
    throw new UsageError(`--sbatch-arg ${option}: expected a long option, such as --constraint=a100`);
  if (FIXED.includes(name)) throw new UsageError(`--sbatch-arg ${option}: the sweep sets --${name} itself`);
  return option;
}

/** An option on a line of its own: sbatch splits these lines at spaces and knows quotes, backslashes and comments. */
function sbatchWord(option: string): string {
  requireOneLine(option);
  return /^[\w@%+=:,./-]+$/.test(option) ? option : `"${option.replace(/["\\]/g, '\\$&')}"`;
}
