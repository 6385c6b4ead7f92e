/** `reasvqa score`: scores an official prediction file. */
import type { Command } from 'commander';
import { datasetNames } from '../data/datasets/index.js';
import { fromCwd, type Io, print, printJson } from './io.js';

interface Options {
  dataset: string;
  annotations: string;
  predictions: string;
  subset?: string;
  json?: boolean;
}

export function addScore(program: Command, io: Io): void {
  program
    .command('score')
    .summary('score a prediction file against annotations')
    .description(
      'Scores an official prediction file, {"<sample id>": {"prediction": i, "answer": i}}: accuracy in percent per question type, per group and in total (every question counts once).',
    )
    .requiredOption('--dataset <name>', `one of ${datasetNames().join(', ')} (required)`)
    .requiredOption('--annotations <file>', 'annotation file of the split (required)')
    .requiredOption('--predictions <file>', 'prediction file (required)')
    .option('--subset <file>', 'score only these 0-based rows of the annotations (default: all)')
    .option('--json', 'print {dataset, types, groups, total} as JSON (default: off)')
    .action(async (options: Options) => {
      const { formatScore, scorePredictions } = await import('../evaluation/score.js');
      const result = await scorePredictions({
        dataset: options.dataset,
        annotations: fromCwd(io, options.annotations),
        predictions: fromCwd(io, options.predictions),
        ...(options.subset ? { subset: fromCwd(io, options.subset) } : {}),
      });
      if (options.json) printJson(io, result);
      else print(io, formatScore(result));
    });
}
