/** Counts the tensors that TensorFlow holds. */
import * as tf from '@tensorflow/tfjs-core';

/** Tensors that TensorFlow's binding holds; tfjs's own count does not see those that a kernel forgot. */
export function handles(): number {
  return (tf.backend() as unknown as { binding: { getNumOfTensors(): number } }).binding.getNumOfTensors();
}
