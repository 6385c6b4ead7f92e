/** Answers of a student about a batch of one task: option letters compared, or text written and read. */
import type { BatchBuilder, HostBatch } from '../batches/batch.js';
import { disposeVisual } from '../batches/batch.js';
import type { Config } from '../config/schema.js';
import { type Sample, type Span, type Task, taskOf } from '../data/sample.js';
import type { Encoded, GenerateOptions, Student, StudentInput } from '../model/student.js';
import type { TakenTurn } from '../text/dialogue.js';
import { readAsLmmsEval } from '../text/lmmsAnswers.js';
import { answerText, isTagged } from '../text/tags.js';
import { MAX_ANSWER, taskForm } from '../text/tasks/index.js';
import { answerMarkIds, partsOf, type Reading } from '../text/tasks/task.js';
import type { Tokenizer } from '../text/tokenizer.js';

/** What the model said about one sample: one line of predictions.jsonl. */
export interface Prediction {
  id: string;
  type: string;
  /** Absent for `choice`. */
  task?: Task;
  /** 0-based option; absent where the task has none. */
  prediction?: number;
  answer?: number;
  /** Logit of every option's letter; absent when the answer was read off generated text. */
  scores?: number[];
  /** What the model wrote, where the scorer reads it; the answer itself of an open question or a caption. */
  text?: string;
  /** Seconds; absent where the text names none, and where the task asks for none. */
  span?: Span;
  /** The text named no option, so the letters were compared after it. */
  forced?: boolean;
  /** The model's reasoning, where eval.mode has it written. */
  reasoning?: string;
  /** The answer without the reasoning, where eval.mode takes one behind it. */
  direct?: Reading;
  /** The dialogue, where eval.looks lets the student look again. */
  turns?: readonly TakenTurn[];
}

/** A student that answers. */
export interface Answerer {
  student: Student;
  tokenizer: Tokenizer;
  builder: BatchBuilder;
  /** Tokens that start the decoder on either task; the student's own unless given. */
  cues?: { answer: number; reasoning: number } | undefined;
  /** It was taught to write its reasoning and then the answer in one text (train.stlTarget reasoning-answer). */
  reasonsFirst?: boolean | undefined;
  /** That text has its parts in tags (src/text/tags.ts): the answer stands behind `<answer>`. */
  tagged?: boolean | undefined;
}

export interface Evaluator extends Answerer {
  /** It sees with vision weights of its own (src/training/trial.ts); like the others unless given. */
  ownSight?: boolean;
  config: Pick<Config, 'data' | 'eval'> & {
    text: Pick<Config['text'], 'maxAnswer' | 'maxReasoning'>;
    video: Pick<Config['video'], 'lookFps'>;
  };
}

/**
 * The predictions for an encoded batch, whose samples have one task.
 *
 * Choices by `letter`: the options' letters compared in one decoder pass, after a forced "Option" where the model was taught
 * to write it. SeViLA reads the same logits off its second generated token (sevila.py:522-535), which agrees whenever
 * generation starts with "Option". By `generate`: writes text greedily and parses an answer from it, for models trained to
 * reason first; `lmms-eval`: the same, read by that program's rules. Open answers, captions and spans are always written.
 */
export function answerEncoded(evaluator: Evaluator, host: HostBatch, encoded: Encoded): Prediction[] {
  const byLetter = evaluator.config.eval.scorer === 'letter';
  return byLetter ? answerDirectly(evaluator, host, encoded) : answerByText(evaluator, host, encoded);
}

/** The predictions without any reasoning: choices by letter. */
export function answerDirectly(evaluator: Evaluator, { samples }: HostBatch, encoded: Encoded): Prediction[] {
  const hasOptions = samples[0]!.options.length > 0;
  const scores = hasOptions ? letterScores(evaluator, encoded, samples, []) : undefined;
  const written = taskOf(samples[0]!) === 'choice' ? undefined : writeAnswers(evaluator, encoded, hasOptions);
  return samples.map((sample, i) => ({
    ...identify(sample),
    ...(written && readAnswer(evaluator, written[i]!, sample)),
    ...(scores && { prediction: argMax(scores[i]!), scores: scores[i]! }),
  }));
}

/** What is written in place of an answer, one text a row. */
function writeAnswers(evaluator: Evaluator, encoded: Encoded, hasOptions: boolean): string[] {
  const { student, tokenizer, config, reasonsFirst, tagged } = evaluator;
  const direct = reasonsFirst && !tagged ? answerMarkIds(tokenizer) : [];
  const forced = [...openedAnswer(evaluator), ...(hasOptions ? tokenizer.answerStart() : direct)];
  const options = answerOptions(evaluator, forced.length + directLimit(config));
  return student.generate(encoded, { ...options, forced }).ids.map((ids) => tokenizer.decode(ids));
}

/** Most tokens of an answer without reasoning. */
export function directLimit({ text: { maxAnswer = MAX_ANSWER } }: Evaluator['config']): number {
  return maxAnswer;
}

/** Most tokens of what is written where an answer is asked for: of a student that reasons first, with its reasoning. */
export function answerLimit({ config, reasonsFirst }: Evaluator): number {
  return Math.max(directLimit(config), reasonsFirst ? config.eval.maxNewTokens : 0);
}

/**
 * What a written text says by the rules of its task: of a text with tags its answer, as rewards read it; of a student that reasons
 * first what follows its reasoning. A choice is read off the whole text, whose last phrase counts.
 */
export function readAnswer({ tokenizer, reasonsFirst }: Answerer, text: string, sample: Sample): Reading {
  const form = taskForm(sample);
  if (isTagged(text)) return form.read(answerText(text, true), sample);
  const isBehind = reasonsFirst && form.name !== 'choice';
  return form.read(isBehind ? partsOf(tokenizer.form, text).answer : text, sample);
}

/** Tokens that an answer in tags begins with; none for another. */
function openedAnswer({ tokenizer, tagged }: Answerer): number[] {
  return tagged ? tokenizer.encode('<answer>', { addEos: false }) : [];
}

/** Logits of the letters after [start, ...before] and what comes before a letter ("Option"), one row a sample, as many as it has options. */
export function letterScores(
  answerer: Answerer,
  encoded: Encoded,
  samples: readonly Sample[],
  before: readonly number[],
): number[][] {
  const { student, tokenizer, cues, tagged } = answerer;
  const most = Math.max(...samples.map(({ options }) => options.length));
  const place = before.length > 0 && !tagged ? 'afterReasoning' : 'alone';
  const prefix = [...before, ...openedAnswer(answerer), ...tokenizer.answerStart(place)];
  const scores = student.tokenScores(encoded, prefix, tokenizer.letterIds(most, place), cues?.answer);
  return samples.map(({ options }, row) => scores[row]!.slice(0, options.length));
}

function answerByText(evaluator: Evaluator, host: HostBatch, encoded: Encoded): Prediction[] {
  return readWritten(evaluator, host, encoded, writeWhole(evaluator, host, encoded));
}

/** Tokens that a student writes where an answer is asked for, its reasoning among them where it reasons first; one row a sample. */
export function writeWhole(evaluator: Evaluator, { samples }: HostBatch, encoded: Encoded): number[][] {
  const isChoice = taskOf(samples[0]!) === 'choice';
  const limit = isChoice ? evaluator.config.eval.maxNewTokens : answerLimit(evaluator);
  return evaluator.student.generate(encoded, answerOptions(evaluator, limit)).ids;
}

/** The predictions that are read off what {@link writeWhole} gave. */
export function readWritten(
  evaluator: Evaluator,
  { samples }: HostBatch,
  encoded: Encoded,
  written: readonly number[][],
): Prediction[] {
  const { tokenizer, config } = evaluator;
  return samples.map((sample, row) => {
    const ids = written[row]!;
    const text = tokenizer.decode(ids);
    const answer = isTagged(text) ? answerText(text, true) : text;
    const read = readAnswer(evaluator, text, sample);
    if (config.eval.scorer === 'lmms-eval' && sample.options.length > 0)
      withOption(read, readAsLmmsEval(answer, sample.options));
    const own = identify(sample);
    if (sample.options.length === 0 || read.prediction !== undefined)
      return { ...own, ...read, text: read.text ?? text };
    const one = encoded.pick(row);
    const [scores] = letterScores(evaluator, one, [sample], ids);
    one.dispose();
    return { ...own, ...read, prediction: argMax(scores!), scores: scores!, text, forced: true };
  });
}

/** Puts an option in the place of the one that was read. */
function withOption(read: Reading, option: number | undefined): void {
  if (option === undefined) delete read.prediction;
  else read.prediction = option;
}

export function identify(sample: Sample): Pick<Prediction, 'id' | 'type' | 'task' | 'answer'> {
  return {
    id: sample.id,
    type: sample.type,
    ...(taskOf(sample) !== 'choice' && { task: taskOf(sample) }),
    ...(sample.answer !== undefined ? { answer: sample.answer } : {}),
  };
}

export function argMax(values: readonly number[]): number {
  return values.indexOf(Math.max(...values));
}

/** Runs the encoder on an input, and what is made of the result before it is freed. */
export function encoding<T>(student: Student, input: StudentInput, make: (encoded: Encoded) => T): T {
  const encoded = student.encode(input);
  try {
    return make(encoded);
  } finally {
    encoded.dispose();
  }
}

/** Runs the encoder on a batch; the caller disposes the result. */
export function encodeBatch(
  { student, builder }: Answerer,
  host: Pick<HostBatch, 'clips' | 'prompts'>,
): Encoded {
  const input = builder.input(host);
  try {
    return student.encode(input);
  } finally {
    disposeVisual(input);
  }
}

/** How text is written in place of an answer. */
export function answerOptions(
  { tokenizer, cues }: Pick<Answerer, 'tokenizer' | 'cues'>,
  maxNewTokens: number,
): GenerateOptions {
  return { maxNewTokens, eosId: tokenizer.eosId, tokens: tokenizer.vocabSize, start: cues?.answer };
}

/**
 * How reasoning is written. Both tasks may start from the same token, and then the short answer is the likelier text:
 * reasoning never begins with "Option". A letter alone is no such
 * sign: "A man ..." begins with one.
 */
export function reasoningOptions(
  { tokenizer, cues }: Pick<Answerer, 'tokenizer' | 'cues'>,
  maxNewTokens: number,
): GenerateOptions {
  const [notFirst] = tokenizer.answerStart();
  return {
    maxNewTokens,
    eosId: tokenizer.eosId,
    tokens: tokenizer.vocabSize,
    start: cues?.reasoning,
    notFirst,
  };
}
