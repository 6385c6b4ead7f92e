/** `reasvqa sweep`: grids of keys and seeds as trials of one plan. */
import type { Command } from 'commander';
import { Option } from 'commander';
import { messageOf, UsageError } from '../base/errors.js';
import { differenceText } from '../report/statistics.js';
import type { TaskTable } from '../report/tasks.js';
import type { ComparedSetting } from '../sweep/comparisons.js';
import type { Execution, Executor } from '../sweep/executor.js';
import type { Sweep, TrialState } from '../sweep/folder.js';
import type { Queued } from '../sweep/slurm/commands.js';
import type { SweepSpec } from '../sweep/spec.js';
import type { ComparedTask } from '../sweep/taskComparisons.js';
import {
  type EngineChoice,
  fromCwd,
  type Io,
  integer,
  interruptible,
  note,
  number,
  print,
  printJson,
  type RecipeOptions,
  startEngine,
  table,
  withEngine,
  withRecipe,
} from './io.js';
import { emitted, type SchedulerOptions, schedulerExecutor, withScheduler } from './scheduler.js';
import { addSweepTrial } from './sweepTrial.js';

interface PlanOptions extends RecipeOptions {
  sweep?: string;
  seeds?: string;
  json?: boolean;
}

/** Options of {@link withExecutor}: where trials run, and what they would take. */
export interface ExecutorOptions extends EngineChoice, SchedulerOptions {
  executor: 'shared' | 'local' | 'slurm';
  atOnce?: number;
  dryRun?: boolean;
  samplesPerSecond?: number;
}

interface RunOptions extends PlanOptions, ExecutorOptions {
  halving?: boolean;
}

export function addSweep(program: Command, io: Io): void {
  const sweep = program
    .command('sweep')
    .summary('train one recipe many times: grids of keys, seeds')
    .description(
      'Trains every combination of the values given, and writes results.csv and the figure. --set train.beta=0,0.5,0.8 is an axis; a recipe may have a section sweep (src/sweep/README.md). The same command continues a sweep that was stopped.',
    );
  withRunOptions(sweep.command('run', { isDefault: true }))
    .summary('plan, train what is missing, collect (the default)')
    .action((recipe: string | undefined, options: RunOptions) => run(io, recipe, options));
  withPlanOptions(sweep.command('plan'))
    .summary('write the plan without training')
    .action((recipe: string | undefined, options: PlanOptions) => plan(io, recipe, options));
  addSweepTrial(sweep, io);
  const showing = (name: 'status' | 'collect', summary: string) =>
    sweep
      .command(name)
      .summary(summary)
      .argument('<folder>', 'sweep folder')
      .option('--json', 'print as JSON (default: off)')
      .action((folder: string, options: ShowOptions) => show(io, name, fromCwd(io, folder), options));
  showing('status', 'say where each trial stands');
  showing('collect', 'write results.csv and the figure from the trials that are done').option(
    '--against <setting>',
    'setting that the others are compared with (default: the first of the plan)',
  );
}

interface ShowOptions {
  json?: boolean;
  against?: string;
}

function withPlanOptions(command: Command): Command {
  return withRecipe(command)
    .option('--sweep <folder>', 'sweep folder, made when missing (default: runs/<name of the recipe>)')
    .option('--seeds <n>', 'how many seeds, or the seeds themselves: 1,2,3 (default: the recipe)')
    .option('--json', 'print as JSON (default: off)');
}

/** Options of every command that runs trials. */
export function withExecutor(command: Command): Command {
  return withScheduler(withEngine(command))
    .addOption(
      new Option(
        '--executor <name>',
        'shared: all trials in this process on one copy of the frozen weights; local: one process a GPU; slurm: an array of jobs',
      )
        .choices(['shared', 'local', 'slurm'])
        .default('shared'),
    )
    .option('--at-once <n>', 'most trials in lockstep (default: what memory holds)', integer(1))
    .option('--dry-run', 'print trials, steps, hours and disk instead of running (default: off)')
    .option(
      '--samples-per-second <n>',
      'with --dry-run: the rate to reckon with (default: that of trials that have finished)',
      number(0.001, 1e9),
    );
}

function withRunOptions(command: Command): Command {
  return withExecutor(withPlanOptions(command)).option(
    '--halving',
    'stop the worse half of the settings after an epoch, again and again: cheaper, another protocol (default: off)',
  );
}

async function specOf(io: Io, recipe: string | undefined, options: PlanOptions) {
  const { resolveSweep } = await import('../sweep/spec.js');
  const { parseSeeds } = await import('../sweep/axes.js');
  const spec = await resolveSweep({
    recipe,
    overrides: options.set,
    ...(options.seeds === undefined ? {} : { seeds: parseSeeds(options.seeds) }),
    cwd: io.cwd,
  });
  for (const warning of spec.warnings) note(io, `reasvqa: ${warning}`);
  return spec;
}

/** `runs/figure4` for bench/shapes/figure4.yaml, which is the name its figure has in the paper. */
function folderOf(io: Io, recipe: string | undefined, { sweep }: PlanOptions): string {
  const name =
    recipe
      ?.split(/[/\\]/)
      .at(-1)
      ?.replace(/\.ya?ml$/, '') ?? 'sweep';
  const set = recipe?.split(/[/\\]/).at(-2);
  return fromCwd(io, sweep ?? `runs/${set ? `${set}-` : ''}${name}`);
}

async function plan(io: Io, recipe: string | undefined, options: PlanOptions): Promise<void> {
  const { planSweep, trialStates } = await import('../sweep/folder.js');
  const spec = await specOf(io, recipe, options);
  // Trials are run by hand from here on, and one alone does not make what all of them read.
  await interruptible((signal) => makeWorld(spec, signal));
  const sweep = await planSweep(folderOf(io, recipe, options), spec);
  printStates(io, sweep, await trialStates(sweep), options);
}

async function run(io: Io, recipe: string | undefined, options: RunOptions): Promise<void> {
  const folder = folderOf(io, recipe, options);
  if (options.halving && (options.executor !== 'shared' || options.emit))
    throw new UsageError('--halving: only the executor shared compares trials while they run; leave it out');
  const spec = await specOf(io, recipe, options);
  if (options.halving && spec.trials.some(({ startsFrom }) => startsFrom !== undefined))
    throw new UsageError(
      '--halving: trials start from the runs of others, which have to be whole; leave it out',
    );
  if (options.gres && options.engine === 'auto')
    note(io, 'warning: --gres asks for GPUs and the engine auto takes none; add --engine native-cuda');
  const { failureOf, runSweep, unfinishedOf } = await import('../sweep/run.js');
  const { sweepTasks } = await import('../sweep/results.js');
  const say = (line: string) => note(io, `sweep: ${line}`);
  if (options.dryRun) return estimate(io, folder, spec, options);
  if (options.emit) return emit(io, folder, spec, options);
  const { sweep, states, compared, comparedTasks, figure } = await interruptible(async (signal) => {
    await makeWorld(spec, signal);
    const protocol = options.halving ? 'halving' : 'full';
    return runSweep({
      folder,
      spec,
      protocol,
      executor: await executorOf(io, options),
      engine: options,
      signal,
      say,
    });
  });
  printStates(io, sweep, states, options);
  if (!options.json) {
    printTasks(io, sweepTasks(states));
    printComparisons(io, compared);
    printTaskComparisons(io, comparedTasks);
  }
  if (figure) note(io, `figure: ${figure}`);
  // Slurm's trials have only been submitted.
  const failure = failureOf(states) ?? (options.executor === 'slurm' ? undefined : unfinishedOf(states));
  if (failure) throw failure;
}

async function makeWorld({ world, trials }: SweepSpec, signal: AbortSignal): Promise<void> {
  if (!world) return;
  const { makeWorldOf } = await import('../sweep/world.js');
  await makeWorldOf(trials[0]!.config, world, signal);
}

/** Says what the sweep would take, without writing anything. */
export async function estimate(
  io: Io,
  folder: string,
  spec: SweepSpec,
  options: ExecutorOptions & { json?: boolean },
): Promise<void> {
  const { previewSweep } = await import('../sweep/folder.js');
  const { describeEstimate, estimateSweep } = await import('../sweep/estimate.js');
  const { samplesPerSecond, engine, json } = options;
  const found = await estimateSweep(await previewSweep(folder, spec), {
    ...{ samplesPerSecond, engine },
    // The world asks at most so many questions of a task about a clip.
    ...(spec.world ? { questions: (spec.world.questions ?? 4) * spec.world.clips } : {}),
  });
  if (json) return void printJson(io, found);
  for (const line of describeEstimate(found)) print(io, line);
}

/** Prints the job file of a scheduler for the trials that are missing; plans them, since jobs read the plan and its data. */
export async function emit(io: Io, folder: string, spec: SweepSpec, options: ExecutorOptions): Promise<void> {
  const { planSweep, trialStates } = await import('../sweep/folder.js');
  const { missing } = await import('../sweep/run.js');
  const { startable } = await import('../sweep/stages.js');
  await interruptible((signal) => makeWorld(spec, signal));
  const sweep = await planSweep(folder, spec);
  const ready = await startable(sweep, missing(await trialStates(sweep)));
  const file = await emitted(sweep, ready, options, options);
  io.stdout.write(file);
}

/** What runs trials, by the options of the command line. */
export async function executorOf(
  io: Io,
  options: ExecutorOptions & { halving?: boolean },
): Promise<Executor> {
  if (options.executor !== 'shared') return schedulerExecutor(options.executor, options);
  const { runShared } = await import('../sweep/shared.js');
  const { runHalving } = await import('../sweep/halving.js');
  return async (execution: Execution) => {
    await startEngine(io, options);
    const { atOnce, halving } = options;
    return halving ? runHalving(execution, { atOnce }) : runShared(execution, { atOnce });
  };
}

async function show(io: Io, what: 'status' | 'collect', folder: string, options: ShowOptions): Promise<void> {
  const { readSweep, trialStates } = await import('../sweep/folder.js');
  const { collect, sweepTasks } = await import('../sweep/results.js');
  const { settleJobs } = await import('../sweep/slurm/jobs.js');
  const sweep = await readSweep(folder);
  // Away from the cluster the folder still says what is done.
  const jobs = await settleJobs(sweep).catch((error) => void note(io, `sweep: ${messageOf(error)}`));
  const states = what === 'collect' ? await collect(sweep) : await trialStates(sweep);
  printStates(io, sweep, states, options, jobs);
  if (what === 'status') return;
  const { compareSweep } = await import('../sweep/comparisons.js');
  const { compareTasks } = await import('../sweep/taskComparisons.js');
  const compared = await compareSweep(sweep, states, options.against);
  const comparedTasks = await compareTasks(sweep, states, options.against);
  if (!options.json) {
    printTasks(io, sweepTasks(states));
    printComparisons(io, compared);
    printTaskComparisons(io, comparedTasks);
  }
  const { drawSweepFigure } = await import('../sweep/figure.js');
  const figure = await drawSweepFigure(sweep, states, (line) => note(io, `sweep: ${line}`));
  if (figure) note(io, `figure: ${figure}`);
}

function printStates(
  io: Io,
  sweep: Sweep,
  states: readonly TrialState[],
  { json }: { json?: boolean },
  jobs?: ReadonlyMap<string, Queued>,
): void {
  if (json) {
    const lines = states.map(({ trial, ...rest }) => {
      const { id, arm, settings, folder } = trial;
      const job = jobs?.get(id);
      return { id, arm, settings, folder, ...rest, ...(job ? { job: jobText(job) } : {}) };
    });
    return void printJson(io, lines);
  }
  const rows = states.map(({ trial, state, result, halved, error }) => [
    trial.id,
    state,
    (result?.score?.total.accuracy ?? halved?.accuracy)?.toFixed(2) ?? '',
    result ? `${result.seconds.toFixed(0)} s` : '',
    jobs?.has(trial.id)
      ? `Slurm ${jobText(jobs.get(trial.id)!)}`
      : (error?.message ?? (trial.from ? `in ${trial.from}` : '')),
  ]);
  print(io, table([['trial', 'state', 'accuracy', 'time', ''], ...rows], [2, 3]));
  print(io, sweep.folder);
}

/** A line a metric of a task, its chance level first. */
function printTasks(io: Io, tasks: TaskTable | undefined): void {
  if (!tasks) return;
  const numbers = tasks.heads.map((_, column) => column).slice(2);
  print(io, table([tasks.heads, ...tasks.rows], numbers));
}

/** A line a setting: mean accuracy after the last epoch and at the best, and the last one's difference to the first setting. */
function printComparisons(io: Io, compared: readonly ComparedSetting[]): void {
  if (!compared.some(({ comparison }) => comparison)) return;
  const at = (wanted: string) => compared.filter(({ epoch }) => epoch === wanted);
  const best = new Map(at('best').map(({ name, accuracy }) => [name, accuracy]));
  const first = compared[0]!.name;
  const rows = at('last').map(({ name, accuracy, seeds, comparison }) => [
    ...[name, String(seeds.length), percent(best.get(name)!), percent(accuracy)],
    comparison ? differenceText(comparison) : '',
  ]);
  const header = ['setting', 'seeds', 'best epoch', 'last epoch', `less ${first}, last epoch`];
  print(io, table([header, ...rows], [1, 2, 3]));
}

/** A line a metric of a task and setting, after the last epoch, with the difference to the first setting. */
function printTaskComparisons(io: Io, compared: readonly ComparedTask[]): void {
  if (!compared.some(({ comparison }) => comparison)) return;
  const rows = compared.map(({ task, metric, name, value, seeds, comparison }) => [
    ...[task, metric, name, String(seeds.length), percent(value)],
    comparison ? differenceText(comparison) : '',
  ]);
  const header = ['task', 'metric', 'setting', 'seeds', 'last epoch', `less ${compared[0]!.name}`];
  print(io, table([header, ...rows], [3, 4]));
}

const percent = (fraction: number) => (100 * fraction).toFixed(2);

const jobText = ({ job, index, state }: Queued) => `${job}_${index} ${state}`;
