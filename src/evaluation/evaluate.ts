/** Answers the questions of a split, batch by batch. */
import { DataError } from '../base/errors.js';
import { groupBy } from '../base/groups.js';
import type { HostBatch } from '../batches/batch.js';
import { Loader } from '../batches/loader.js';
import { SharedInput } from '../batches/sharedInput.js';
import { type Sample, taskOf } from '../data/sample.js';
import { type Answerer, type Evaluator, encodeBatch, type Prediction, reasoningOptions } from './answers.js';
import { answerLooking } from './looking.js';
import { answerInput } from './modes.js';

export interface Evaluation {
  predictions: Prediction[];
  /** Samples left out because their video could not be read (data.onBadVideo: skip). */
  skipped: { id: string; reason: string }[];
}

/**
 * Answers every sample by its task (answers.ts) and by eval.mode (modes.ts); predictions are in the order of the samples.
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
  const evaluations: Evaluation[] = evaluators.map(() => ({ predictions: [], skipped: [] }));
  // The samples of a batch are answered in one way.
  const tasks = groupBy(samples, taskOf);
  for (const own of tasks.values()) {
    const loader = new Loader<HostBatch>(
      own,
      { batch: config.eval.batch, shuffle: false, seed: 0, dropLast: false, ahead: config.data.ahead },
      (batch, _, ended) => builder.prepare(batch, undefined, ended),
    );
    for await (const { batch, samples: asked } of loader.epoch(0)) {
      const predictions = batch.samples.length > 0 ? await answerBatch(evaluators, batch) : [];
      const skipped = batch.skipped.map(({ sample, reason }) => ({ id: sample.id, reason }));
      for (const [i, evaluation] of evaluations.entries()) {
        evaluation.predictions.push(...(predictions[i] ?? []));
        evaluation.skipped.push(...skipped);
      }
      onProgress?.(asked.length);
    }
  }
  if (tasks.size > 1) for (const { predictions } of evaluations) sortAs(samples, predictions);
  const { predictions, skipped } = evaluations[0]!;
  if (predictions.length === 0)
    throw new DataError(
      `${config.data.videos}: no video of the ${samples.length} questions can be read; the first: ${skipped[0]?.reason}`,
    );
  return evaluations;
}

/** Puts predictions into the order of their samples. */
function sortAs(samples: readonly Sample[], predictions: Prediction[]): void {
  const places = new Map(samples.map(({ id }, place) => [id, place]));
  predictions.sort((a, b) => places.get(a.id)! - places.get(b.id)!);
}

async function answerBatch(evaluators: readonly Evaluator[], host: HostBatch): Promise<Prediction[][]> {
  const inputs = new SharedInput(host);
  const answered: Prediction[][] = [];
  try {
    for (const evaluator of evaluators)
      answered.push(
        await inputs.use(evaluator, evaluator.builder, (input) =>
          evaluator.config.eval.looks > 0
            ? answerLooking(evaluator, host, input)
            : answerInput(evaluator, host, input),
        ),
      );
    return answered;
  } finally {
    inputs.dispose();
  }
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
