/** Questions to a student about one video: an option or free text, and its reasoning. */
import { setImmediate as breathe } from 'node:timers/promises';
import { UsageError } from '../base/errors.js';
import { BatchBuilder, disposeVisual, type HostBatch } from '../batches/batch.js';
import { type AskSettings, askSettings } from '../config/settings.js';
import { prepareText } from '../data/prepare.js';
import { optionLetter, type Sample, type Span, TASKS, type Task, taskOf } from '../data/sample.js';
import { type FeatureSource, LiveFrames } from '../features/source.js';
import type { Encoded, GenerateOptions } from '../model/student.js';
import { dialogueText, type TakenTurn } from '../text/dialogue.js';
import { taggedParts } from '../text/tags.js';
import { statesDuration } from '../text/tasks/index.js';
import { evaluationMode } from '../video/clip.js';
import { clipOf, type Frames, MixedSizes, readDuration, readFrames } from '../video/frames.js';
import { toPixelValues } from '../video/preprocess.js';
import {
  type Answerer,
  answerEncoded,
  answerLimit,
  answerOptions,
  type Evaluator,
  encodeBatch,
  readAnswer,
  reasoningOptions,
} from './answers.js';
import { answerLooking } from './looking.js';

/** Who is asked: a student with its tokenizer, and how it was trained to see and be asked. */
export interface Asked extends Omit<Answerer, 'builder'> {
  /** The run's configuration; every key's default unless given. */
  config?: AskSettings | undefined;
}

/** Pictures in time order: 8-bit RGB, (n, height, width, 3). */
export type Pictures = Pick<Frames, 'data' | 'n' | 'height' | 'width'>;

/** What is looked at. */
export interface Clip {
  /** A video file, a GIF or WebP, a folder of frames; or frames, which are all shown. */
  video: string | Pictures;
  /** Clip bounds in seconds; the whole video when absent. */
  start?: number | undefined;
  end?: number | undefined;
}

/** What is asked about a clip. */
export interface Query {
  question: string;
  /** 2 to 26 answers to choose from; without them the student writes one. */
  options?: readonly string[] | undefined;
  /** What is asked for; `choice` with options and `open` without unless given. */
  task?: Task | undefined;
  /** Whether the student's reasoning is wanted too. */
  reason?: boolean | undefined;
}

export type Question = Clip & Query;

export interface Answer {
  /** 0-based option; absent without options. */
  option?: number;
  /** Logit of every option's letter; absent without options, or when the answer was read off written text. */
  scores?: number[];
  reasoning?: string;
  /** The answer in words: the chosen option, or what the student wrote. */
  text: string;
  /** When it happens, in seconds since the video's first frame; null where the student's text names no span. */
  span?: Span | null;
  /** Length of the video in seconds, beside a span. */
  duration?: number;
  /** The dialogue of a student that looks again (eval.looks). */
  turns?: readonly TakenTurn[];
  /** What of the question the student did not read, in a sentence. */
  notice?: string;
}

/** Ways to follow an answer while it is found. With one, other work of the process goes on between two tokens. */
export interface Following {
  /** Ends the work with the signal's reason, at the latest after the next token. */
  signal?: AbortSignal | undefined;
  /** The answer, before its reasoning. */
  onAnswer?(answer: Answer): void;
  /** A text as far as it is written, after every token. */
  onText?(part: 'answer' | 'reasoning', soFar: string): void;
}

/** A clip that a student has seen: any number of questions can be asked about it. Holds tensors: dispose of it. */
export interface Watched {
  /** The frames that it saw, at the video's own size; frames of many sizes as the student sees them. */
  readonly frames: Frames;
  /** A sample's `video`, for messages. */
  readonly name: string;
  /** Bounds of the clip in seconds, where it has any. */
  readonly clip: Omit<Clip, 'video'>;
  /** Reads other frames of the video for a later turn; undefined for frames, which have no others. */
  readonly again: LiveFrames | undefined;
  /** Length of the video in seconds. @throws DataError where it has none */
  duration(): Promise<number>;
  /** The features of the frames as a batch's input; the batch disposes them. */
  visual(): ReturnType<LiveFrames['visual']>;
  dispose(): void;
}

/** Characters of a question or an option; a prompt has 128 tokens (text.maxPrompt). */
const MOST_CHARACTERS = 10_000;

/**
 * Asks a student. Frames are taken and the answer is found as in evaluation (video.frames, eval.scorer).
 *
 * @throws UsageError for a question that cannot be asked; DataError for a video that cannot be read
 */
export async function ask(asked: Asked, question: Question, following?: Following): Promise<Answer> {
  checkQuery(question);
  const watched = await watch(asked, question, following?.signal);
  try {
    return await askAbout(asked, watched, question, following);
  } finally {
    watched.dispose();
  }
}

/**
 * Shows a clip to a student, which takes frames of it as in evaluation (video.frames) and computes their features.
 *
 * @throws UsageError for bounds that cannot be; DataError for a video that cannot be read
 */
export async function watch(asked: Asked, clip: Clip, signal?: AbortSignal): Promise<Watched> {
  checkClip(clip);
  const { student } = asked;
  const { video } = clip;
  const frames = typeof video === 'string' ? await readSeen(asked, video, clip, signal) : numbered(video);
  const pixels = await toPixelValues(frames, student.preprocessing);
  signal?.throwIfAborted();
  const name = typeof video === 'string' ? video : 'frames';
  const { sampling } = settingsOf(asked).video;
  const settings = { frames: frames.n, sampling, crop: 'none', fps: settingsOf(asked).data.fps } as const;
  const live = new LiveFrames(student, new Map([[name, name]]), settings, false);
  const { features } = live.visual([pixels]);
  return {
    ...{ frames, name, clip: { start: clip.start, end: clip.end } },
    again: typeof video === 'string' ? live : undefined,
    duration: async () => lengthOf(video, (await settingsOf(asked)).data.fps),
    visual: () => ({ features: features!.clone() }),
    dispose: () => features!.dispose(),
  };
}

/**
 * The frames of a video that a student looks at (video.frames), at the video's own size; the frames of a folder that
 * differ in size as the student sees them.
 *
 * @throws DataError for a video that cannot be read
 */
export async function readSeen(
  asked: Asked,
  path: string,
  clip: Omit<Clip, 'video'> = {},
  signal?: AbortSignal,
): Promise<Frames> {
  const { data, video } = settingsOf(asked);
  const { imageSize } = asked.student.preprocessing;
  const request = {
    ...{ path, id: path, count: video.frames, mode: evaluationMode(video.sampling) },
    ...clipOf(clip, data.fps),
    ...(signal && { signal }),
  };
  return readFrames(request).catch((error) => {
    if (!(error instanceof MixedSizes)) throw error;
    return readFrames({ ...request, size: { width: imageSize, height: imageSize } });
  });
}

/** Files are probed once: the table of their frames is kept. */
function lengthOf(video: string | Pictures, fps: number | undefined): Promise<number> {
  if (typeof video !== 'string')
    throw new UsageError('when something happens can be asked about the path of a video only, got frames');
  return readDuration({ path: video, id: video, ...(fps !== undefined && { fps }) });
}

function numbered(video: Pictures): Frames {
  const indices = Array.from({ length: video.n }, (_, i) => i);
  return { ...video, indices, timestamps: indices };
}

/**
 * Asks a student about a clip that it has seen ({@link watch}, by the same student).
 *
 * @throws UsageError for a question that cannot be asked
 */
export async function askAbout(
  asked: Asked,
  watched: Watched,
  query: Query,
  following?: Following,
): Promise<Answer> {
  checkQuery(query);
  following?.signal?.throwIfAborted();
  const config = settingsFor(settingsOf(asked), watched);
  if (config.eval.looks > 0) return lookAgain(asked, config, watched, query, following);
  const source = { load: async () => new Float32Array(), visual: () => watched.visual() };
  const evaluator = { ...asked, config, builder: new BatchBuilder(config, asked.tokenizer, source) };
  const sample = await sampleOf(watched, query, config);
  const host = await evaluator.builder.prepare([config.data.addPunctuation ? prepareText(sample) : sample]);
  const notice = cutNotice(evaluator.builder, config);
  const encoded = encodeBatch(evaluator, host);
  try {
    const found = query.options
      ? choose(evaluator, host, encoded, query.options)
      : said(evaluator, host, await written('answer', evaluator, encoded, following));
    const { duration } = sample;
    const answer: Answer = {
      ...found,
      ...(found.span !== undefined && duration !== undefined && { duration }),
      ...(notice !== undefined && { notice }),
    };
    following?.onAnswer?.(answer);
    if (!query.reason) return answer;
    const text = await reason(evaluator, host, encoded, following);
    // A student of plain text may write a tag too; it marks nothing.
    return { ...answer, reasoning: (asked.tagged ? taggedParts(text)?.reasoning : undefined) ?? text };
  } finally {
    encoded.dispose();
  }
}

/** {@link askAbout} of a student that may call for other frames; its thoughts are its reasoning. */
async function lookAgain(
  asked: Asked,
  config: AskSettings,
  watched: Watched,
  query: Query,
  following?: Following,
): Promise<Answer> {
  const { again, frames } = watched;
  if (!again)
    throw new UsageError('eval.looks: a student looks again at the path of a video only, got frames');
  const isOther = ({ look }: Sample) => look?.perSecond !== undefined;
  const source: FeatureSource = {
    load: async (sample) =>
      isOther(sample) ? again.load(sample, undefined, following?.signal) : new Float32Array(),
    visual: ([clip]) => (clip!.length > 0 ? again.visual([clip!]) : watched.visual()),
    times: async (sample) => (isOther(sample) ? again.times(sample) : frames.timestamps),
  };
  const evaluator = { ...asked, config, builder: new BatchBuilder(config, asked.tokenizer, source) };
  const sample = await sampleOf(watched, query, config);
  const host = await evaluator.builder.prepare([config.data.addPunctuation ? prepareText(sample) : sample]);
  const input = evaluator.builder.input(host);
  try {
    const [found] = await answerLooking(evaluator, host, input);
    following?.signal?.throwIfAborted();
    const { prediction: option, scores, text = '', span, turns = [] } = found!;
    const notice = cutNotice(evaluator.builder, config);
    const { duration } = sample;
    const isTimed = taskOf(sample) === 'ground' || taskOf(sample) === 'grounded-choice';
    const answer: Answer = {
      ...(option !== undefined && { option }),
      ...(scores && { scores }),
      text: option === undefined ? text : query.options![option]!,
      turns,
      ...(isTimed && { span: span ?? null, ...(duration !== undefined && { duration }) }),
      ...(notice !== undefined && { notice }),
    };
    following?.onAnswer?.(answer);
    return query.reason ? { ...answer, reasoning: thoughtsOf(turns) } : answer;
  } finally {
    disposeVisual(input);
  }
}

const thoughtsOf = (turns: readonly TakenTurn[]): string => taggedParts(dialogueText(turns))?.reasoning ?? '';

/** Shares of the options: the softmax over the logits of their letters, in [0, 1] with the sum 1. */
export function probabilities(scores: readonly number[]): number[] {
  const largest = Math.max(...scores);
  const weights = scores.map((score) => Math.exp(score - largest));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/** @throws UsageError for a question that cannot be asked, whatever it is about */
export function checkQuery(query: Query): void {
  const { question, options } = query;
  if (question.trim() === '') throw new UsageError('question: expected text, got none');
  if (options && !(options.length >= 2 && options.length <= 26))
    throw new UsageError(`options: expected 2 to 26, got ${options.length}`);
  checkTask(query);
  const blank = options?.findIndex((option) => option.trim() === '') ?? -1;
  if (blank >= 0) throw new UsageError(`options: option ${optionLetter(blank)} has no text`);
  for (const [i, text] of [question, ...(options ?? [])].entries())
    if (text.length > MOST_CHARACTERS)
      throw new UsageError(
        `${i === 0 ? 'question' : `option ${optionLetter(i - 1)}`}: expected at most ${MOST_CHARACTERS} characters, got ${text.length}`,
      );
}

/** The task of a question. */
const taskOfQuery = ({ task, options }: Query): Task => task ?? (options ? 'choice' : 'open');

function checkTask(query: Query): void {
  const task = taskOfQuery(query);
  if (!TASKS.includes(task))
    throw new UsageError(
      `task: expected one of ${TASKS.join(', ')}, got ${JSON.stringify(task).slice(0, 60)}`,
    );
  const chooses = task === 'choice' || task === 'grounded-choice';
  if (chooses !== (query.options !== undefined))
    throw new UsageError(`options: expected ${chooses ? '2 to 26' : 'none'} where task is ${task}`);
}

/** @throws UsageError for bounds that cannot be, or pictures of another size than they say */
export function checkClip({ video, start, end }: Clip): void {
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

const settingsOf = ({ config, student }: Asked): AskSettings => config ?? askSettings(student.kind);

function settingsFor(given: AskSettings, { frames }: Watched): AskSettings {
  return {
    ...given,
    // A question about one video has nothing to leave out.
    data: { ...given.data, onBadVideo: 'error' },
    video: { ...given.video, frames: frames.n },
  };
}

async function sampleOf(
  watched: Watched,
  query: Query,
  { text, eval: { looks } }: AskSettings,
): Promise<Sample> {
  const { name, clip } = watched;
  const { question, options = [] } = query;
  const asked = {
    id: name,
    dataset: 'question',
    video: name,
    question,
    options: [...options],
    type: 'question',
    ...(clip.start !== undefined && { start: clip.start }),
    ...(clip.end !== undefined && { end: clip.end }),
  };
  const sample: Sample = { ...asked, task: taskOfQuery(query) };
  return looks > 0 || statesDuration(sample, text)
    ? { ...sample, duration: await watched.duration() }
    : sample;
}

function cutNotice({ truncations }: BatchBuilder, { text }: AskSettings): string | undefined {
  if ([...truncations.values()].every((times) => times === 0)) return undefined;
  return `question and options have more than ${text.maxPrompt} tokens (text.maxPrompt); the student did not read their end`;
}

function choose(
  evaluator: Evaluator,
  host: HostBatch,
  encoded: Encoded,
  options: readonly string[],
): Omit<Answer, 'reasoning'> {
  const { prediction, scores, text, span } = answerEncoded(evaluator, host, encoded)[0]!;
  const option = prediction!;
  const chosen = { option, ...(scores && { scores }) };
  // Where a span is asked for too, the text holds both.
  if (taskOf(host.samples[0]!) !== 'choice') return { ...chosen, text: options[option]!, span: span ?? null };
  return { ...chosen, text: text ?? options[option]! };
}

/** What a written answer says. */
function said(evaluator: Evaluator, { samples }: HostBatch, written: string): Omit<Answer, 'reasoning'> {
  const [sample] = samples as [Sample];
  const { text = written, span } = readAnswer(evaluator, written, sample);
  return { text, ...(taskOf(sample) === 'ground' && { span: span ?? null }) };
}

async function reason(
  evaluator: Evaluator & { config: AskSettings },
  host: HostBatch,
  encoded: Encoded,
  following?: Following,
): Promise<string> {
  const prompts = evaluator.builder.reasoningPrompts(host.samples);
  if (!prompts) return written('reasoning', evaluator, encoded, following);
  const own = encodeBatch(evaluator, { ...host, prompts });
  try {
    return await written('reasoning', evaluator, own, following);
  } finally {
    own.dispose();
  }
}

/** What the student writes about the one row of an encoded batch. */
async function written(
  part: 'answer' | 'reasoning',
  evaluator: Evaluator & { config: AskSettings },
  encoded: Encoded,
  following?: Following,
): Promise<string> {
  const { student, tokenizer, config } = evaluator;
  const options: GenerateOptions =
    part === 'answer'
      ? answerOptions(evaluator, answerLimit(evaluator))
      : reasoningOptions(evaluator, config.text.maxReasoning);
  const steps = student.generateSteps(encoded, options);
  try {
    for (;;) {
      const { value, done } = steps.next();
      const text = tokenizer.decode(value.ids[0]!);
      if (done) return text;
      if (!following) continue;
      following.onText?.(part, text);
      await breathe();
      following.signal?.throwIfAborted();
    }
  } finally {
    steps.return(undefined as never);
  }
}
