/** The evaluation sequence, once: answer a split's samples, tell what was left out or cut, score. */
import type { Sample } from '../data/sample.js';
import { type Evaluator, evaluateAll, type Prediction } from './evaluate.js';
import { type ScoreResult, scoreAnswers } from './score.js';

export interface SplitEvaluation {
  predictions: Prediction[];
  /** Samples that were answered, in order. */
  answered: Sample[];
  /** 0-based option by sample id. */
  byId: Map<string, number>;
  /** Samples left out because their video could not be read. */
  skipped: number;
  /** Undefined for a blind split. */
  score: ScoreResult | undefined;
}

export interface SplitOptions {
  onProgress?: (done: number) => void;
  /** Told, a line each, what was left out and what was cut. */
  onNotice?: (line: string) => void;
  /** A split without answers is answered and not scored; an error otherwise. */
  blind?: boolean;
}

/** @throws DataError when no video could be read, or a sample has no answer to score */
export async function evaluateSplit(
  evaluator: Evaluator,
  samples: readonly Sample[],
  options: SplitOptions = {},
): Promise<SplitEvaluation> {
  const [evaluation] = await evaluateTogether([evaluator], samples, options);
  return evaluation!;
}

/** {@link evaluateSplit} of several students that see alike: videos are read once, by the first one's builder. */
export async function evaluateTogether(
  evaluators: readonly Evaluator[],
  samples: readonly Sample[],
  { onProgress, onNotice, blind = false }: SplitOptions = {},
): Promise<SplitEvaluation[]> {
  let done = 0;
  const evaluations = await evaluateAll(evaluators, samples, (count) => {
    done += count;
    onProgress?.(done);
  });
  for (const { id, reason } of evaluations[0]!.skipped) onNotice?.(`left out ${id}: ${reason}`);
  const cut = evaluators[0]!.builder.cutNotice();
  if (cut) onNotice?.(cut);
  return evaluations.map(({ predictions, skipped }, i) => {
    const byId = new Map(predictions.map(({ id, prediction }) => [id, prediction]));
    const answered = samples.filter((sample) => byId.has(sample.id));
    const isBlind = blind && answered.every((sample) => sample.answer === undefined);
    const { dataset } = evaluators[i]!.config.data;
    return {
      predictions,
      answered,
      byId,
      skipped: skipped.length,
      score: isBlind ? undefined : scoreAnswers(dataset, answered, byId),
    };
  });
}
