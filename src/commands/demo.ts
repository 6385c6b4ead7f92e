/** `reasvqa demo`: the whole method on the built-in world. */
import type { Command } from 'commander';
import type { Student, StudentScore } from '../demo/students.js';
import { type Comparison, differenceText } from '../report/statistics.js';
import type { ComparedSetting } from '../sweep/comparisons.js';
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
    .option(
      '--clips <n>',
      "clips to train on; two fifths as many validate, and as many, at most 250, are for the study's students",
      integer(2),
      300,
    )
    .option('--seeds <n>', 'students of each kind', integer(1), 1)
    .option('--beta <b>', 'weight of the reasoning loss, compared with 0', number(0.01, 1), 0.5)
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
  printTraining(io, result.compared, beta, seeds);
  printStudents(io, result.students);
  print(io, `report: ${result.report}`);
  print(io, `done in ${formatDuration(result.seconds * 1000)}`);
}

/** The students that the demo trained itself. */
function printTraining(io: Io, compared: readonly ComparedSetting[], beta: number, seeds: number): void {
  const [alone, both] = compared.filter(({ epoch }) => epoch === 'last');
  const show = ({ accuracy, standardError }: ComparedSetting) =>
    `${percent(accuracy)}${seeds > 1 ? ` +- ${percent(standardError)}` : ''}`;
  const of = seeds > 1 ? ` (mean and standard error over ${seeds} seeds)` : '';
  print(
    io,
    `trained here, accuracy in percent on the validation split after the last pass${of}; chance is 20`,
  );
  print(io, `  answers alone (beta 0)           ${show(alone!)}`);
  print(io, `  answers and reasoning (beta ${beta})  ${show(both!)}`);
  print(io, `  difference                       ${differenceText(both!.comparison!)}, paired over questions`);
  print(io, `  ${verdict(both!.comparison!, 'reasoning helped', 'reasoning did harm')} after so few passes`);
}

const STUDENT_NAMES: Record<Student, string> = {
  answers: 'answers alone',
  reasoning: 'answers and reasoning in one pass',
  stl: 'reasoning, then the answer',
};

function printStudents(io: Io, students: readonly StudentScore[]): void {
  const compared = students.filter(({ behind }) => behind);
  const { questions } = compared[0]!.behind!;
  const line = (name: string, value: string) => print(io, `  ${name.padEnd(36)}${value}`);
  print(io, `students of the study (bench/shapes/STUDY.md), on ${questions} questions about other clips`);
  for (const { student, accuracy } of students) line(STUDENT_NAMES[student], percent(accuracy));
  print(io, 'answers and reasoning in one pass, less the others, paired over questions');
  for (const { student, behind } of compared)
    line(
      STUDENT_NAMES[student],
      `${differenceText(behind!)}, ${verdict(behind!, 'one pass is better', 'one pass is worse')}`,
    );
}

const percent = (fraction: number) => (100 * fraction).toFixed(2);

/** What the interval says, in words. */
function verdict({ insideNoise, difference }: Comparison, better: string, worse: string): string {
  if (insideNoise) return 'the interval holds 0: no difference is shown';
  return difference > 0 ? `the interval is above 0: ${better}` : `the interval is below 0: ${worse}`;
}
