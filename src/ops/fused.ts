import * as tf from '@tensorflow/tfjs-core';

/**
 * How an operation finds its fused kernel: by name in tfjs's own kernel registry, for the engine in use. An engine
 * that has none (cpu, wasm, tensorflow) runs the composed form, which is also the truth the kernels are tested with.
 */
export type FusedKernel =
  | 'ReasLinear'
  | 'ReasAttention'
  | 'ReasLayerNorm'
  | 'ReasRmsNorm'
  | 'ReasGelu'
  | 'ReasGatedGelu'
  | 'ReasDropout'
  | 'ReasResidual'
  | 'ReasLinearCrossEntropy'
  | 'ReasEmbedding'
  | 'ReasAppendRow'
  | 'ReasAdamW'
  | 'ReasGlobalNorm';

let enabled = process.env.REASVQA_FUSED !== '0';

/**
 * Switches fused kernels on or off for every engine and returns what it was. Off (or REASVQA_FUSED=0 in the
 * environment) forces the composed forms, for tests and for telling a kernel's fault from a model's.
 */
export function setFused(on: boolean): boolean {
  const before = enabled;
  enabled = on;
  return before;
}

/** What was found in tfjs's registry, by engine: each look into it joins and hashes two strings (0.15 us). */
const found = new Map<string, Set<FusedKernel>>();

/** True when the engine in use has the kernel and fused kernels are on. */
export function hasFused(kernel: FusedKernel): boolean {
  if (!enabled) return false;
  const engine = tf.getBackend();
  if (found.get(engine)?.has(kernel)) return true;
  if (tf.getKernel(kernel, engine) == null) return false;
  found.set(engine, (found.get(engine) ?? new Set()).add(kernel));
  return true;
}
