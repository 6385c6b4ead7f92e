/** Questions to a student about one video: an option or free text, and its reasoning. */
import { setImmediate as breathe } from 'node:timers/promises';
import { UsageError } from '../base/errors.js';
import { BatchBuilder, disposeVisual, type HostBatch } from '../batches/batch.js';
import type { AskSettings } from '../config/settings.js';
import { prepareText } from '../data/prepare.js';
import {
  MAX_OPTIONS,
  optionLetter,
  type Sample,
  type Span,
  TASKS,
  type Task,
  taskOf,
} from '../data/sample.js';
import type { FeatureSource } from '../features/source.js';
import type { Encoded, GenerateOptions } from '../model/student.js';
import { dialogueText, type TakenTurn } from '../text/dialogue.js';
import { taggedParts } from '../text/tags.js';
import { statesDuration } from '../text/tasks/index.js';
import {
  answerEncoded,
  answerLimit,
  answerOptions,
  type Evaluator,
  encodeBatch,
  readAnswer,
  reasoningOptions,
} from './answers.js';
import { answerLooking } from './looking.js';
import { type Asked, type Clip, settingsOf, type Watched, watch } from './watched.js';

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
  /** What of the question the student did not read, and what else it has to say of its texts, in a sentence. */
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

/** Characters of a question or an option; a prompt has 128 tokens (text.maxPrompt). */
const MOST_CHARACTERS = 10_000;

/**
 * Asks a student. Frames are taken and the answer is found as in evaluation (video.frames, eval.scorer).
 *
 * @throws UsageError for a question that cannot be asked; DataError for a video that cannot be read
 */
export async function ask(asked: Asked, question: Question, following?: Following): Promise<Answer> {
  checkQuery(question, asked);
  const watched = await watch(asked, question, following?.signal);
  try {
    return await askAbout(asked, watched, question, following);
  } finally {
    watched.dispose();
  }
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
  checkQuery(query, asked);
  following?.signal?.throwIfAborted();
  const config = settingsFor(settingsOf(asked), watched);
  if (config.eval.looks > 0) return lookAgain(asked, config, watched, query, following);
  const source = { load: async () => new Float32Array(), visual: () => watched.visual() };
  const evaluator = { ...asked, config, builder: new BatchBuilder(config, asked.tokenizer, source) };
  const sample = await sampleOf(watched, query, config);
  const host = await evaluator.builder.prepare([config.data.addPunctuation ? prepareText(sample) : sample]);
  const cut = cutNotice(evaluator.builder, config);
  const encoded = encodeBatch(evaluator, host);
  try {
    const found = query.options
      ? choose(evaluator, host, encoded, query.options)
      : said(evaluator, host, await written('answer', evaluator, encoded, following));
    const { duration } = sample;
    const notice = joined(cut, asked.student.notice?.());
    const answer: Answer = {
      ...found,
      ...(found.span !== undefined && duration !== undefined && { duration }),
      ...(notice !== undefined && { notice }),
    };
    following?.onAnswer?.(answer);
    if (!query.reason) return answer;
    const text = await reason(evaluator, host, encoded, following);
    const later = joined(notice, asked.student.notice?.());
    // A student of plain text may write a tag too; it marks nothing.
    const reasoning = (asked.tagged ? taggedParts(text)?.reasoning : undefined) ?? text;
    return { ...answer, reasoning, ...(later !== undefined && { notice: later }) };
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
    const notice = joined(cutNotice(evaluator.builder, config), asked.student.notice?.());
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

/**
 * @param asked who is asked, where that is known: a vocabulary may have fewer letters than 26
 * @throws UsageError for a question that cannot be asked, whatever it is about
 */
export function checkQuery(query: Query, asked?: Pick<Asked, 'tokenizer'>): void {
  const { question, options } = query;
  if (question.trim() === '') throw new UsageError('question: expected text, got none');
  if (options && !(options.length >= 2 && options.length <= MAX_OPTIONS))
    throw new UsageError(`options: expected 2 to ${MAX_OPTIONS}, got ${options.length}`);
  const letters = options && asked?.tokenizer.mostOptions();
  if (letters !== undefined && options!.length > letters)
    throw new UsageError(
      `options: expected 2 to ${letters}, got ${options!.length}; this student knows no more letters`,
    );
  checkTask(query);
  const blank = options?.findIndex((option) => option.trim() === '') ?? -1;
  if (blank >= 0) throw new UsageError(`options: option ${optionLetter(blank)} has no text`);
  // Two of the same would share a probability that neither of them has.
  const texts = options?.map((option) => option.trim()) ?? [];
  const again = texts.findIndex((text, i) => texts.indexOf(text) < i);
  if (again >= 0)
    throw new UsageError(
      `options: ${optionLetter(texts.indexOf(texts[again]!))} and ${optionLetter(again)} are the same`,
    );
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

/** Notices in one; undefined without any. */
function joined(...notices: readonly (string | undefined)[]): string | undefined {
  return notices.filter((notice) => notice !== undefined).join('; ') || undefined;
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
