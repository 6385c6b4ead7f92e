/** Computes numbers and frees the tensors on the way, without tf.tidy's search of the numbers for tensors. */
import * as tf from '@tensorflow/tfjs-core';

/**
 * What `compute` returns; every tensor that it made and did not keep is freed, also when it throws. tf.tidy looks for
 * tensors in what is returned, element by element, which took 10 of 26 s in the tests of the kernels: use this where the
 * result holds none.
 *
 * @param compute synchronous; what it returns holds no tensor made in it
 */
export function tidied<T>(compute: () => T): T {
  const engine = tf.engine();
  engine.startScope();
  try {
    return compute();
  } finally {
    engine.endScope();
  }
}
