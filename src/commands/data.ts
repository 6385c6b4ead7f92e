import type { Command } from 'commander';
import type { Config } from '../config/schema.js';
import { DataError, messageOf } from '../errors.js';
import {
  configOf,
  type Io,
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

/** What was found in one split. */
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
    .summary('check annotations and videos')
    .description('Annotations and videos of a recipe.');
  withBadVideo(withRecipe(data.command('check')))
    .summary('list everything that is wrong with the data')
    .description(
      'Reads the annotations of every split of a recipe, looks for the videos, and lists all problems; the exit code is 3 when there are any.',
    )
    .option('--decode', 'also decode the frames of every clip (default: off)')
    .option('--json', 'print the splits and their problems as JSON (default: off)')
    .action((recipe: string | undefined, options: Options) => check(io, recipe, options));
}

async function check(io: Io, recipe: string | undefined, options: Options): Promise<void> {
  const { config } = await configOf(io, recipe, options);
  const { SPLITS } = await import('./samples.js');
  const reports: SplitReport[] = [];
  for (const split of SPLITS)
    if (config.data[split]) reports.push(await checkSplit(io, config, split, options));
  if (options.json) printJson(io, reports);
  else
    for (const { split, file, samples, videos, problems } of reports) {
      for (const problem of problems) print(io, problem);
      print(io, `${split}: ${samples} samples of ${videos} videos in ${file}, ${problems.length} problems`);
    }
  const count = reports.reduce((total, { problems }) => total + problems.length, 0);
  if (count > 0) throw new DataError(`${count} problems in the data`);
}

async function checkSplit(
  io: Io,
  config: Config,
  split: 'train' | 'val' | 'test',
  options: Options,
): Promise<SplitReport> {
  const { readAnnotations } = await import('../data/readers/index.js');
  const { describeProblem } = await import('../data/problems.js');
  const { VideoLocator } = await import('../video/locate.js');
  const { dataset, videos, map, reasoning } = config.data;
  const file = config.data[split]!;
  const problems: string[] = [];
  const { samples } = await readAnnotations({
    dataset,
    file,
    onProblem: (problem) => problems.push(describeProblem(problem)),
  });
  if (split === 'train' && reasoning) {
    const { joinReasoning } = await import('../data/reasoning.js');
    await joinReasoning(samples, reasoning).catch((error) => problems.push(messageOf(error)));
  }
  const locator = await VideoLocator.open(videos, map ? { mapFile: map } : {});
  const { paths, missing } = await locator.locate(samples);
  for (const id of missing) problems.push(`${id}: no video in ${videos}`);
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
  samples: readonly import('../data/sample.js').Sample[],
  paths: ReadonlyMap<string, string>,
): Promise<string[]> {
  const { readFrames } = await import('../video/frames.js');
  const { clipOf } = await import('./samples.js');
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
    await readFrames({ path, id, count, mode: 'uniform', ...clipOf(sample) }).catch((error) =>
      problems.push(messageOf(error)),
    );
    progress.tick(++done);
  }
  progress.done();
  return problems;
}
