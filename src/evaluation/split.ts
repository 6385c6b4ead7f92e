/** The evaluation sequence, once: answer a split's samples, tell what was left out or cut, score. */
import { type Sample, taskOf } from '../data/sample.js';
import { lacksOf } from '../text/tasks/index.js';
import type { Reading } from '../text/tasks/task.js';
import type { Evaluator, Prediction } from './answers.js';
import { withChance } from './chance.js';
import { evaluateAll } from './evaluate.js';
import { scoreAnswers } from './score.js';
import type { ModeScore, SplitScore } from './splitScore.js';
import { scoreTasks } from './taskScore.js';

export interface SplitEvaluation {
  predictions: Prediction[];
  /** Samples that were answered, in order. */
  answered: Sample[];
  /** 0-based option by sample id, where there is one. */
  byId: Map<string, number>;
  /** Samples left out because their video could not be read. */
  skipped: number;
  /** Undefined for a blind split. */
  scores: ModeScore | undefined;
}

export interface SplitOptions {
  onProgress?: (done: number) => void;
  /** Told, a line each, what was left out and what was cut. */
  onNotice?: (line: string) => void;
  /** A split without answers is answered and not scored; an error otherwise. */
  blind?: boolean;
  /** What was trained on, for chance levels of tasks other than choice; without it those that need none of it. */
  learned?: readonly Sample[];
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
  { onProgress, onNotice, blind = false, learned = [] }: SplitOptions = {},
): Promise<SplitEvaluation[]> {
  let done = 0;
  const evaluations = await evaluateAll(evaluators, samples, (count) => {
    done += count;
    onProgress?.(done);
  });
  for (const { id, reason } of evaluations[0]!.skipped) onNotice?.(`left out ${id}: ${reason}`);
  const cut = evaluators[0]!.builder.cutNotice();
  if (cut) onNotice?.(cut);
  for (const { student } of evaluators) {
    const line = student.notice?.();
    if (line !== undefined) onNotice?.(line);
  }
  return evaluations.map(({ predictions, skipped }, i) => {
    const readings = new Map(predictions.map((prediction) => [prediction.id, prediction]));
    const answered = samples.filter((sample) => readings.has(sample.id));
    const isBlind = blind && answered.every((sample) => lacksOf(sample) !== undefined);
    const { dataset } = evaluators[i]!.config.data;
    const directly = predictions.flatMap(({ id, direct }): [string, Reading][] =>
      direct ? [[id, direct]] : [],
    );
    const scored = (of: ReadonlyMap<string, Reading>) =>
      besideChance(scoreSplit(dataset, answered, of), answered, learned);
    return {
      ...{ predictions, answered, byId: optionsOf(readings), skipped: skipped.length },
      scores: isBlind
        ? undefined
        : {
            ...scored(readings),
            ...(directly.length > 0 && { direct: scored(new Map(directly)) }),
          },
    };
  });
}

function scoreSplit(
  dataset: string,
  samples: readonly Sample[],
  readings: ReadonlyMap<string, Reading>,
): SplitScore {
  const choices = samples.filter((sample) => taskOf(sample) === 'choice');
  const score = choices.length > 0 ? scoreAnswers(dataset, choices, optionsOf(readings)) : null;
  return { score, ...(choices.length < samples.length && { tasks: scoreTasks(samples, readings) }) };
}

function besideChance(
  { score, tasks }: SplitScore,
  samples: readonly Sample[],
  learned: readonly Sample[],
): SplitScore {
  return { score, ...(tasks && { tasks: withChance(tasks, samples, learned) }) };
}

function optionsOf(readings: ReadonlyMap<string, Reading>): Map<string, number> {
  return new Map(
    [...readings].flatMap(([id, { prediction }]) => (prediction === undefined ? [] : [[id, prediction]])),
  );
}
