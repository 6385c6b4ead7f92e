/** `reasvqa reasoning sample`: rows of a file of reasoning to look at. */
import { type Command, Option } from 'commander';
import { GRADE_CLASSES, type GradeClass } from '../reasoning/grade.js';
import { configOf, fromCwd, type Io, integer, note, print, withSettings } from './io.js';
import { explanation } from './reasoningExplain.js';

interface Options {
  set: string[];
  split: string;
  count: number;
  seed: number;
  class?: GradeClass;
  html?: string;
}

export function addReasoningSample(reasoning: Command, io: Io): void {
  withSettings(reasoning.command('sample'))
    .summary('draw correct, incorrect and ungradable rows to look at')
    .description(
      'Draws rows of each class at random and prints how each is graded and refined, or writes them as an HTML page, with frames of their videos beside the text where a recipe names them.',
    )
    .argument('<file>', 'JSON lines, of `reasvqa generate` or of another program')
    .argument('[recipe]', 'recipe whose videos the page shows frames of')
    .option('--split <name>', 'split of the recipe: train, val or test', 'train')
    .option('-n, --count <n>', 'rows of each class', integer(1), 3)
    .option('--seed <n>', 'seed of the draw', integer(0), 1)
    .addOption(
      new Option('--class <name>', 'draw from one class alone (default: all)').choices([...GRADE_CLASSES]),
    )
    .option('--html <file>', 'HTML page to write (default: text on the terminal)')
    .action((file: string, recipe: string | undefined, options: Options) =>
      sample(io, file, recipe, options),
    );
}

async function sample(io: Io, file: string, recipe: string | undefined, options: Options): Promise<void> {
  const { sampleRows } = await import('../reasoning/sampleRows.js');
  const drawn = await sampleRows(fromCwd(io, file), {
    count: options.count,
    seed: options.seed,
    onTorn: (line) => note(io, line),
    ...(options.class && { classes: [options.class] }),
  });
  if (options.html === undefined) {
    for (const { class: name, of, rows } of drawn) {
      print(io, `${name}: ${rows.length} of ${of} rows`);
      for (const row of rows) print(io, `\n${explanation(row)}\n`);
    }
    return;
  }
  const { writeSamplePage } = await import('../report/samplePage.js');
  const clips = await clipsOf(io, recipe, options);
  if (clips && !drawn.some(({ rows }) => rows.some(({ row }) => clips.has(String(row.id)))))
    note(
      io,
      `no row drawn is in the recipe's ${options.split} split, so the page has no frames; name another --split or recipe`,
    );
  const title = `Rows of ${file}`;
  const { bytes } = await writeSamplePage(fromCwd(io, options.html), {
    title,
    drawn,
    ...(clips && { clips }),
  });
  print(io, `${options.html}: ${drawn.reduce((sum, { rows }) => sum + rows.length, 0)} rows, ${bytes} bytes`);
}

/** Clips of the questions by id; undefined where no recipe names any. */
async function clipsOf(io: Io, recipe: string | undefined, options: Options) {
  if (recipe === undefined && options.set.length === 0) return undefined;
  const { config } = await configOf(io, recipe, options);
  const { locatedSamples } = await import('./samples.js');
  const { samples, paths, notices } = await locatedSamples(config, options.split);
  for (const line of notices) note(io, line);
  const { fps } = config.data;
  return new Map(
    samples.map(({ id, video, start, end }) => [
      id,
      { id, path: paths.get(video) as string, start, end, fps },
    ]),
  );
}
