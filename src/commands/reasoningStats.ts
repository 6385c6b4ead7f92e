/** `reasvqa reasoning stats`: what is in a file of reasoning. */
import type { Command } from 'commander';
import type { ClassCounts, Lengths, ReasoningStats } from '../reasoning/stats.js';
import {
  configOf,
  fromCwd,
  type Io,
  integer,
  interruptible,
  note,
  print,
  printJson,
  progressOf,
  table,
  withSettings,
} from './io.js';

interface Options {
  set: string[];
  split: string;
  tokenizer?: string;
  phrases: number;
  json?: boolean;
}

export function addReasoningStats(reasoning: Command, io: Io): void {
  withSettings(reasoning.command('stats'))
    .summary('count accuracy by type, classes, lengths, and what refinement removes')
    .description(
      "Grades and refines every row and counts: the teacher's accuracy in all and by question type (the paper's Table 4), Correct Reasoning, Incorrect Reasoning and ungradable rows, lengths before and after refinement, removals by rule, and how the removed sentences begin. Types come from the rows, else from the annotations of a recipe.",
    )
    .argument('<file>', 'JSON lines, of `reasvqa generate` or of another program')
    .argument('[recipe]', 'recipe whose annotations name the types of the questions')
    .option('--split <name>', 'split of the recipe: train, val or test', 'train')
    .option(
      '--tokenizer <path>',
      'folder or tokenizer.json to count lengths with (default: lengths are in words)',
    )
    .option('--phrases <n>', 'removed phrases listed', integer(0), 20)
    .option('--json', 'print the statistics as JSON (default: off)')
    .action((file: string, recipe: string | undefined, options: Options) => stats(io, file, recipe, options));
}

async function stats(io: Io, file: string, recipe: string | undefined, options: Options): Promise<void> {
  const { reasoningStats } = await import('../reasoning/stats.js');
  const types = await typesOf(io, recipe, options);
  const tokensOf = await tokensWith(io, options.tokenizer);
  const progress = progressOf(io, 'stats', 'rows');
  const found = await interruptible((signal) =>
    reasoningStats(fromCwd(io, file), {
      phrases: options.phrases,
      onTorn: (line) => note(io, line),
      onRow: (rows) => progress.tick(rows),
      signal,
      ...(types && { types }),
      ...(tokensOf && { tokensOf }),
    }),
  ).finally(() => progress.done());
  if (types && Object.keys(found.types).length === 0)
    note(
      io,
      `no row of ${file} has a type in the recipe's ${options.split} split; name another --split or recipe`,
    );
  if (options.json) return printJson(io, found);
  printStats(io, found);
}

/** Types of the questions by id; undefined where no annotations are named. */
async function typesOf(io: Io, recipe: string | undefined, options: Options) {
  if (recipe === undefined && options.set.length === 0) return undefined;
  const { config } = await configOf(io, recipe, options);
  const { splitSamples } = await import('./samples.js');
  const samples = await splitSamples(config, options.split);
  return new Map(samples.map(({ id, type }) => [id, type]));
}

async function tokensWith(io: Io, path: string | undefined) {
  if (path === undefined) return undefined;
  const { Tokenizer } = await import('../text/tokenizer.js');
  const tokenizer = await Tokenizer.load(fromCwd(io, path));
  return (text: string) => tokenizer.encode(text, { addEos: false }).length;
}

const percent = (part: number, whole: number) =>
  whole === 0 ? '' : `${((100 * part) / whole).toFixed(2)} %`;

function printStats(io: Io, stats: ReasoningStats): void {
  const { all, types, rules, unit, lengths, emptied, removed, phrases } = stats;
  const line = (name: string, { rows, accuracy, correct, incorrect, ungradable }: ClassCounts) => [
    ...[name, `${rows}`, accuracy === null ? '' : `${(100 * accuracy).toFixed(2)} %`],
    ...[correct, incorrect, ungradable].map((count) => percent(count, rows)),
  ];
  const heads = ['type', 'rows', 'accuracy', 'correct', 'incorrect', 'ungradable'];
  const lines = Object.entries(types).map(([type, counts]) => line(type, counts));
  print(io, table([heads, ...lines, line('all', all)], [1, 2, 3, 4, 5]));
  if (all.unknown > 0) print(io, `rows with an answer and no true one: ${all.unknown}`);
  const length = (name: string, { mean, p5, median, p95, max }: Lengths) => [
    ...[name, mean.toFixed(1), `${p5}`, `${median}`, `${p95}`, `${max}`],
  ];
  const columns = [`length in ${unit}`, 'mean', '5 %', 'median', '95 %', 'longest'];
  const both = [length('written', lengths.written), length('refined', lengths.refined)];
  print(io, `\n${table([columns, ...both], [1, 2, 3, 4, 5])}`);
  print(io, `texts of which refinement leaves nothing: ${emptied}`);
  const counts = (head: string, of: Record<string, number>) => {
    const rows = Object.entries(of).map(([name, count]) => [name, `${count}`]);
    if (rows.length > 0) print(io, `\n${table([[head, 'times'], ...rows], [1])}`);
  };
  counts('read by', rules);
  counts('removed by', removed);
  counts('removed, beginning with', Object.fromEntries(phrases.map(({ words, times }) => [words, times])));
}
