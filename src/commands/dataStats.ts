/** `reasvqa data stats`: counts of annotations, and the lengths of their texts. */
import type { Command } from 'commander';
import { DataError } from '../base/errors.js';
import type { FileStatistics } from '../batches/fileStatistics.js';
import type { Tokenizer } from '../text/tokenizer.js';
import { type DataFiles, dataFilesOf, type FilesOptions, withFiles } from './dataFiles.js';
import { fromCwd, type Io, note, print, printJson, table } from './io.js';

interface Options extends FilesOptions {
  tokenizer?: string;
  json?: boolean;
}

export function addDataStats(data: Command, io: Io): void {
  withFiles(data.command('stats'))
    .summary('count questions, types, answers and lengths')
    .description(
      'Counts samples, videos, questions per type and group, positions of the right option, lengths of texts, and what text.maxPrompt and text.maxReasoning would cut. The splits of a recipe are counted one by one, files that are given directly together. Bad rows are not counted; the exit code is then 3.',
    )
    .option(
      '--tokenizer <path>',
      'folder or tokenizer.json to count tokens with (default: model.tokenizer of a recipe, if it is on this machine; for files lengths are in words)',
    )
    .option('--json', 'print the statistics as JSON (default: off)')
    .action((args: string[], options: Options) => stats(io, args, options));
}

async function stats(io: Io, args: readonly string[], options: Options): Promise<void> {
  const found = await dataFilesOf(io, args, options);
  const { statisticsOf } = await import('../batches/fileStatistics.js');
  const { describeProblem } = await import('../data/problems.js');
  const tokenizer = await tokenizerOf(io, found, options);
  const { dataset, config } = found;
  const results: (FileStatistics & { split?: string })[] = [];
  let problems = 0;
  let first: string | undefined;
  for (const { split, files } of countedTogether(found)) {
    const reasoning = split === 'train' ? await reasoningOf(io, config.data) : undefined;
    const statistics = await statisticsOf({
      dataset,
      files,
      config,
      ...(reasoning ? { reasoning } : {}),
      ...(tokenizer ? { tokenizer } : {}),
      onProblem: (problem) => {
        problems++;
        first ??= describeProblem(problem);
      },
    });
    results.push({ ...(split ? { split } : {}), ...statistics });
    if (options.json) continue;
    if (split) print(io, `${results.length > 1 ? '\n' : ''}${split}: ${files[0]}`);
    printStatistics(io, statistics);
  }
  if (options.json) printJson(io, results[0]?.split ? results : results[0]);
  if (problems > 0)
    throw new DataError(`${first} (problems in all: ${problems}; \`reasvqa data check\` lists them)`);
}

/** The file of reasoning, if it is there already. */
async function reasoningOf(io: Io, { reasoning }: DataFiles['config']['data']): Promise<string | undefined> {
  if (reasoning === undefined) return undefined;
  const { reasoningToCome } = await import('../data/reasoning.js');
  const notice = await reasoningToCome(reasoning);
  if (notice === undefined) return reasoning;
  note(io, `warning: ${notice}`);
  return undefined;
}

/** The splits of a recipe one by one; files that are given directly together. */
function countedTogether({ files }: DataFiles): { split?: string; files: string[] }[] {
  if (files[0]?.split === undefined) return [{ files: files.map(({ file }) => file) }];
  return files.map(({ split, file }) => ({ ...(split ? { split } : {}), files: [file] }));
}

/** The tokenizer that was asked for, or that of a recipe where it can be had without a download. */
async function tokenizerOf(
  io: Io,
  { tokenizer }: DataFiles,
  options: Options,
): Promise<Tokenizer | undefined> {
  const named = options.tokenizer === undefined ? undefined : fromCwd(io, options.tokenizer);
  const path = named ?? tokenizer;
  if (path === undefined) return undefined;
  const { Tokenizer } = await import('../text/tokenizer.js');
  if (named !== undefined) return Tokenizer.load(named);
  return Tokenizer.load(path, { offline: true }).catch((error) => {
    if (!(error instanceof DataError)) throw error;
    note(io, `lengths are in words: ${error.message}`);
    return undefined;
  });
}

function printStatistics(io: Io, statistics: FileStatistics): void {
  const { files, samples, videos, repeatedIds, tasks, types, groups, options, answers, unit, cut } =
    statistics;
  if (files.length > 1)
    print(
      io,
      table(
        files.map(({ file, samples }) => [file, `${samples} samples`]),
        [1],
      ),
    );
  print(io, `${samples} samples of ${videos} videos`);
  if (repeatedIds > 0) print(io, `ids that an earlier file has too: ${repeatedIds}`);
  if (samples === 0) return;
  const share = (count: number) => [`${count}`, `${((100 * count) / Math.max(1, samples)).toFixed(2)} %`];
  const counts = (title: string, of: Record<string, number>) => {
    if (Object.keys(of).length === 0) return;
    const rows = Object.entries(of).map(([name, count]) => [name, ...share(count)]);
    print(io, `\n${table([[title, 'questions', 'share'], ...rows], [1, 2])}`);
  };
  if (Object.keys(tasks).some((task) => task !== 'choice')) counts('task', tasks);
  counts('type', types);
  counts('group', groups);
  counts('options', options);
  counts('right option', Object.fromEntries(answers.map((count, at) => [at, count])));
  const { withoutAnswer, spans, captions, clips, reasoning, lengths } = statistics;
  if (spans > 0) print(io, `\n${spans} true spans`);
  if (captions > 0) print(io, `\n${captions} reference captions`);
  const parts = { 'without an answer': withoutAnswer, 'about a clip': clips, 'with reasoning': reasoning };
  counts('of these', Object.fromEntries(Object.entries(parts).filter(([, count]) => count > 0)));
  const rows = Object.entries(lengths).map(([text, { count, mean, median, p95, max }]) => [
    text,
    ...[`${count}`, mean.toFixed(1), `${median}`, `${p95}`, `${max}`],
  ]);
  print(
    io,
    `\n${table([[`length in ${unit}`, 'texts', 'mean', 'median', '95 %', 'longest'], ...rows], [1, 2, 3, 4, 5])}`,
  );
  for (const { text, key, limit, count } of cut ?? [])
    print(io, `${key} ${limit} cuts ${count} of ${lengths[text]?.count ?? 0} texts (${text})`);
  if (!cut) print(io, 'what text.maxPrompt and text.maxReasoning cut is counted with --tokenizer');
}
