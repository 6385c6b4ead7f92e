/** `reasvqa demo`: the whole method on the built-in world. */
import type { Command } from 'commander';
import {
  type EngineChoice,
  fromCwd,
  type Io,
  integer,
  interruptible,
  number,
  print,
  printJson,
  startEngine,
  withEngine,
} from './io.js';

interface DemoOptions extends EngineChoice {
  out: string;
  clips: number;
  seeds: number;
  beta: number;
  set: string[];
  json?: boolean;
}

export function addDemo(program: Command, io: Io): void {
  withEngine(program.command('demo'))
    .summary('run the whole method on the built-in world, in minutes')
    .description(
      'Writes the shapes world, lets its teacher write reasoning over HTTP, refines it, trains students with and without the reasoning loss, evaluates them on the validation split and writes one HTML report. Continues where it was stopped.',
    )
    .option('--out <folder>', 'folder for everything it writes', 'runs/demo')
    .option('--clips <n>', 'clips to train on; two fifths as many validate', integer(2), 300)
    .option('--seeds <n>', 'students of each kind', integer(1), 1)
    .option('--beta <b>', 'weight of the reasoning loss, compared with 0', number(0.01, 1), 0.8)
    .option(
      '-s, --set <key=value>',
      'change a key of bench/shapes/base.yaml, for example train.epochs=2 (default: none)',
      (text: string, earlier: string[]) => [...earlier, text],
      [],
    )
    .option('--json', 'print the results as JSON (default: off)')
    .action((options: DemoOptions) => demo(io, options));
}

async function demo(io: Io, options: DemoOptions): Promise<void> {
  const engine = await startEngine(io, options);
  const { runDemo } = await import('../demo/run.js');
  const { meanAndStandardError } = await import('../report/statistics.js');
  const { formatDuration } = await import('../base/progress.js');
  const { clips, seeds, beta, set: overrides } = options;
  const result = await interruptible((signal) =>
    runDemo({
      folder: fromCwd(io, options.out),
      engine,
      clips,
      seeds,
      betas: [0, beta],
      overrides,
      signal,
    }),
  );
  if (options.json) return printJson(io, result);
  const accuracies = (wanted: number) =>
    result.runs.filter((run) => run.beta === wanted).map((run) => run.result.score!.total.accuracy);
  const [before, after] = [accuracies(0), accuracies(beta)];
  const show = (values: number[]) => {
    const { mean, standardError } = meanAndStandardError(values);
    return values.length > 1 ? `${mean.toFixed(2)} +- ${standardError.toFixed(2)}` : mean.toFixed(2);
  };
  const of = seeds > 1 ? ` (mean and standard error over ${seeds} seeds)` : '';
  print(io, `accuracy on the validation split, in percent${of}; chance is 20`);
  print(io, `  answers alone (beta 0)           ${show(before)}`);
  print(io, `  answers and reasoning (beta ${beta})  ${show(after)}`);
  print(io, `  gain                             ${show(after.map((value, i) => value - before[i]!))}`);
  print(io, `report: ${result.report}`);
  print(io, `done in ${formatDuration(result.seconds * 1000)}`);
}
