/** `reasvqa data check`: lists everything that is wrong with a recipe's annotations and videos. */
import type { Command } from 'commander';
import { DataError, messageOf, UsageError } from '../base/errors.js';
import type { Config } from '../config/schema.js';
import type { Problem } from '../data/problems.js';
import type { Sample } from '../data/sample.js';
import {
  configOf,
  fromCwd,
  type Io,
  note,
  print,
  printJson,
  progressOf,
  type RecipeOptions,
  withBadVideo,
  withRecipe,
} from './io.js';

interface Options extends RecipeOptions {
  decode?: boolean;
  json?: boolean;
}

/** Result for one split. */
interface SplitReport {
  split: string;
  file: string;
  samples: number;
  videos: number;
  /** One line each, naming the place. */
  problems: string[];
}

export function addData(program: Command, io: Io): void {
  const data = program
    .command('data')
    .summary('check annotations and videos, find subsets')
    .description('Annotations and videos of a recipe.');
  withBadVideo(withRecipe(data.command('check')))
    .summary('list everything that is wrong with the data')
    .description(
      'Reads the annotations of every split of a recipe, looks for the videos, and lists all problems; the exit code is 3 when there are any.',
    )
    .option('--decode', 'also decode the frames of every clip (default: off)')
    .option('--json', 'print the splits and their problems as JSON (default: off)')
    .action((recipe: string | undefined, options: Options) => check(io, recipe, options));
  data
    .command('atp-hard')
    .summary('find the rows of the ATP-hard subset')
    .description(
      'Finds the questions of the second file in the first, by video, question and options, and writes their 0-based row numbers: what `reasvqa score --subset` and `reasvqa table 6` read.',
    )
    .argument('<val>', "NExT-QA's val.csv")
    .argument('<atp-hard>', "the subset's rows as csv, such as videocon's nextqa-atphard.csv")
    .requiredOption('--out <file>', 'file of row numbers to write (required)')
    .action((val: string, subset: string, options: { out: string }) => atpHard(io, val, subset, options));
}

async function atpHard(io: Io, val: string, subset: string, { out }: { out: string }): Promise<void> {
  const { rowNumbers } = await import('../data/atpHard.js');
  const { writeFileAtomic } = await import('../base/files.js');
  const rows = await rowNumbers(fromCwd(io, val), fromCwd(io, subset));
  await writeFileAtomic(fromCwd(io, out), rows.map((row) => `${row}\n`).join(''));
  print(io, `${rows.length} rows in ${out}`);
}

async function check(io: Io, recipe: string | undefined, options: Options): Promise<void> {
  const { config } = await configOf(io, recipe, options);
  const { SPLITS } = await import('./samples.js');
  if (!SPLITS.some((split) => config.data[split]))
    throw new UsageError(
      'data.train, data.val, data.test: all missing; the recipe has no annotations to check',
    );
  const reports: SplitReport[] = [];
  const notices = new Set<string>();
  for (const split of SPLITS)
    if (config.data[split]) reports.push(await checkSplit(io, config, split, options, notices));
  for (const line of notices) note(io, line);
  if (options.json) printJson(io, reports);
  else
    for (const { split, file, samples, videos, problems } of reports) {
      for (const problem of problems) print(io, problem);
      print(io, `${split}: ${samples} samples of ${videos} videos in ${file}, ${problems.length} problems`);
    }
  const count = reports.reduce((total, { problems }) => total + problems.length, 0);
  if (count > 0) throw new DataError(`${count} problems in the data`);
}

/** @param notices collects notices for the user, each once however many splits have it. */
async function checkSplit(
  io: Io,
  config: Config,
  split: 'train' | 'val' | 'test',
  options: Options,
  notices: Set<string>,
): Promise<SplitReport> {
  const { readAnnotations } = await import('../data/annotations.js');
  const { describeProblem } = await import('../data/problems.js');
  const { VideoLocator } = await import('../video/locate.js');
  const { dataset, videos, map, reasoning } = config.data;
  const file = config.data[split]!;
  const problems: string[] = [];
  const onProblem = (problem: Problem) => problems.push(describeProblem(problem));
  // A file or folder that is missing is one more problem, and hides no other.
  const unreadable = (error: unknown) => {
    if (!(error instanceof DataError)) throw error;
    problems.push(messageOf(error));
  };
  let samples: Sample[] = [];
  try {
    ({ samples } = await readAnnotations({ dataset, file, onProblem }));
  } catch (error) {
    unreadable(error);
  }
  if (split === 'train' && reasoning && samples.length > 0) {
    const { joinReasoning } = await import('../data/reasoning.js');
    await joinReasoning(samples, reasoning, onProblem).catch(unreadable);
  }
  let paths = new Map<string, string>();
  try {
    const locator = await VideoLocator.open(videos, map ? { mapFile: map } : {});
    const located = await locator.locate(samples, unreadable);
    for (const { id, reason } of located.missing) problems.push(`${id}: ${reason}`);
    for (const line of located.notices) notices.add(line);
    paths = located.paths;
  } catch (error) {
    unreadable(error);
  }
  if (options.decode) problems.push(...(await undecodable(io, config, samples, paths)));
  return {
    split,
    file,
    samples: samples.length,
    videos: new Set(samples.map((s) => s.video)).size,
    problems,
  };
}

/** Decodes the frames training would use of every distinct clip. */
async function undecodable(
  io: Io,
  config: Config,
  samples: readonly Sample[],
  paths: ReadonlyMap<string, string>,
): Promise<string[]> {
  const { clipOf, readFrames } = await import('../video/frames.js');
  const clips = new Map(
    samples
      .filter(({ video }) => paths.has(video))
      .map((sample) => [`${sample.video} ${sample.start} ${sample.end}`, sample]),
  );
  const problems: string[] = [];
  const progress = progressOf(io, 'decode', 'clips', clips.size);
  let done = 0;
  for (const sample of clips.values()) {
    const { id, video } = sample;
    const path = paths.get(video)!;
    const count = config.video.frames;
    await readFrames({ path, id, count, mode: 'uniform', ...clipOf(sample, config.data.fps) }).catch(
      (error) => problems.push(messageOf(error)),
    );
    progress.tick(++done);
  }
  progress.done();
  return problems;
}
