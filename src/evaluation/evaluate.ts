/** Answers the questions of a split: option letters compared, or text written and read. */

import { DataError } from '../base/errors.js';
import type { BatchBuilder, HostBatch } from '../batches/batch.js';
import { disposeVisual } from '../batches/batch.js';
import { Loader } from '../batches/loader.js';
import { SharedInput } from '../batches/sharedInput.js';
import type { Config } from '../config/schema.js';
import type { Sample } from '../data/sample.js';
import type { Encoded, GenerateOptions, Student, StudentInput } from '../model/student.js';
import { parseAnswer } from '../text/answers.js';
import { readAsLmmsEval } from '../text/lmmsAnswers.js';
import type { Tokenizer } from '../text/tokenizer.js';

/** What the model said about one sample: one line of predictions.jsonl. */
export interface Prediction {
  id: string;
  type: string;
  /** 0-based option. */
  prediction: number;
  answer?: number;
  /** Logit of every option's letter; absent when the answer was read off generated text. */
  scores?: number[];
  /** What the model wrote, where the scorer reads it. */
  text?: string;
  /** The text named no option, so the letters were compared after it. */
  forced?: boolean;
}

export interface Evaluation {
  predictions: Prediction[];
  /** Samples left out because their video could not be read (data.onBadVideo: skip). */
  skipped: { id: string; reason: string }[];
}

/** A student that answers. */
export interface Answerer {
  student: Student;
  tokenizer: Tokenizer;
  builder: BatchBuilder;
  /** Tokens that start the decoder on either task; the student's own unless given. */
  cues?: { answer: number; reasoning: number } | undefined;
}

export interface Evaluator extends Answerer {
  /** It sees with vision weights of its own (src/training/trial.ts); like the others unless given. */
  ownSight?: boolean;
  config: Pick<Config, 'data' | 'eval'>;
}

/**
 * Answers every sample, in order.
 *
 * `letter`: the options' letters compared in one decoder pass, after a forced "Option" where the model was taught to write it. SeViLA reads the same logits
 * off its second generated token (sevila.py:522-535), which agrees whenever generation starts with "Option".
 * `generate`: writes text greedily and parses an answer from it, for models trained to reason first; `lmms-eval`: the same,
 * read by that program's rules.
 *
 * @throws DataError when no video could be read, which is no accuracy of 0.
 */
export async function evaluate(
  evaluator: Evaluator,
  samples: readonly Sample[],
  onProgress?: (done: number) => void,
): Promise<Evaluation> {
  const [evaluation] = await evaluateAll([evaluator], samples, onProgress);
  return evaluation!;
}

/**
 * {@link evaluate} of several students that see alike: each batch is read once, and they answer it in turn.
 *
 * @param evaluators the first one's builder reads the videos and its settings make the batches
 */
export async function evaluateAll(
  evaluators: readonly Evaluator[],
  samples: readonly Sample[],
  onProgress?: (done: number) => void,
): Promise<Evaluation[]> {
  const { config, builder } = evaluators[0]!;
  const loader = new Loader<HostBatch>(
    samples,
    { batch: config.eval.batch, shuffle: false, seed: 0, dropLast: false, ahead: config.data.ahead },
    (batch, _, ended) => builder.prepare(batch, undefined, ended),
  );
  const evaluations: Evaluation[] = evaluators.map(() => ({ predictions: [], skipped: [] }));
  for await (const { batch, samples: asked } of loader.epoch(0)) {
    const predictions = batch.samples.length > 0 ? answerBatch(evaluators, batch) : [];
    const skipped = batch.skipped.map(({ sample, reason }) => ({ id: sample.id, reason }));
    for (const [i, evaluation] of evaluations.entries()) {
      evaluation.predictions.push(...(predictions[i] ?? []));
      evaluation.skipped.push(...skipped);
    }
    onProgress?.(asked.length);
  }
  const { predictions, skipped } = evaluations[0]!;
  if (predictions.length === 0)
    throw new DataError(
      `${config.data.videos}: no video of the ${samples.length} questions can be read; the first: ${skipped[0]?.reason}`,
    );
  return evaluations;
}

function answerBatch(evaluators: readonly Evaluator[], host: HostBatch): Prediction[][] {
  const inputs = new SharedInput(host);
  try {
    return evaluators.map((evaluator) =>
      inputs.use(evaluator, evaluator.builder, (input) =>
        encoding(evaluator.student, input, (encoded) => answerEncoded(evaluator, host, encoded)),
      ),
    );
  } finally {
    inputs.dispose();
  }
}

/** Runs the encoder on an input, and what is made of the result before it is freed. */
function encoding<T>(student: Student, input: StudentInput, make: (encoded: Encoded) => T): T {
  const encoded = student.encode(input);
  try {
    return make(encoded);
  } finally {
    encoded.dispose();
  }
}

/** The predictions for a batch that has been encoded. */
export function answerEncoded(evaluator: Evaluator, host: HostBatch, encoded: Encoded): Prediction[] {
  const written = evaluator.config.eval.scorer !== 'letter';
  return written ? answerByText(evaluator, host, encoded) : answerByLetter(evaluator, host, encoded);
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

function answerByLetter(evaluator: Answerer, { samples }: HostBatch, encoded: Encoded): Prediction[] {
  const scores = letterScores(evaluator, encoded, samples, []);
  return samples.map((sample, i) => ({
    ...identify(sample),
    prediction: argMax(scores[i]!),
    scores: scores[i]!,
  }));
}

/** Logits of the letters after [start, ...before] and what comes before a letter ("Option"), one row a sample, as many as it has options. */
function letterScores(
  { student, tokenizer, cues }: Answerer,
  encoded: Encoded,
  samples: readonly Sample[],
  before: readonly number[],
): number[][] {
  const most = Math.max(...samples.map(({ options }) => options.length));
  const place = before.length > 0 ? 'afterReasoning' : 'alone';
  const prefix = [...before, ...tokenizer.answerStart(place)];
  const scores = student.tokenScores(encoded, prefix, tokenizer.letterIds(most, place), cues?.answer);
  return samples.map(({ options }, row) => scores[row]!.slice(0, options.length));
}

function answerByText(evaluator: Evaluator, { samples }: HostBatch, encoded: Encoded): Prediction[] {
  const { student, tokenizer, config } = evaluator;
  const written = student.generate(encoded, answerOptions(evaluator, config.eval.maxNewTokens));
  return samples.map((sample, row) => {
    const ids = written.ids[row]!;
    const text = tokenizer.decode(ids);
    const parsed =
      config.eval.scorer === 'lmms-eval'
        ? readAsLmmsEval(text, sample.options)
        : parseAnswer(text, sample.options.length);
    if (parsed !== undefined) return { ...identify(sample), prediction: parsed, text };
    const one = encoded.pick(row);
    const [scores] = letterScores(evaluator, one, [sample], ids);
    one.dispose();
    return { ...identify(sample), prediction: argMax(scores!), scores: scores!, text, forced: true };
  });
}

function identify(sample: Sample): Pick<Prediction, 'id' | 'type' | 'answer'> {
  return {
    id: sample.id,
    type: sample.type,
    ...(sample.answer !== undefined ? { answer: sample.answer } : {}),
  };
}

function argMax(values: readonly number[]): number {
  return values.indexOf(Math.max(...values));
}

/**
 * The model's own reasoning about samples, greedily decoded; see {@link reasoningOptions}.
 *
 * @returns the texts in the order of the samples; a sample that is left out for its video (data.onBadVideo: skip) has none
 */
export async function writeReasoning(
  answerer: Answerer,
  samples: readonly Sample[],
  maxNewTokens: number,
): Promise<{ id: string; text: string }[]> {
  const host = await answerer.builder.prepare(samples);
  if (host.samples.length === 0) return [];
  const prompts = answerer.builder.reasoningPrompts(host.samples) ?? host.prompts;
  const encoded = encodeBatch(answerer, { ...host, prompts });
  try {
    const { ids } = answerer.student.generate(encoded, reasoningOptions(answerer, maxNewTokens));
    return host.samples.map(({ id }, i) => ({ id, text: answerer.tokenizer.decode(ids[i]!) }));
  } finally {
    encoded.dispose();
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
