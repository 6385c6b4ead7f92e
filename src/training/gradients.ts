/** Losses and gradients of one batch: the forward pass of the student, the objective's loss, and the backward pass. */
import * as tf from '@tensorflow/tfjs-core';
import type { Context } from '../model/context.js';
import type { Parameter } from '../model/layers/module.js';
import type { Student, StudentInput, Target, TokenLosses } from '../model/student.js';
import { valueAndGradients } from '../ops/backward.js';
import { withHalfProducts } from '../ops/bf16.js';
import {
  type LossValues,
  meansByTarget,
  type Objective,
  tokenWeights,
  weightedMeans,
} from './objectives/objective.js';

/** Losses that the device may still be computing. */
export interface PendingLosses {
  /** Waits for them; once. */
  read(): LossValues;
  /** Frees them without reading. */
  dispose(): void;
}

export interface Gradients {
  losses: PendingLosses;
  /** In the order of the given parameters; the caller disposes them. */
  grads: tf.Tensor[];
}

type LossRule = Pick<Objective, 'losses' | 'loss'>;

/**
 * Losses and gradients of one batch. Nothing waits for the device here.
 *
 * @param parameters to differentiate by; a parameter that the loss does not depend on gets a zero gradient.
 */
export function gradients(
  student: Student,
  input: StudentInput,
  targets: readonly Target[],
  objective: LossRule,
  parameters: readonly Parameter[],
  context: Context,
): Gradients {
  const variables = parameters.map((parameter) => parameter.value);
  let pending: Pending | undefined;
  const forward = () => {
    const losses = student.losses(input, targets, context);
    const { scalar, weights } = lossOf(losses, targets, objective);
    pending = new Pending(losses, targets, weights ?? scalar);
    return scalar;
  };
  try {
    const { value, grads } = withHalfProducts(context.mixed, () => valueAndGradients(forward, variables));
    value.dispose();
    return { losses: pending!, grads: grads.map((grad, i) => grad ?? tf.zerosLike(variables[i]!)) };
  } catch (error) {
    pending?.dispose();
    throw error;
  }
}

/** Losses of one batch without gradients. */
export function evaluateLosses(
  student: Student,
  input: StudentInput,
  targets: readonly Target[],
  objective: LossRule,
  context: Context,
): LossValues {
  return tf.tidy(() => {
    const losses = student.losses(input, targets, context);
    const { scalar, weights } = lossOf(losses, targets, objective);
    return new Pending(losses, targets, weights ?? scalar).read() as LossValues & tf.TensorContainerObject;
  });
}

function lossOf(losses: TokenLosses, targets: readonly Target[], objective: LossRule) {
  if (objective.loss) return { scalar: objective.loss(losses, targets) };
  const weightOf = new Map(objective.losses.map(({ name, weight }) => [name, weight]));
  const weights = tokenWeights(
    losses,
    targets.map(({ name, share = 1 }) => (weightOf.get(name) ?? 0) * share),
  );
  return { scalar: weightedMeans(losses, weights), weights };
}

/** Keeps the per-token losses past the pass that made them, until they are read. */
class Pending implements PendingLosses {
  private readonly values: tf.Tensor1D;
  private readonly total: Float32Array | tf.Scalar;
  private readonly target: Int16Array;

  /** @param total weights of the tokens, or the loss itself where it is no weighted sum */
  constructor(
    losses: TokenLosses,
    private readonly targets: readonly Target[],
    total: Float32Array | tf.Scalar,
  ) {
    this.values = tf.keep(losses.values.clone());
    this.total = total instanceof tf.Tensor ? tf.keep(total.clone()) : total;
    this.target = losses.target;
  }

  read(): LossValues {
    const values = this.values.dataSync();
    const loss = this.total instanceof tf.Tensor ? this.total.dataSync()[0]! : dot(values, this.total);
    this.dispose();
    return { loss, parts: meansByTarget(values, { target: this.target }, this.targets) };
  }

  dispose(): void {
    this.values.dispose();
    if (this.total instanceof tf.Tensor) this.total.dispose();
  }
}

function dot(values: ArrayLike<number>, weights: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += (values[i] as number) * weights[i]!;
  return sum;
}
