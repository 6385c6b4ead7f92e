/**
 * What precision bf16 means: frozen weights that only matrix products read, which are nearly all of a model, are kept as
 * bf16. Norms, biases, embeddings and everything trained stay float32, but may be multiplied on 16-bit units (setMixed in
 * ops/bf16.ts).
 */
import * as tf from '@tensorflow/tfjs-core';
import { EngineError } from '../errors.js';
import { hasBf16, setMixed } from '../ops/bf16.js';
import type { Parameter } from './module.js';
import type { ReasVqa } from './reasvqa.js';
import { isTrained, type TrainableGroup } from './trainable.js';

export type Precision = 'f32' | 'bf16';

/**
 * Has the engine in use compute in this precision from now on.
 *
 * @param setting what the user wrote
 * @throws EngineError when the engine cannot
 */
export function usePrecision(precision: Precision, setting: string): void {
  if (precision === 'bf16' && !hasBf16())
    throw new EngineError(
      `${setting} bf16: the engine ${tf.getBackend()} computes in f32 alone; use f32, or the engine native-cpu, native-cuda or tensorflow`,
    );
  setMixed(precision === 'bf16');
}

/** The parameters of the model to keep as bf16 while `groups` are trained. */
export function bf16Parameters(model: ReasVqa, groups: readonly TrainableGroup[]): ReadonlySet<Parameter> {
  const weights = [...model.linears().values()].map((linear) => linear.weight);
  const { lmHead } = model.languageModel;
  const all = lmHead === undefined ? weights : [...weights, lmHead];
  return new Set(all.filter((parameter) => !isTrained(parameter, groups)));
}
