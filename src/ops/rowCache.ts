/** The key/value cache of decoding as growing rows. */
import * as tf from '@tensorflow/tfjs-core';
import { hasFused, runKernel } from './kernels.js';

/** Fewest rows that room is made for at once. */
const BLOCK = 64;

/**
 * Room behind so many rows: a block, or a quarter of them, so that rows are moved four times each on average however many
 * follow, and at most a fifth of a long cache is unused.
 */
const roomBehind = (rows: number): number => Math.max(BLOCK, Math.ceil(rows / 4));

/**
 * Rows that are appended one at a time and read all together: the keys or values of decoding. Where the engine can
 * write into a buffer a row is copied once, into a block of room; elsewhere every addition joins all rows anew.
 */
export class RowCache {
  private storage: tf.Tensor3D | undefined;
  private used = 0;

  /** How many rows there are. */
  get length(): number {
    return this.used;
  }

  /** (1, at least `length`, width): the rows, then unused room. Valid until the next row is appended. */
  get rows(): tf.Tensor3D {
    if (!this.storage) throw new Error('RowCache: has no rows');
    return this.storage;
  }

  /** @param row of any shape; its elements are the next row, as many as in the rows before. Not disposed. */
  append(row: tf.Tensor): void {
    const width = this.storage?.shape[2] ?? row.size;
    if (row.size !== width || row.dtype !== 'float32')
      throw new Error(
        `RowCache: got ${row.dtype} (${row.shape.join(', ')}); expected a float32 row of ${width} elements`,
      );
    if (hasFused('ReasAppendRow')) this.write(row, width);
    else this.join(row, width);
    this.used++;
  }

  /**
   * Starts with several rows at once.
   *
   * @param rows (1, n, width) float32. Not disposed. @throws Error unless the cache is empty
   */
  fill(rows: tf.Tensor3D): void {
    if (this.storage) throw new Error('RowCache: has rows already');
    const [, n] = rows.shape;
    // Where every addition joins anew, room would be in the way.
    if (hasFused('ReasAppendRow')) this.growFrom(rows);
    else this.hold(tf.clone(rows));
    this.used = n;
  }

  private write(row: tf.Tensor, width: number): void {
    if (!this.storage) this.hold(tf.zeros([1, roomBehind(0), width]));
    if (this.used === this.rows.shape[1]) this.growFrom(this.rows);
    runKernel('ReasAppendRow', { storage: this.rows, row }, { at: this.used });
  }

  private growFrom(rows: tf.Tensor3D): void {
    const [, n, width] = rows.shape;
    this.hold(tf.tidy(() => tf.concat([rows, tf.zeros([1, roomBehind(n), width])], 1)));
  }

  private join(row: tf.Tensor, width: number): void {
    this.hold(
      tf.tidy(() => {
        const last = tf.reshape(row, [1, 1, width]) as tf.Tensor3D;
        return this.storage ? tf.concat([this.storage, last], 1) : tf.clone(last);
      }),
    );
  }

  private hold(storage: tf.Tensor3D): void {
    this.storage?.dispose();
    this.storage = tf.keep(storage);
  }

  dispose(): void {
    this.storage?.dispose();
    this.storage = undefined;
    this.used = 0;
  }
}
