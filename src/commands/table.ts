/** `reasvqa table`: a table of the paper, trained where it is missing. */
import { type Command, Option } from 'commander';
import { TABLE_FORMATS, type TableFormat } from '../tables/format.js';
import type { TablePlan } from '../tables/run.js';
import { TABLE_DATASETS } from '../tables/table.js';
import { fromCwd, type Io, interruptible, note, print, startEngine } from './io.js';
import { type ExecutorOptions, emit, estimate, executorOf, withExecutor } from './sweep.js';

interface TableOptions extends ExecutorOptions {
  dataset: string;
  sweep?: string;
  seeds: string;
  set: string[];
  subset?: string;
  format: TableFormat;
}

export function addTable(program: Command, io: Io): void {
  withExecutor(program.command('table'))
    .summary("train what a table of the paper compares, and print it beside the paper's numbers")
    .description(
      'Trains the rows of a table that are missing as a sweep and prints accuracies with standard errors, what the paper prints, and which differences between rows are noise. The same command continues. Tables 1, 2, 3, 5, 6, 8, 9 and 10; on the built-in world every table runs, and makes its data.',
    )
    .argument('<number>', 'number of the table in the paper')
    .requiredOption('--dataset <name>', `one of ${TABLE_DATASETS.join(', ')} (required)`)
    .option('--sweep <folder>', 'sweep folder, made when missing (default: runs/table-<number>-<dataset>)')
    .option('--seeds <n>', 'how many seeds, or the seeds themselves: 1,2,3', '3')
    .option(
      '-s, --set <key=value>',
      'set a recipe key for all rows, for example train.epochs=5 (default: none)',
      (text: string, earlier: string[]) => [...earlier, text],
      [],
    )
    .option(
      '--subset <file>',
      '0-based rows of the annotations that table 6 scores (default: atp-hard.txt beside them)',
    )
    .addOption(
      new Option('--format <name>', 'how the table is printed').choices([...TABLE_FORMATS]).default('text'),
    )
    .action((name: string, options: TableOptions) => table(io, name, options));
}

async function table(io: Io, name: string, options: TableOptions): Promise<void> {
  const { planTable } = await import('../tables/run.js');
  const { parseSeeds } = await import('../sweep/axes.js');
  const plan = await planTable({
    ...{ number: name, dataset: options.dataset, overrides: options.set, cwd: io.cwd },
    seeds: parseSeeds(options.seeds),
    ...(options.subset === undefined ? {} : { subset: fromCwd(io, options.subset) }),
  });
  for (const warning of plan.spec.warnings) note(io, `reasvqa: ${warning}`);
  const folder = fromCwd(io, options.sweep ?? `runs/table-${plan.table.number}-${plan.dataset}`);
  if (options.dryRun) return estimate(io, folder, plan.spec, options);
  if (options.emit) return emit(io, folder, plan.spec, options);
  await run(io, plan, folder, options);
}

async function run(io: Io, plan: TablePlan, folder: string, options: TableOptions): Promise<void> {
  const { answerTest, collectTable, lacksTest, requireData, writingsNeeded } = await import(
    '../tables/run.js'
  );
  const { failureOf, runSweep, unfinishedOf } = await import('../sweep/run.js');
  const say = (line: string) => note(io, `table: ${line}`);
  const states = await interruptible(async (signal) => {
    if (plan.spec.world) {
      const { makeMaterials } = await import('../tables/materials.js');
      await makeMaterials(plan.config, plan.spec.world, plan.writings, writingsNeeded(plan), signal);
    }
    await requireData(plan);
    const executor = await executorOf(io, options);
    const ran = await runSweep({ folder, spec: plan.spec, executor, engine: options, signal, say });
    if (await lacksTest(plan, ran.states)) {
      await startEngine(io, options);
      await answerTest(plan, ran.states, say);
    }
    return ran.states;
  });
  const { formatTable } = await import('../tables/format.js');
  print(io, formatTable(await collectTable(plan, states), options.format));
  // Slurm's trials have only been submitted.
  const failure = failureOf(states) ?? (options.executor === 'slurm' ? undefined : unfinishedOf(states));
  if (failure) throw failure;
}
