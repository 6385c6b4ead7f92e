import * as tf from '@tensorflow/tfjs-core';
import { IGNORED } from '../ops/labels.js';
import type { Context } from '../model/context.js';
import type { Parameter } from '../model/layers/module.js';
import { type Labels, segmentMeans, tokenWeights } from '../model/blip2/packing.js';
import type { EncoderBatch, Blip2 } from '../model/blip2/blip2.js';
import { valueAndGradients } from '../ops/backward.js';

/** One batch, ready for the model. */
export interface TrainBatch {
  encoder: EncoderBatch;
  /** (B * N, tokens, hidden): frozen features before post_layernorm. */
  features?: tf.Tensor3D;
  /** (B * N, 3, image, image): when the vision model itself is trained. */
  pixels?: tf.Tensor4D;
  answer: Labels;
  /** Reasoning of the samples that have one, all -100 in the rows of the others; absent when no row has any. */
  reasoning?: Labels;
  /**
   * Second instruction for the reasoning target: its own encoder input, hence a second encoder pass. Absent: both
   * targets share one encoder pass, as the paper's f(v, q) does.
   */
  reasoningPrompt?: EncoderBatch['prompt'];
}

/** Weights of the two losses (paper, equation 2) and the decoder start token of each target. */
export interface Objective {
  alpha: number;
  beta: number;
  answerStartId: number;
  reasoningStartId: number;
}

export interface LossValues {
  /** alpha * qa + beta * reasoning; a task without tokens in this batch contributes nothing. */
  loss: number;
  /** Mean cross-entropy over the answer tokens. */
  qa: number;
  /** Mean cross-entropy over the reasoning tokens; NaN when the batch has none. */
  reasoning: number;
}

/** Losses that the device may still be computing. */
export interface PendingLosses {
  /** Waits for them; once. */
  read(): LossValues;
  /** Instead of reading. */
  dispose(): void;
}

export interface Gradients {
  losses: PendingLosses;
  /** In the order of the given parameters; the caller disposes them. */
  grads: tf.Tensor[];
}

/** Cross-entropies of one batch with their weights in the total. */
interface WeightedLosses {
  losses: tf.Tensor1D;
  weights: Float32Array;
  /** Mean loss of each task, from the values of `losses`. */
  means: (losses: ArrayLike<number>) => { qa: number; reasoning: number };
}

/** The whole forward pass: per-token losses of both tasks. */
function forward(model: Blip2, batch: TrainBatch, objective: Objective, context: Context): WeightedLosses {
  const features = batch.features ?? model.visionFeatures(batch.pixels!, context);
  const projected = model.project(features, context);
  const encoded = model.encode(projected, batch.encoder, context);
  const reasoning = objective.beta > 0 && batch.reasoning?.data.some((id) => id !== IGNORED);
  const { alpha, beta, answerStartId, reasoningStartId } = objective;
  if (reasoning && batch.reasoningPrompt) {
    const second = model.encode(projected, { ...batch.encoder, prompt: batch.reasoningPrompt }, context);
    const qa = taskLosses(model, encoded, batch.answer, alpha, answerStartId, context);
    const rea = taskLosses(model, second, batch.reasoning!, beta, reasoningStartId, context);
    const split = qa.weights.length;
    return {
      losses: tf.concat([qa.losses, rea.losses]),
      weights: Float32Array.from([...qa.weights, ...rea.weights]),
      means: (losses) => {
        const values = Array.from(losses);
        return { qa: qa.mean(values.slice(0, split)), reasoning: rea.mean(values.slice(split)) };
      },
    };
  }
  const segments = reasoning ? [batch.answer, batch.reasoning!] : [batch.answer];
  const starts = reasoning ? [answerStartId, reasoningStartId] : [answerStartId];
  const packed = model.pack(segments, starts);
  return {
    losses: model.tokenLosses(model.decode(encoded, packed, context), packed),
    weights: tokenWeights(packed, reasoning ? [alpha, beta] : [alpha]),
    means: (losses) => {
      const [qa, rea] = segmentMeans(packed, losses);
      return { qa: qa!, reasoning: rea ?? Number.NaN };
    },
  };
}

function taskLosses(
  model: Blip2,
  encoded: Parameters<Blip2['decode']>[0],
  labels: Labels,
  weight: number,
  startId: number,
  context: Context,
) {
  const packed = model.pack([labels], [startId]);
  return {
    losses: model.tokenLosses(model.decode(encoded, packed, context), packed),
    weights: tokenWeights(packed, [weight]),
    mean: (losses: ArrayLike<number>) => segmentMeans(packed, losses)[0]!,
  };
}

/**
 * Losses and gradients of one batch. Nothing waits for the device here.
 *
 * @param parameters what is differentiated; a parameter the loss does not depend on gets a zero gradient.
 */
export function gradients(
  model: Blip2,
  batch: TrainBatch,
  objective: Objective,
  parameters: readonly Parameter[],
  context: Context,
): Gradients {
  let kept: tf.Tensor1D | undefined;
  let weighted: WeightedLosses | undefined;
  const variables = parameters.map((parameter) => parameter.value);
  try {
    const { value, grads } = valueAndGradients(() => {
      weighted = forward(model, batch, objective, context);
      kept = tf.keep(weighted.losses.clone());
      return tf.sum(tf.mul(weighted.losses, tf.tensor1d(weighted.weights)));
    }, variables);
    value.dispose();
    return {
      losses: pendingLosses(kept!, weighted!),
      grads: grads.map((grad, i) => grad ?? tf.zerosLike(variables[i]!)),
    };
  } catch (error) {
    kept?.dispose();
    throw error;
  }
}

function pendingLosses(losses: tf.Tensor1D, weighted: WeightedLosses): PendingLosses {
  return {
    read: () => {
      const values = losses.dataSync();
      losses.dispose();
      return total(values, weighted);
    },
    dispose: () => losses.dispose(),
  };
}

/** Losses of one batch without gradients. */
export function evaluateLosses(
  model: Blip2,
  batch: TrainBatch,
  objective: Objective,
  context: Context,
): LossValues {
  return tf.tidy(() => {
    const weighted = forward(model, batch, objective, context);
    return total(weighted.losses.dataSync(), weighted) as LossValues & tf.TensorContainerObject;
  });
}

function total(losses: ArrayLike<number>, { weights, means }: WeightedLosses): LossValues {
  let loss = 0;
  for (let i = 0; i < losses.length; i++) loss += (losses[i] as number) * weights[i]!;
  return { loss, ...means(losses) };
}
