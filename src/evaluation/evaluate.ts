import * as tf from '@tensorflow/tfjs-core';
import type { Config } from '../config/schema.js';
import { Loader } from '../data/loader.js';
import type { Sample } from '../data/sample.js';
import { DataError } from '../errors.js';
import { inferenceContext } from '../model/context.js';
import { generate, lastLogits } from '../model/blip2/generate.js';
import type { Encoded, Blip2 } from '../model/blip2/blip2.js';
import { parseAnswer } from '../text/answers.js';
import type { Tokenizer } from '../text/tokenizer.js';
import type { BatchBuilder, HostBatch } from '../training/batches.js';

/** What the model said about one sample: one line of predictions.jsonl. */
export interface Prediction {
  id: string;
  type: string;
  /** 0-based option. */
  prediction: number;
  answer?: number;
  /** Logit of every option's letter after "Option"; absent when the answer was read off generated text. */
  scores?: number[];
  /** What the model wrote, with the `generate` scorer. */
  text?: string;
  /** The text named no option, so the letters were compared after it. */
  forced?: boolean;
}

export interface Evaluation {
  predictions: Prediction[];
  /** Samples left out because their video could not be read (data.onBadVideo: skip). */
  skipped: { id: string; reason: string }[];
}

export interface Evaluator {
  model: Blip2;
  tokenizer: Tokenizer;
  builder: BatchBuilder;
  config: Config;
  /** Decoder start of the answer task. */
  startId: number;
}

/**
 * Answers every sample, in order.
 *
 * `letter`: the options' letters compared after a forced "Option", in one decoder pass. SeViLA reads the same logits
 * off its second generated token (sevila.py:522-535), which agrees whenever generation starts with "Option".
 * `generate`: writes text greedily and parses an answer from it, for models trained to reason first.
 *
 * @throws DataError when no video could be read, which is no accuracy of 0.
 */
export async function evaluate(
  evaluator: Evaluator,
  samples: readonly Sample[],
  onProgress?: (done: number) => void,
): Promise<Evaluation> {
  const { config, builder } = evaluator;
  const loader = new Loader<HostBatch>(
    samples,
    { batch: config.eval.batch, shuffle: false, seed: 0, dropLast: false },
    (batch) => builder.prepare(batch, false),
  );
  const evaluation: Evaluation = { predictions: [], skipped: [] };
  for await (const { batch, samples: asked } of loader.epoch(0)) {
    if (batch.samples.length > 0) evaluation.predictions.push(...answerBatch(evaluator, batch));
    evaluation.skipped.push(...batch.skipped.map(({ sample, reason }) => ({ id: sample.id, reason })));
    onProgress?.(asked.length);
  }
  if (evaluation.predictions.length === 0)
    throw new DataError(
      `${config.data.videos}: no video of the ${samples.length} questions can be read; the first: ${evaluation.skipped[0]?.reason}`,
    );
  return evaluation;
}

function answerBatch(evaluator: Evaluator, host: HostBatch): Prediction[] {
  const encoded = encodeHost(evaluator, host);
  const written = evaluator.config.eval.scorer === 'generate';
  try {
    return written ? answerByText(evaluator, host, encoded) : answerByLetter(evaluator, host, encoded);
  } finally {
    tf.dispose([encoded.hidden, encoded.keyMask]);
  }
}

/** Runs the encoder on a batch; the caller disposes the result. */
export function encodeHost(
  { model, builder }: Pick<Evaluator, 'model' | 'builder'>,
  host: HostBatch,
): Encoded {
  return tf.tidy(() => {
    const batch = builder.toTensors(host, false);
    const context = inferenceContext();
    const encoded = model.encode(model.project(batch.features!, context), batch.encoder, context);
    return { hidden: encoded.hidden, keyMask: encoded.keyMask };
  });
}

function answerByLetter(evaluator: Evaluator, { samples }: HostBatch, encoded: Encoded): Prediction[] {
  const scores = letterScores(evaluator, encoded, samples, []);
  return samples.map((sample, i) => ({
    ...identify(sample),
    prediction: argMax(scores[i]!),
    scores: scores[i]!,
  }));
}

/** Logits of the letters after [start, ...before, "Option"], one row a sample, as many as it has options. */
function letterScores(
  { model, tokenizer, startId }: Evaluator,
  encoded: Encoded,
  samples: readonly Sample[],
  before: number[],
): number[][] {
  const logits = lastLogits(model, encoded, [startId, ...before, tokenizer.optionId]);
  const values = logits.dataSync();
  const vocabulary = logits.shape[1];
  logits.dispose();
  return samples.map((sample, row) =>
    Array.from(tokenizer.letterIds(sample.options.length), (id) => values[row * vocabulary + id]!),
  );
}

function answerByText(evaluator: Evaluator, { samples }: HostBatch, encoded: Encoded): Prediction[] {
  const { model, tokenizer, config, startId } = evaluator;
  const { maxNewTokens } = config.eval;
  const written = generate(model, encoded, { maxNewTokens, eosId: tokenizer.eosId, startId });
  return samples.map((sample, row) => {
    const text = tokenizer.decode(written[row]!);
    const parsed = parseAnswer(text, sample.options.length);
    if (parsed !== undefined) return { ...identify(sample), prediction: parsed, text };
    const one = tf.tidy(() => rowOf(encoded, row));
    const [scores] = letterScores(evaluator, one, [sample], written[row]!);
    tf.dispose([one.hidden, one.keyMask]);
    return { ...identify(sample), prediction: argMax(scores!), scores: scores!, text, forced: true };
  });
}

function rowOf({ hidden, keyMask }: Encoded, row: number) {
  return {
    hidden: tf.slice(hidden, [row, 0, 0], [1, ...hidden.shape.slice(1)] as [number, number, number]),
    keyMask: tf.slice(keyMask, [row, 0], [1, keyMask.shape[1]]),
  };
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
 * The model's own reasoning about samples, greedily decoded. Both tasks may start from the same token, and then the
 * short answer is the likelier text: reasoning never begins with "Option".
 *
 * @param startId decoder start of the reasoning task.
 */
export async function writeReasoning(
  { model, tokenizer, builder }: Pick<Evaluator, 'model' | 'tokenizer' | 'builder'>,
  samples: readonly Sample[],
  maxNewTokens: number,
  startId: number,
): Promise<string[]> {
  const host = await builder.prepare(samples, false);
  const encoded = encodeHost({ model, builder }, host);
  try {
    const options = { maxNewTokens, eosId: tokenizer.eosId, startId, notFirst: tokenizer.optionId };
    return generate(model, encoded, options).map((ids) => tokenizer.decode(ids));
  } finally {
    tf.dispose([encoded.hidden, encoded.keyMask]);
  }
}
