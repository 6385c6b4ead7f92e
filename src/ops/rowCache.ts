import * as tf from '@tensorflow/tfjs-core';
import { hasFused } from './fused.js';

const FIRST_CAPACITY = 16;

/**
 * Rows that are added one at a time and read all together, as the keys or values of decoding are. Where the engine
 * can write into a buffer a row is copied once, into room that doubles when it is full; elsewhere every addition joins
 * all rows anew.
 */
export class RowCache {
  private storage: tf.Tensor2D | undefined;
  private used = 0;

  /** How many rows there are. */
  get length(): number {
    return this.used;
  }

  /** (at least `length`, width): the rows, then room that is not to be read. Valid until the next addition. */
  get rows(): tf.Tensor2D {
    if (!this.storage) throw new Error('RowCache: has no rows');
    return this.storage;
  }

  /** @param row of any shape; its elements are the next row, as many as in the rows before. Not disposed. */
  append(row: tf.Tensor): void {
    const width = this.storage?.shape[1] ?? row.size;
    if (row.size !== width || row.dtype !== 'float32')
      throw new Error(
        `RowCache: got ${row.dtype} (${row.shape.join(', ')}); expected a float32 row of ${width} elements`,
      );
    tf.tidy(() => {
      const flat = tf.reshape(row, [1, width]) as tf.Tensor2D;
      if (hasFused('ReasAppendRow')) this.write(flat);
      else this.hold(this.storage ? tf.concat([this.storage, flat], 0) : tf.clone(flat));
    });
    this.used++;
  }

  private write(row: tf.Tensor2D): void {
    if (!this.storage) this.hold(tf.zeros([FIRST_CAPACITY, row.shape[1]]));
    if (this.used === this.rows.shape[0]) this.hold(tf.concat([this.rows, tf.zerosLike(this.rows)], 0));
    tf.engine().runKernel('ReasAppendRow', { storage: this.rows, row }, { at: this.used });
  }

  private hold(storage: tf.Tensor2D): void {
    this.storage?.dispose();
    this.storage = tf.keep(storage);
  }

  dispose(): void {
    this.storage?.dispose();
    this.storage = undefined;
    this.used = 0;
  }
}
