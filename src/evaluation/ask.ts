/** One question to a student about one video: an option or free text, and its reasoning. */
import { UsageError } from '../base/errors.js';
import { BatchBuilder, type HostBatch } from '../batches/batch.js';
import { resolveConfig } from '../config/load.js';
import type { Config } from '../config/schema.js';
import { prepareText } from '../data/prepare.js';
import { optionLetter, type Sample } from '../data/sample.js';
import { type ClipSettings, type FeatureSource, LiveFrames } from '../features/source.js';
import type { Encoded, Student } from '../model/student.js';
import { OPEN_TEMPLATE } from '../text/prompts.js';
import type { Tokenizer } from '../text/tokenizer.js';
import type { Frames } from '../video/frames.js';
import { toPixelValues } from '../video/preprocess.js';
import { answerEncoded, type Evaluator, reasonAbout, withEncoded } from './evaluate.js';

/** Who is asked: a student with its tokenizer, and how it was trained to see and be asked. */
export interface Asked {
  student: Student;
  tokenizer: Tokenizer;
  /** Tokens that start the decoder on either task; the student's own unless given. */
  cues?: { answer: number; reasoning: number } | undefined;
  /** The run's configuration; every key's default unless given. */
  config?: Pick<Config, 'data' | 'video' | 'text' | 'eval'>;
}

/** Pictures in time order: 8-bit RGB, (n, height, width, 3). */
export type Pictures = Pick<Frames, 'data' | 'n' | 'height' | 'width'>;

export interface Question {
  /** A video file, a GIF or WebP, a folder of frames; or frames, which are all shown. */
  video: string | Pictures;
  /** Clip bounds in seconds; the whole video when absent. */
  start?: number | undefined;
  end?: number | undefined;
  question: string;
  /** 2 to 26 answers to choose from; without them the student writes one. */
  options?: readonly string[] | undefined;
  /** Whether the student's reasoning is wanted too. */
  reason?: boolean | undefined;
}

export interface Answer {
  /** 0-based option; absent without options. */
  option?: number;
  /** Logit of every option's letter; absent without options, or when the answer was read off written text. */
  scores?: number[];
  reasoning?: string;
  /** The answer in words: the chosen option, or what the student wrote. */
  text: string;
}

/**
 * Asks a student. Frames are taken and the answer is found as in evaluation (video.frames, eval.scorer).
 *
 * @throws UsageError for a question that cannot be asked; DataError for a video that cannot be read
 */
export async function ask(asked: Asked, question: Question): Promise<Answer> {
  checkQuestion(question);
  const config = await settingsOf(asked, question);
  const builder = new BatchBuilder(config, asked.tokenizer, sourceOf(asked.student, question.video, config));
  const evaluator: Evaluator = { ...asked, config, builder };
  const sample = sampleOf(question);
  const host = await builder.prepare([config.data.addPunctuation ? prepareText(sample) : sample]);
  return withEncoded(evaluator, host, (encoded) => {
    const answer = question.options
      ? choose(evaluator, host, encoded, question.options)
      : { text: write(evaluator, encoded) };
    return question.reason ? { ...answer, reasoning: reason(evaluator, config, host, encoded) } : answer;
  });
}

function checkQuestion({ video, start, end, question, options }: Question): void {
  if (question.trim() === '') throw new UsageError('question: expected text, got none');
  if (options && !(options.length >= 2 && options.length <= 26))
    throw new UsageError(`options: expected 2 to 26, got ${options.length}`);
  const blank = options?.findIndex((option) => option.trim() === '') ?? -1;
  if (blank >= 0) throw new UsageError(`options: option ${optionLetter(blank)} has no text`);
  for (const [name, seconds] of Object.entries({ start, end }))
    if (seconds !== undefined && !(Number.isFinite(seconds) && seconds >= 0))
      throw new UsageError(`${name}: expected seconds, at least 0, got ${seconds}`);
  if (start !== undefined && end !== undefined && end <= start)
    throw new UsageError(`end: expected more than start, ${start} s, got ${end} s`);
  if (typeof video === 'string') return;
  if (start !== undefined || end !== undefined)
    throw new UsageError('start and end: expected with the path of a video only, got frames');
  const { data, n, height, width } = video;
  if (!(n >= 1 && height >= 1 && width >= 1 && data.length === n * height * width * 3))
    throw new UsageError(
      `video: expected ${n} x ${height} x ${width} x 3 bytes of RGB, at least one frame, got ${data.length}`,
    );
}

async function settingsOf({ config }: Asked, { video, options }: Question): Promise<Settings> {
  // The data set's keys have no default, and of them only data.fps and data.addPunctuation matter here.
  const overrides = ['data.dataset=jsonl', 'data.videos=.'];
  const given = config ?? (await resolveConfig({ overrides })).config;
  return {
    ...given,
    // A question about one video has nothing to leave out.
    data: { ...given.data, onBadVideo: 'error' },
    video: typeof video === 'string' ? given.video : { ...given.video, frames: video.n },
    text: options ? given.text : { ...given.text, template: OPEN_TEMPLATE },
  };
}

type Settings = Pick<Config, 'data' | 'video' | 'text' | 'eval'>;

function sourceOf(
  student: Student,
  video: string | Pictures,
  { data, video: { frames } }: Settings,
): FeatureSource {
  const settings: ClipSettings = { frames, sampling: 'uniform', crop: 'none', fps: data.fps };
  if (typeof video === 'string') return new LiveFrames(student, new Map([[video, video]]), settings, false);
  const live = new LiveFrames(student, new Map(), settings, false);
  const indices = Array.from({ length: video.n }, (_, i) => i);
  return {
    load: () => toPixelValues({ ...video, indices, timestamps: indices }, student.preprocessing),
    visual: (clips) => live.visual(clips),
  };
}

function sampleOf({ video, start, end, question, options = [] }: Question): Sample {
  const path = typeof video === 'string' ? video : 'frames';
  return {
    id: path,
    dataset: 'question',
    video: path,
    ...(start === undefined ? {} : { start }),
    ...(end === undefined ? {} : { end }),
    question,
    options: [...options],
    type: 'question',
  };
}

function choose(
  evaluator: Evaluator,
  host: HostBatch,
  encoded: Encoded,
  options: readonly string[],
): Omit<Answer, 'reasoning'> {
  const { prediction: option, scores, text } = answerEncoded(evaluator, host, encoded)[0]!;
  return { option, ...(scores && { scores }), text: text ?? options[option]! };
}

function write({ student, tokenizer, cues, config }: Evaluator, encoded: Encoded): string {
  const { maxNewTokens } = config.eval;
  const { ids } = student.generate(encoded, { maxNewTokens, eosId: tokenizer.eosId, start: cues?.answer });
  return tokenizer.decode(ids[0]!);
}

function reason(evaluator: Evaluator, { text }: Settings, host: HostBatch, encoded: Encoded): string {
  const about = (from: Encoded) => reasonAbout(evaluator, from, text.maxReasoning)[0]!;
  const prompts = evaluator.builder.reasoningPrompts(host.samples);
  return prompts ? withEncoded(evaluator, { ...host, prompts }, about) : about(encoded);
}
