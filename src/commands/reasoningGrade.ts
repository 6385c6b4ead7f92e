/** `reasvqa reasoning grade`: reads the option that each text names. */
import type { Command } from 'commander';
import type { GradeStats } from '../reasoning/gradeFile.js';
import { fromCwd, type Io, interruptible, note, print, printJson, table } from './io.js';

interface Options {
  out: string;
  json?: boolean;
}

export function addReasoningGrade(reasoning: Command, io: Io): void {
  reasoning
    .command('grade')
    .summary('read the option that each text names, and whether it is the true one')
    .description(
      "Reads JSON lines from anywhere, of an id, options, a model's text and perhaps the true answer (0-based, a letter or the option's text), under the names that such files use. Writes {id, predicted, stated, correct}: the 0-based option or null, the rule and the words that it was read by, and true, false or null. A text that names no option, or several, is ungradable and never guessed.",
    )
    .argument('<file>', 'JSON lines, of `reasvqa generate` or of another program')
    .requiredOption('--out <file>', 'JSON-lines file to write (required)')
    .option('--json', 'print the counts as JSON (default: off)')
    .action((file: string, options: Options) => grade(io, file, options));
}

async function grade(io: Io, file: string, options: Options): Promise<void> {
  const { gradeFile } = await import('../reasoning/gradeFile.js');
  const stats = await interruptible((signal) =>
    gradeFile({
      input: fromCwd(io, file),
      output: fromCwd(io, options.out),
      onNotice: (line) => note(io, line),
      signal,
    }),
  );
  if (options.json) return printJson(io, stats);
  printGrades(io, stats, options.out);
}

function printGrades(io: Io, stats: GradeStats, out: string): void {
  const { rows, correct, incorrect, ungradable, unknown, accuracy, rules, differing } = stats;
  const share = (count: number) => `${((100 * count) / rows).toFixed(2)} %`;
  print(io, `${rows} rows in ${out}`);
  const classes = { correct, incorrect, ungradable, 'without a true answer': unknown };
  const counts = (title: string, of: Record<string, number>) =>
    table(
      [[title, 'rows', 'share'], ...Object.entries(of).map(([name, n]) => [name, `${n}`, share(n)])],
      [1, 2],
    );
  print(io, counts('class', classes));
  if (accuracy !== null) print(io, `accuracy ${(100 * accuracy).toFixed(2)} %, ungradable rows included`);
  if (differing > 0)
    print(io, `rows whose own prediction names another option than their text: ${differing}`);
  print(io, counts('read by', rules));
}
