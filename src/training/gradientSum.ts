/** Sum of the gradients of the batches of one update. */
import * as tf from '@tensorflow/tfjs-core';

export class GradientSum {
  private grads: tf.Tensor[] | undefined;
  /** Number of batches in the sum. */
  batches = 0;

  /** Takes the gradients over. */
  add(grads: tf.Tensor[]): void {
    const before = this.grads;
    this.grads = before ? before.map((sum, i) => tf.add(sum, grads[i]!)) : grads;
    if (before) tf.dispose([before, grads]);
    this.batches++;
  }

  /** Hands the sums to `use`, frees them and starts anew. */
  take<T>(use: (sums: tf.Tensor[], batches: number) => T): T {
    try {
      return use(this.grads!, this.batches);
    } finally {
      this.dispose();
    }
  }

  dispose(): void {
    tf.dispose(this.grads ?? []);
    this.grads = undefined;
    this.batches = 0;
  }
}
