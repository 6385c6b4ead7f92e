/** `reasvqa data check`: lists everything that is wrong with annotations and videos, and what two files share. */
import type { Command } from 'commander';
import { DataError } from '../base/errors.js';
import { type DataFiles, dataFilesOf, type FilesOptions, withFiles } from './dataFiles.js';
import { fromCwd, type Io, note, print, printJson, progressOf, withBadVideo } from './io.js';

interface Options extends FilesOptions {
  against?: string[];
  againstDataset?: string;
  decode?: boolean;
  json?: boolean;
}

/** Result for one file; problems and warnings are one line each, naming the place. */
interface Report {
  split?: string;
  file: string;
  samples: number;
  videos: number;
  problems: string[];
  warnings: string[];
}

export function addDataCheck(data: Command, io: Io): void {
  withBadVideo(withFiles(data.command('check')))
    .summary('list everything that is wrong with the data')
    .description(
      'Reads the annotations of every split of a recipe, or files, row by row, looks for the videos, and lists all problems as file:line; the exit code is 3 when there are any. Equal options are warnings, since published files have some. With --against it also counts the questions and videos that other files share.',
    )
    .option(
      '--videos <folder>',
      'folder of the videos (default: that of the recipe; for files none are looked for)',
    )
    .option('--against <files...>', 'count what these annotation files share with the data (default: none)')
    .option('--against-dataset <name>', 'dataset of those files (default: that of the data)')
    .option('--decode', 'also decode the frames of every clip (default: off)')
    .option('--json', 'print the files and their problems as JSON (default: off)')
    .action((args: string[], options: Options) => check(io, args, options));
}

async function check(io: Io, args: readonly string[], options: Options): Promise<void> {
  const found = await dataFilesOf(io, args, options);
  const notices = new Set<string>();
  const reports: Report[] = [];
  let problems = 0;
  for (const { split, file } of found.files) {
    const report: Report = {
      ...(split ? { split } : {}),
      file,
      samples: 0,
      videos: 0,
      problems: [],
      warnings: [],
    };
    const counts = { problems: 0, warnings: 0 };
    /** Prints a line at once, so that a file of any length may have any number; JSON has them all in one document. */
    const tell = (kind: 'problems' | 'warnings') => (line: string) => {
      counts[kind]++;
      if (options.json) report[kind].push(line);
      else print(io, kind === 'warnings' ? `warning: ${line}` : line);
    };
    const { samples, videos } = await checkOne(io, found, { split, file }, options, tell, notices);
    reports.push({ ...report, samples, videos });
    problems += counts.problems;
    if (options.json) continue;
    const warned = counts.warnings > 0 ? `, ${counts.warnings} warnings` : '';
    const name = split ? `${split}: ` : '';
    print(
      io,
      `${name}${samples} samples of ${videos} videos in ${file}, ${counts.problems} problems${warned}`,
    );
  }
  for (const line of notices) note(io, line);
  const leakage = await leakageOf(io, found, options);
  if (options.json) printJson(io, leakage ? { files: reports, leakage } : reports);
  if (problems > 0) throw new DataError(`${problems} problems in the data`);
}

async function checkOne(
  io: Io,
  { dataset, config, videosKnown }: DataFiles,
  { split, file }: { split?: string | undefined; file: string },
  options: Options,
  tell: (kind: 'problems' | 'warnings') => (line: string) => void,
  notices: Set<string>,
) {
  const { checkFile } = await import('../batches/checkFile.js');
  const { videos, map, reasoning, fps } = config.data;
  let progress: ReturnType<typeof progressOf> | undefined;
  const result = await checkFile({
    dataset,
    file,
    ...(videosKnown ? { videos } : {}),
    ...(map ? { map } : {}),
    ...(split === 'train' && reasoning ? { reasoning } : {}),
    ...(options.decode ? { decode: { frames: config.video.frames, ...(fps ? { fps } : {}) } } : {}),
    onProblem: tell('problems'),
    onWarning: tell('warnings'),
    onNotice: (line) => notices.add(line),
    onDecoded: (done, total) => {
      progress ??= progressOf(io, 'decode', 'clips', total);
      progress.tick(done);
    },
  });
  progress?.done();
  return result;
}

async function leakageOf(io: Io, { dataset, files }: DataFiles, options: Options) {
  const { against, againstDataset = dataset, json } = options;
  if (!against) return undefined;
  const { leakageBetween } = await import('../data/leakage.js');
  // Faults of the first files have been told; those of the others leave rows out, and are counted.
  let unread = 0;
  const leakage = await leakageBetween(
    { dataset, files: files.map(({ file }) => file) },
    { dataset: againstDataset, files: against.map((file) => fromCwd(io, file)) },
    ({ file }) => {
      if (!files.some((own) => own.file === file)) unread++;
    },
  );
  if (unread > 0)
    note(io, `warning: ${unread} problems in the files of --against; their rows are not compared`);
  if (json) return leakage;
  const { samples, byVideo, byQuestion, byBoth, examples } = leakage;
  print(io, `shared with ${against.join(', ')}, of ${samples} samples:`);
  print(io, `  by video: ${byVideo.samples} samples of ${byVideo.videos} videos`);
  print(io, `  by question: ${byQuestion.samples} samples`);
  print(io, `  by both: ${byBoth.samples} samples${examples.length > 0 ? ', such as' : ''}`);
  for (const { place, other, question } of examples) print(io, `    ${place} and ${other}: ${question}`);
  return leakage;
}
