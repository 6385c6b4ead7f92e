/**
 * What of a model is stored in bf16 when its precision is bf16: the frozen weights of linear layers and of the output
 * head, nearly all of its memory. Embedding tables, norms, biases, everything trained and all activations between
 * products stay float32.
 */
import * as tf from '@tensorflow/tfjs-core';
import { EngineError } from '../errors.js';
import { hasBf16 } from '../ops/bf16.js';
import type { Parameter } from './module.js';
import type { ReasVqa } from './reasvqa.js';
import { isSelected, type TrainableGroup } from './trainable.js';

/** @throws EngineError when the engine in use has no bf16; `setting` is what the user wrote. */
export function requireBf16(setting: string): void {
  if (hasBf16()) return;
  throw new EngineError(
    `${setting}: the engine ${tf.getBackend()} computes in f32 alone; use f32, or an engine with bf16 (tensorflow)`,
  );
}

/** The parameters to store in bf16 when the given groups are trained. */
export function bf16Parameters(model: ReasVqa, trained: readonly TrainableGroup[]): Set<Parameter> {
  const weights = [...model.linears().values()].map((linear) => linear.weight);
  const { lmHead } = model.languageModel;
  if (lmHead) weights.push(lmHead);
  return new Set(weights.filter((parameter) => !isSelected(parameter, trained)));
}
