/** `reasvqa ask`: questions about one video. */
import { join } from 'node:path';
import type { Command } from 'commander';
import { Interrupted, UsageError } from '../base/errors.js';
import { asLine, isAddress, visible } from '../base/values.js';
import { DESCRIBE, type Task } from '../data/sample.js';
import type { Following, Query } from '../evaluation/ask.js';
import type { AnswerReport } from '../evaluation/report.js';
import type { Watched } from '../evaluation/watched.js';
import type { OpenAsked } from '../training/asked.js';
import { openStudent, type StudentChoice, withStudent } from './asked.js';
import { fromCwd, type Io, integer, interruptible, note, number, print } from './io.js';

interface AskOptions extends StudentChoice {
  options?: string[];
  questions?: string;
  start?: number;
  end?: number;
  reasoning: boolean;
  caption?: boolean;
  ground?: boolean;
  look?: number;
  saveFrames?: string;
  json?: boolean;
}

export function addAsk(program: Command, io: Io): void {
  const seconds = number(0, 1e9);
  withStudent(program.command('ask'))
    .summary('ask questions about one video')
    .description(
      'Asks a student questions about one video, which is read once, and prints the answer, the reasoning and the frames that were looked at. The probability of an option is the softmax over the logits of the option letters. Without options the student writes an answer.',
    )
    .argument('<video>', 'video file, GIF, WebP or folder of frames; bench/shapes/clip.webp ships')
    .argument('[questions...]', 'questions, each in quotes')
    .option(
      '--options <texts...>',
      'answers to choose from, 2 to 26, each in quotes, behind the questions (default: none)',
    )
    .option(
      '--questions <file>',
      'further questions, JSON lines {"question": ..., "options": [...], "task": ...}; - reads standard input (default: none)',
    )
    .option('--caption', 'describe the video; the questions, if any, say what to describe (default: off)')
    .option('--ground', 'say when it happens, in seconds; with --options beside the answer (default: off)')
    .option('--start <seconds>', 'begin of the clip (default: that of the video)', seconds)
    .option('--end <seconds>', 'end of the clip (default: that of the video)', seconds)
    .option('--no-reasoning', 'answer only (default: with reasoning)')
    .option(
      '--look <n>',
      'calls for the frames of a span that are answered, 0 to 2; for students of train.looks (default: eval.looks)',
      integer(0),
    )
    .option('--save-frames <folder>', 'write the frames that were looked at as PNG (default: none)')
    .option(
      '--json',
      'print one line {question, answer, options, span, reasoning, turns, frames} a question (default: off)',
    )
    .addHelpText(
      'after',
      `
With --json, answer is the letter of an option, {letter, text, probability} each; without options it is text and options
is absent. span is [start, end] in seconds with --ground, null where the student named none. probability is null where the answer was read off written text (eval.scorer=generate). reasoning is absent with --no-reasoning.

  reasvqa ask bench/shapes/clip.webp "why did the red object shrink" --options "the blue object touched it" "the green object touched it"`,
    )
    .action((video: string, questions: string[], options: AskOptions) => ask(io, video, questions, options));
}

async function ask(io: Io, video: string, questions: readonly string[], options: AskOptions): Promise<void> {
  const { checkQuery } = await import('../evaluation/ask.js');
  const { checkClip, watch } = await import('../evaluation/watched.js');
  const { givenOrOwn } = await import('../base/packageFiles.js');
  if (isAddress(video))
    throw new UsageError(`${video}: an address; download the video, and name the file here`);
  const clip = { video: givenOrOwn(io.cwd, video), start: options.start, end: options.end };
  checkClip(clip);
  const queries = await queriesOf(io, questions, options);
  for (const query of queries) checkQuery(query);
  const looks = options.look === undefined ? [] : [`eval.looks=${options.look}`];
  const asked = await openStudent(io, { ...options, set: [...options.set, ...looks] });
  await interruptible(async (signal) => {
    for (const query of queries) checkQuery(query, asked);
    const watched = await watch(asked, clip, signal);
    try {
      if (options.saveFrames !== undefined) await saveFrames(io, video, watched, options.saveFrames);
      for (const [i, query] of queries.entries()) {
        if (i > 0 && !options.json) print(io, '');
        await answer(io, asked, watched, query, options.json ?? false, signal);
      }
    } finally {
      watched.dispose();
    }
  })
    .catch((error) => {
      throw error instanceof Error && error.name === 'AbortError' ? new Interrupted('interrupted') : error;
    })
    .finally(() => asked.dispose());
}

/** The questions of the command line, then those of the file. */
async function queriesOf(io: Io, questions: readonly string[], options: AskOptions): Promise<Query[]> {
  const { options: choices, reasoning: reason, questions: file } = options;
  const task = taskOf(options);
  const texts = options.caption && questions.length === 0 ? [DESCRIBE] : questions;
  const given = texts.map((question) => ({
    ...{ question, reason },
    ...(choices && { options: choices }),
    ...(task && { task }),
  }));
  if (file === undefined) {
    if (given.length === 0) throw new UsageError('no question: expected one in quotes behind the video');
    return given;
  }
  if (choices && given.length === 0)
    throw new UsageError('--options belong to questions of the command line; the file has its own');
  const { readQueries } = await import('../evaluation/queries.js');
  const more = await readQueries(file === '-' ? undefined : fromCwd(io, file), file);
  return [...given, ...more.map((query) => ({ ...query, reason }))];
}

function taskOf({ caption, ground, options }: AskOptions): Task | undefined {
  if (caption && ground) throw new UsageError('--caption and --ground: give one of them');
  if (caption) return 'caption';
  return ground ? (options ? 'grounded-choice' : 'ground') : undefined;
}

async function saveFrames(io: Io, video: string, { frames }: Watched, folder: string): Promise<void> {
  const { framePictures } = await import('../evaluation/pictures.js');
  const { makeFolder, writeFileAtomic } = await import('../base/files.js');
  const { parse, resolve } = await import('node:path');
  const out = fromCwd(io, folder);
  await makeFolder(out).catch((error) => {
    throw new UsageError(`--save-frames ${folder}: is no folder and cannot be made one`, { cause: error });
  });
  const { name } = parse(resolve(video));
  for (const { index, png } of await framePictures(frames))
    await writeFileAtomic(join(out, `${name}-${String(index).padStart(6, '0')}.png`), png);
}

/** Asks one question and prints what comes of it; on a terminal as it is written. */
async function answer(
  io: Io,
  asked: OpenAsked,
  watched: Watched,
  query: Query,
  json: boolean,
  signal: AbortSignal,
): Promise<void> {
  const { askAbout } = await import('../evaluation/ask.js');
  const { reportOf } = await import('../evaluation/report.js');
  const live = !json && io.stdout.isTTY === true ? new Live(io) : undefined;
  const following: Following = {
    signal,
    onAnswer: (found) => {
      if (found.notice !== undefined) note(io, `warning: ${found.notice}`);
      if (json) return;
      const { options, answer, span } = reportOf(watched, query, found);
      live?.finish();
      print(io, asLine(query.question));
      print(io, options ? optionLines(options, answer) : `  ${answer || '(it wrote nothing)'}`);
      if (span !== undefined)
        print(io, `  ${span ? `from ${span[0]} s to ${span[1]} s` : '(it named no span)'}`);
    },
    onText: (part, soFar) => part === 'reasoning' && live?.show(soFar),
  };
  const report = reportOf(watched, query, await askAbout(asked, watched, query, following));
  if (json) return print(io, JSON.stringify(report));
  for (const { call, result } of report.turns ?? [])
    if (result !== undefined)
      print(io, `looked again${call ? ` at ${call[0]} s to ${call[1]} s` : ''}: ${result}`);
  if (report.reasoning !== undefined) {
    if (live?.shows) live.finish(report.reasoning);
    else print(io, `reasoning: ${report.reasoning || '(it wrote none)'}`);
  }
  const seen = report.frames.map(({ index, seconds }) => `${index} (${seconds.toFixed(2)} s)`);
  print(io, `frames: ${seen.join(', ')}`);
}

/** A text that grows on a terminal. */
class Live {
  private written = '';

  constructor(private readonly io: Io) {}

  get shows(): boolean {
    return this.written !== '';
  }

  /** Writes what is new. A text that begins otherwise than before (a word not yet whole) waits. */
  show(soFar: string): void {
    if (soFar === '' || !soFar.startsWith(this.written)) return;
    if (!this.shows) this.io.stdout.write('reasoning: ');
    this.io.stdout.write(visible(soFar.slice(this.written.length)));
    this.written = soFar;
  }

  finish(whole = this.written): void {
    if (!this.shows) return;
    const rest = whole.startsWith(this.written) ? whole.slice(this.written.length) : `\n${whole}`;
    this.io.stdout.write(`${visible(rest)}\n`);
    this.written = '';
  }
}

const BAR = 20;

/** One line an option, the chosen one marked, with a bar where there are probabilities. */
function optionLines(given: NonNullable<AnswerReport['options']>, chosen: string): string {
  const options = given.map((option) => ({ ...option, text: asLine(option.text) }));
  const width = Math.max(...options.map(({ text }) => text.length));
  const line = ({ letter, text, probability }: (typeof options)[number]) => {
    const head = `${letter === chosen ? '>' : ' '} ${letter}  ${text}`;
    if (probability === null) return head;
    const bar = '█'.repeat(Math.round(BAR * probability)).padEnd(BAR, '░');
    return `${head.padEnd(width + 5)}  ${bar} ${(100 * probability).toFixed(1).padStart(5)} %`;
  };
  return options.map(line).join('\n');
}
