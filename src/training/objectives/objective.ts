/**
 * An objective: the targets of a batch as data. Each target has a name, tokens and a weight; the loss is their weighted
 * sum.
 */
import * as tf from '@tensorflow/tfjs-core';
import { type BatchBuilder, disposeVisual, type Lesson } from '../../batches/batch.js';
import type { Config } from '../../config/schema.js';
import type { Sample } from '../../data/sample.js';
import type { Parameter } from '../../model/layers/module.js';
import type { Student, StudentInput, Target, TokenLosses } from '../../model/student.js';
import type { Tokenizer } from '../../text/tokenizer.js';
import type { Trajectory } from '../trajectories.js';

/** One of an objective's losses: its key in metrics (`train/loss_<name>`), logs and reports. */
export interface NamedLoss {
  readonly name: string;
  /** Its share of the total. */
  readonly weight: number;
}

/** Input of an objective that generates with the student inside the step. */
export interface StepInput {
  student: Student;
  input: StudentInput;
  samples: readonly Sample[];
  /** Makes inputs of other clips of the samples; the loop gives it. */
  builder?: BatchBuilder;
  lesson: Lesson;
  /** 0-based forward pass of the run: randomness follows from it and the seed, so that a resumed run repeats it. */
  pass: number;
}

/** What is learned in a step, and from which input, for `use`: targets of the lesson, or of {@link Objective.respond}. */
export async function responding<T>(
  objective: Pick<Objective, 'respond' | 'about'>,
  step: StepInput,
  use: (targets: readonly Target[], input: StudentInput) => T,
): Promise<T> {
  const targets = (await objective.respond?.(step)) ?? step.lesson.targets;
  const own = objective.about?.(targets);
  try {
    return use(targets, own ?? step.input);
  } finally {
    if (own) disposeVisual(own);
  }
}

/** Training samples as an objective that chooses among them sees them. */
export interface Candidates {
  samples: readonly Sample[];
  /** Run folder, where what was found may be kept. */
  folder: string;
  /** Hash of all that a finding follows from: the configuration, the data and the weights that training begins with. */
  origin: string;
  /** Shows samples to the student as evaluation does. @returns undefined where no clip of them can be read */
  show<T>(
    samples: readonly Sample[],
    use: (shown: Pick<StepInput, 'student' | 'input' | 'samples' | 'builder'>) => Promise<T>,
  ): Promise<T | undefined>;
  /** Ends the work where the run was asked to stop. @throws Interrupted */
  onProgress(done: number, total: number): void;
  onNotice(line: string): void;
}

export interface Choice {
  /** The samples to learn from, in their own order. */
  samples: readonly Sample[];
  /** Values of a line of metrics at step 0. */
  metrics: Record<string, number>;
}

/** Settings that an objective is made from. */
export interface ObjectiveSettings {
  config: Pick<Config, 'text' | 'train'> & { video: Pick<Config['video'], 'lookFps'> };
  tokenizer: Tokenizer;
  /** Tokens that start the decoder on either task; the student's own unless given. */
  cues?: { answer: number; reasoning: number } | undefined;
}

export interface Objective {
  readonly losses: readonly NamedLoss[];
  /** The targets of samples, encoded on the host ahead of the step. @throws DataError when a sample lacks a target */
  encode(samples: readonly Sample[]): Lesson;
  /**
   * Called inside the step: targets that the student itself generates (sampling and rewarding its answers), or that
   * depend on its present weights. The lesson's own targets unless given.
   */
  respond?(step: StepInput): Target[] | Promise<Target[]>;
  /** The input that such targets are about, which the caller frees (disposeVisual); the step's own where it is undefined. */
  about?(targets: readonly Target[]): StudentInput | undefined;
  /** The scalar that is differentiated; {@link weightedMeans} unless given. */
  loss?(losses: TokenLosses, targets: readonly Target[]): tf.Scalar;
  /**
   * Called before the first step, also where a run continues: the samples to learn from. All of them unless given. One that may
   * leave some out has an entry in `cohortKey` (../splits.ts), since runs in lockstep read the same ones.
   */
  choose?(candidates: Candidates): Promise<Choice>;
  /** No pass of the step drops anything, whatever rates the model and its adapter have. */
  readonly dropsNothing?: boolean;
  /** Called before the first step, with the parameters as training began, also where it continues from a checkpoint. */
  begin?(parameters: readonly Parameter[]): void;
  /** Factor on the sum of an update's gradients; 1 / batches unless given. */
  scale?(batches: number): number;
  /** Dialogues of the last batch; none where the student does not look again. */
  trajectories?(): readonly Trajectory[];
  /** Values for a line of metrics, of the batches since the last one. */
  metrics?(): Record<string, number>;
  /** What {@link metrics} and {@link stop} go by so far, for a checkpoint, as JSON can hold it. */
  pending?(): unknown;
  /** Goes on from what {@link pending} gave, where a run continues. */
  restore?(pending: unknown): void;
  /** Called after every update; why training should not go on, in a sentence. @param step updates so far */
  stop?(step: number): string | undefined;
  dispose?(): void;
}

/** Values of one batch. */
export interface LossValues {
  loss: number;
  /** Mean cross-entropy over the tokens of each target; a target without a token in the batch is absent. */
  parts: Record<string, number>;
}

/**
 * sum over targets of weight * mean cross-entropy over its own tokens of the batch (paper, equation 2). A target without
 * tokens adds nothing.
 */
export function weightedMeans(losses: TokenLosses, weights: Float32Array): tf.Scalar {
  return tf.sum(tf.mul(losses.values, tf.tensor1d(weights)));
}

/** The weight of each token in {@link weightedMeans}: its target's weight over that target's number of tokens. */
export function tokenWeights({ target }: TokenLosses, weights: readonly number[]): Float32Array {
  const counts = weights.map(() => 0);
  for (const index of target) if (index >= 0) counts[index]!++;
  return Float32Array.from(target, (index) => (index < 0 ? 0 : weights[index]! / counts[index]!));
}

/** Mean loss of the targets of each name over their tokens. */
export function meansByTarget(
  values: ArrayLike<number>,
  { target }: Pick<TokenLosses, 'target'>,
  targets: readonly Target[],
): Record<string, number> {
  const sums = new Map<string, { sum: number; count: number }>();
  target.forEach((index, i) => {
    if (index < 0) return;
    const { name } = targets[index]!;
    const own = sums.get(name) ?? { sum: 0, count: 0 };
    sums.set(name, { sum: own.sum + (values[i] as number), count: own.count + 1 });
  });
  return Object.fromEntries([...sums].map(([name, { sum, count }]) => [name, sum / count]));
}
