import * as tf from '@tensorflow/tfjs-core';

/** True when the engine in use can keep float32 tensors as bf16 (native-cuda). */
export function hasBf16(): boolean {
  return tf.getKernel('ReasToBf16', tf.getBackend()) != null;
}

/**
 * A float32 tensor with x's values rounded to bf16 (to nearest, ties to even), stored in half the memory. `linear` and
 * `linearCrossEntropy` take it as their weight; reading it gives float32; any other operation on it is an error.
 *
 * @param x float32, of any shape
 */
export function toBf16<T extends tf.Tensor>(x: T): T {
  if (!hasBf16()) throw new Error(`bf16 storage: the engine ${tf.getBackend()} has none`);
  return tf.engine().runKernel('ReasToBf16', { x }) as T;
}
