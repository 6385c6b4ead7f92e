/** `reasvqa reasoning truth`: which steps of reasoning about the built-in world are true. */
import type { Command } from 'commander';
import { fromCwd, type Io, print, printJson, table } from './io.js';

interface TruthOptions {
  world: string;
  json?: boolean;
}

export function addTruth(group: Command, io: Io): void {
  group
    .command('truth')
    .summary('count the true steps of reasoning about the built-in world')
    .description(
      "Reads reasoning about the shapes world step by step, the teacher's or a student's, and says which steps are true of the clip: before and after refinement, in chains that end in the right answer and in a wrong one. A line holds id, reasoning (or text) and predicted (or prediction); frames, the shown frames' numbers, where they were not four. Headings, conclusions and garbled sentences are counted as unread.",
    )
    .argument('<files...>', 'files of `reasvqa generate`, `reasvqa refine`, or predictions with reasoning')
    .requiredOption('--world <folder>', 'folder written by `reasvqa shapes make` (required)')
    .option('--json', 'print the counts as JSON (default: off)')
    .action((files: string[], options: TruthOptions) => truth(io, files, options));
}

async function truth(io: Io, files: readonly string[], options: TruthOptions): Promise<void> {
  const { truthOfFiles } = await import('../shapes/truth.js');
  const counts = await truthOfFiles({
    world: fromCwd(io, options.world),
    files: files.map((file) => fromCwd(io, file)),
  });
  if (options.json) return printJson(io, counts);
  const percent = (share: number) => (100 * share).toFixed(1);
  const rows = counts.map(({ share, ...count }) => [
    ...[count.file, count.stage, count.answer, String(count.chains)],
    ...[count.true, count.false, count.unread].map(String),
    share === null ? '-' : `${percent(share.rate)} [${percent(share.low)}, ${percent(share.high)}]`,
    percent(count.wholly / count.chains),
  ]);
  const head = ['file', 'refinement', 'answer', 'chains', 'true', 'false', 'unread'];
  print(io, table([[...head, 'true of the read, %', 'chains wholly true, %'], ...rows], [3, 4, 5, 6, 7, 8]));
}
