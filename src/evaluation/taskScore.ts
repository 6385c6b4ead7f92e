/** Scores of samples of any task: each task by its own metrics. */
import { DataError } from '../base/errors.js';
import { type Sample, TASKS } from '../data/sample.js';
import { scoreCaptions } from './metrics/captions.js';
import { scoreGrounded } from './metrics/nextgqa.js';
import { scoreOpen } from './metrics/open.js';
import { type PredictedSpan, scoreSpans } from './metrics/spans.js';
import { RULE_NAMES, type RuleName, type Scored, scoreByRule, scoredAs } from './rules.js';

/** What a model gave for a sample; each task reads its own keys. */
export interface TaskPrediction {
  /** 0-based option of a choice. */
  prediction?: number | undefined;
  /** Seconds. */
  span?: PredictedSpan | undefined;
  /** An answer or a description. */
  text?: string | undefined;
}

export interface TaskScore {
  /** Samples of the task. */
  count: number;
  /** Those without a prediction, or without a span where the task asks for one. They count as wrong. */
  missing: number;
  /** Percent by name, the most usual one first. */
  metrics: Record<string, number>;
  /** What guesses without a look at the video reach, in percent by the same names (chance.ts). */
  chance?: Record<string, number>;
  /** The main metric by question type and by group of types, where the official script prints it. */
  types?: Record<string, number>;
  groups?: Record<string, number>;
}

/** By task; open answers that their data set has a rule for by the rule's name. */
export type TaskScores = Partial<Record<Scored, TaskScore>>;

type Scorer = (samples: readonly Sample[], of: (sample: Sample) => TaskPrediction) => TaskScore;

/**
 * Scores samples, task by task.
 *
 * @param predictions by sample id; ids beyond the samples are ignored
 * @throws DataError for a sample that has no truth, as in a blind split
 */
export function scoreTasks(
  samples: readonly Sample[],
  predictions: ReadonlyMap<string, TaskPrediction>,
): TaskScores {
  const scores: TaskScores = {};
  for (const name of [...TASKS, ...RULE_NAMES]) {
    const own = samples.filter((sample) => scoredAs(sample) === name);
    if (own.length > 0) scores[name] = SCORERS[name](own, ({ id }) => predictions.get(id) ?? {});
  }
  return scores;
}

const byRule =
  (name: RuleName): Scorer =>
  (samples, of) => ({ ...counts(samples, of), metrics: scoreByRule(name, textsOf(samples, of)) });

const SCORERS: Record<Scored, Scorer> = {
  choice: (samples, of) => {
    const right = samples.filter((sample) => of(sample).prediction === truth(sample, 'answer')).length;
    const missing = samples.filter((sample) => of(sample).prediction === undefined).length;
    return { count: samples.length, missing, metrics: { accuracy: (100 * right) / samples.length } };
  },
  open: (samples, of) => ({ ...counts(samples, of), metrics: { ...scoreOpen(textsOf(samples, of)) } }),
  dark: byRule('dark'),
  mix: byRule('mix'),
  caption: (samples, of) => {
    const items = samples.map((sample) => ({
      candidate: of(sample).text ?? '',
      references: truth(sample, 'captions'),
    }));
    return { ...counts(samples, of), metrics: scoreCaptions(items) };
  },
  ground: (samples, of) =>
    scoreSpans(samples.map((sample) => ({ spans: truth(sample, 'spans'), predicted: of(sample).span }))),
  'grounded-choice': (samples, of) => {
    const answered = samples.some((sample) => of(sample).prediction !== undefined);
    const items = samples.map((sample) => ({
      spans: truth(sample, 'spans'),
      predicted: of(sample).span,
      ...(answered ? { right: of(sample).prediction === truth(sample, 'answer') } : {}),
    }));
    return scoreGrounded(items, false);
  },
};

function textsOf(samples: readonly Sample[], of: (sample: Sample) => TaskPrediction) {
  return samples.map((sample) => ({ text: of(sample).text ?? '', answers: truth(sample, 'answers') }));
}

function counts(samples: readonly Sample[], of: (sample: Sample) => TaskPrediction) {
  return {
    count: samples.length,
    missing: samples.filter((sample) => of(sample).text === undefined).length,
  };
}

/** The truth of a sample. @throws DataError where it has none */
function truth<K extends 'answer' | 'answers' | 'captions' | 'spans'>(
  sample: Sample,
  key: K,
): NonNullable<Sample[K]> {
  const value = sample[key];
  if (value !== undefined) return value;
  throw new DataError(`sample ${sample.id} has no ${key}: a blind split cannot be scored here`);
}
