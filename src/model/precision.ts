/**
 * Which weights precision bf16 keeps as bf16: frozen ones that only matrix products read, which are nearly all of a
 * model. Norms, biases, embeddings and everything trained stay float32.
 */
import * as tf from '@tensorflow/tfjs-core';
import { EngineError } from '../errors.js';
import { hasBf16 } from '../ops/bf16.js';
import type { Parameter } from './module.js';
import type { ReasVqa } from './reasvqa.js';
import { isTrained, type TrainableGroup } from './trainable.js';

export type Precision = 'f32' | 'bf16';

/** @throws EngineError when the engine in use cannot compute in this precision; `setting` is what the user wrote. */
export function requirePrecision(precision: Precision, setting: string): void {
  if (precision !== 'bf16' || hasBf16()) return;
  throw new EngineError(
    `${setting} bf16: the engine ${tf.getBackend()} computes in f32 alone; use f32, or the engine native-cpu, native-cuda or tensorflow`,
  );
}

/** The parameters of the model to keep as bf16 while `groups` are trained. */
export function bf16Parameters(model: ReasVqa, groups: readonly TrainableGroup[]): ReadonlySet<Parameter> {
  const weights = [...model.linears().values()].map((linear) => linear.weight);
  const { lmHead } = model.languageModel;
  const all = lmHead === undefined ? weights : [...weights, lmHead];
  return new Set(all.filter((parameter) => !isTrained(parameter, groups)));
}
