/** `reasvqa refine`: the conclusions of generated reasoning are removed. */
import type { Command } from 'commander';
import { UsageError } from '../base/errors.js';
import { fromCwd, type Io, print, printJson, table } from './io.js';

interface RefineOptions {
  out: string;
  patterns: string;
  groundTruth: string;
  original?: boolean;
  json?: boolean;
}

export function addRefine(program: Command, io: Io): void {
  program
    .command('refine')
    .summary('take the conclusions out of generated reasoning')
    .description(
      'Reads the JSON lines of `reasvqa generate` and writes {id, reasoning, correct, removed} for data.reasoning: the sentences that state a conclusion or the predicted answer are removed (paper, appendix A.4).',
    )
    .argument('<input>', 'file written by `reasvqa generate`')
    .requiredOption('--out <file>', 'JSON-lines file to write (required)')
    .option(
      '--patterns <set>',
      "paper: the paper's list; wide: also the same closings in other words",
      'paper',
    )
    .option(
      '--ground-truth <scope>',
      'words of the true answer removed from incorrect reasoning: phrase, words or keep',
      'phrase',
    )
    .option('--original', 'remove nothing, for comparison (default: off)')
    .option('--json', 'print the counts as JSON (default: off)')
    .action((input: string, options: RefineOptions) => refine(io, input, options));
}

const GROUND_TRUTH = ['phrase', 'words', 'keep'] as const;

async function refine(io: Io, input: string, options: RefineOptions): Promise<void> {
  const groundTruth = GROUND_TRUTH.find((scope) => scope === options.groundTruth);
  if (!groundTruth)
    throw new UsageError(`--ground-truth ${options.groundTruth}: expected ${GROUND_TRUTH.join(', ')}`);
  const { refineFile } = await import('../reasoning/refineFile.js');
  const { patternsFrom } = await import('../reasoning/patterns.js');
  const stats = await refineFile({
    input: fromCwd(io, input),
    output: fromCwd(io, options.out),
    patterns: patternsFrom(options.patterns),
    groundTruth,
    mode: options.original ? 'original' : 'refined',
  });
  if (options.json) return printJson(io, stats);
  print(io, `${stats.kept} of ${stats.samples} samples keep reasoning, ${stats.empty} have nothing left`);
  const { correct, incorrect, ungradable, unknown } = stats;
  print(io, `correct ${correct}, incorrect ${incorrect}, ungradable ${ungradable}, unknown ${unknown}`);
  const { before, after } = stats.meanCharacters;
  print(io, `mean length ${before.toFixed(0)} -> ${after.toFixed(0)} characters`);
  const counts = Object.entries(stats.removed).map(([name, count]) => [name, String(count)]);
  if (counts.length > 0) print(io, table([['removed', 'times'], ...counts], [1]));
}
