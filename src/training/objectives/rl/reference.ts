/** The reference of the KL divergence: the student as training began. */
import * as tf from '@tensorflow/tfjs-core';
import { inferenceContext } from '../../../model/context.js';
import type { Parameter } from '../../../model/layers/module.js';
import type { Student, StudentInput, Target } from '../../../model/student.js';

/**
 * Copies of the parameters that learn. With a fresh adapter alone this is the student with its adapter switched off; it serves
 * an adapter that was trained before, and layers that learn besides, too.
 */
export class Reference {
  private readonly values: tf.Tensor[];

  constructor(private readonly parameters: readonly Parameter[]) {
    // An update changes a parameter in place, so a clone, which shares its memory, would not do.
    this.values = parameters.map(({ value }) => tf.tidy(() => tf.mul(value, 1)));
  }

  /** Log-probabilities of the targets' tokens under the reference, in the order of {@link Student.losses}. */
  logProbs(student: Student, input: StudentInput, targets: readonly Target[]): Float32Array {
    const present = this.parameters.map(({ value }) => tf.clone(value));
    this.assign(this.values);
    try {
      return tf.tidy(() => {
        const { values } = student.losses(input, targets, inferenceContext(student.precision));
        return tf.neg(values).dataSync() as unknown as tf.TensorContainer;
      }) as unknown as Float32Array;
    } finally {
      this.assign(present);
      tf.dispose(present);
    }
  }

  private assign(values: readonly tf.Tensor[]): void {
    this.parameters.forEach(({ value }, i) => {
      value.assign(values[i]!);
    });
  }

  dispose(): void {
    tf.dispose(this.values);
  }
}
