/** `reasvqa score`: scores an official prediction file. */
import type { Command } from 'commander';
import { datasetNames } from '../data/datasets/index.js';
import { fromCwd, type Io, note, print, printJson } from './io.js';

interface Options {
  dataset: string;
  annotations: string;
  predictions: string;
  subset?: string;
  spans?: string;
  qa?: string;
  fractions?: boolean;
  wordnet?: string;
  json?: boolean;
}

export function addScore(program: Command, io: Io): void {
  program
    .command('score')
    .summary('score a prediction file against annotations')
    .description(
      'Scores predictions. An official file of choices, {"<sample id>": {"prediction": i, "answer": i}}, gives accuracy in percent per question type, per group and in total. JSON lines of {id, span | text | prediction}, an object or a list by id, and the official files of NExT-GQA, NExT-OE and QVHighlights give the metrics of their tasks: mIoU, R1@0.5, Acc@GQA, CIDEr, WUPS and so on.',
    )
    .requiredOption('--dataset <name>', `one of ${datasetNames().join(', ')} (required)`)
    .requiredOption('--annotations <file>', 'annotation file of the split (required)')
    .requiredOption('--predictions <file>', 'prediction file (required)')
    .option('--subset <file>', 'score only these 0-based rows of the annotations (default: all)')
    .option('--spans <file>', 'true spans of NExT-GQA, gsub_*.json (default: the one beside the annotations)')
    .option(
      '--qa <file>',
      'answers of grounded questions, for Acc@GQA (default: those in the prediction file, if any)',
    )
    .option('--fractions', 'predicted spans are fractions of the video (default: seconds)')
    .option('--wordnet <folder>', "WordNet's folder dict, for WUPS of free answers (default: no WUPS)")
    .option('--json', 'print all scores as JSON (default: off)')
    .action((options: Options) => score(io, options));
}

async function score(io: Io, options: Options): Promise<void> {
  const { formatScore, formatTaskScores, scoreFile, scoreJson } = await import('../evaluation/scoreFile.js');
  const path = (file: string | undefined) => (file === undefined ? undefined : fromCwd(io, file));
  const paths = {
    subset: path(options.subset),
    spansFile: path(options.spans),
    qa: path(options.qa),
    wordnet: path(options.wordnet),
  };
  const result = await scoreFile({
    dataset: options.dataset,
    annotations: fromCwd(io, options.annotations),
    predictions: fromCwd(io, options.predictions),
    ...Object.fromEntries(Object.entries(paths).filter(([, file]) => file !== undefined)),
    fractions: options.fractions === true,
  });
  if (!('tasks' in result)) return options.json ? printJson(io, result) : print(io, formatScore(result));
  for (const notice of result.notices) note(io, `warning: ${notice}`);
  if (options.json) printJson(io, scoreJson(result));
  else print(io, formatTaskScores(result));
}
