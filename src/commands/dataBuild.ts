/** `reasvqa data build`: films whose questions ask to infer, or to tell two videos apart, made of any videos. */
import type { Command } from 'commander';
import { UsageError } from '../base/errors.js';
import type { BuildRequest, BuildSummary } from '../video/films/build.js';
import { fromCwd, type Io, interruptible, note, print, printJson, progressOf } from './io.js';

interface Options {
  videos: string;
  out: string;
  seed: string;
  onBadVideo: string;
  json?: boolean;
}

export function addDataBuild(data: Command, io: Io): void {
  const group = data
    .command('build')
    .summary('make films to reason about out of videos')
    .description(
      'Makes films of videos with ffmpeg, and samples.jsonl with a question about each. The same seed gives the same choice; an interrupted command continues.',
    );
  withOptions(
    group
      .command('dark')
      .summary('hide one event of each video')
      .description(
        'One random event of each video becomes black, and the question is what happens there (DarkEventInfer). Sound is left out.',
      )
      .argument('<events>', 'JSON lines {"video", "events": [{"start", "end", "text"}]}, in seconds'),
  )
    .option('--question <text>', 'the question (default: what most likely happens in the black part)')
    .action(async (events: string, options: Options & { question?: string }) => {
      const { buildDark } = await import('../video/films/dark.js');
      const { question } = options;
      await run(io, events, options, (request) => buildDark({ ...request, question }));
    });
  withOptions(
    group
      .command('mix')
      .summary('lay pieces of two videos alternately')
      .description(
        'Pieces of 1.5 to 2 s of two videos alternate, and the questions about the first are asked (MixVidQA). A question must say by its words which video it is about.',
      )
      .argument('<questions>', 'JSON lines of samples with a question about a video: tasks choice and open'),
  ).action(async (questions: string, options: Options) => {
    const { buildMix } = await import('../video/films/mix.js');
    await run(io, questions, options, buildMix);
  });
}

function withOptions(command: Command): Command {
  return command
    .requiredOption('--videos <folder>', 'folder of the videos (required)')
    .requiredOption('--out <folder>', 'folder to write: samples.jsonl and videos/ (required)')
    .option('--seed <text>', 'decides what is hidden, cut and paired', '0')
    .option('--on-bad-video <error|skip>', 'stop at a missing or broken video, or leave it out', 'error')
    .option('--json', 'print the summary as JSON (default: off)');
}

async function run(
  io: Io,
  annotations: string,
  { videos, out, seed, onBadVideo, json }: Options,
  build: (request: BuildRequest) => Promise<BuildSummary>,
): Promise<void> {
  if (onBadVideo !== 'error' && onBadVideo !== 'skip')
    throw new UsageError(`--on-bad-video ${onBadVideo}: expected error or skip`);
  const progress = progressOf(io, 'build', 'films');
  const summary = await interruptible((signal) =>
    build({
      videos: fromCwd(io, videos),
      annotations: fromCwd(io, annotations),
      out: fromCwd(io, out),
      seed,
      skipBad: onBadVideo === 'skip',
      signal,
      onProgress: (done) => progress.tick(done),
    }),
  ).finally(() => progress.done());
  for (const { id, reason } of summary.skipped) note(io, `left out: ${id}: ${reason}`);
  if (json) return printJson(io, summary);
  print(
    io,
    `${summary.file}: ${summary.samples} samples about ${summary.films} films, ${summary.made} made now`,
  );
}
