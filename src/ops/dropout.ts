/** Dropout with counter-based bits, and the residual connection. */
import * as tf from '@tensorflow/tfjs-core';
import { check, checkFloat, rowsAndColumns, sameShape } from './check.js';
import { type Dropout, hasFused, NO_DROPOUT, runKernel } from './kernels.js';
import { type DropoutKey, dropoutThreshold, philoxKeepMask } from './philox.js';
import { taped } from './tape.js';

/**
 * Hands out the keys of one training run, one per call in the order the model asks. The same seed, step and order
 * give the same bits on every engine; a resumed run continues by its step number alone.
 */
export class DropoutStream {
  enabled = true;
  private step = 0;
  private call = 0;

  constructor(private readonly seed: number) {}

  /** Begins a training step (0-based or 1-based, as the loop counts); calls are numbered from 0 again. */
  startStep(step: number): void {
    this.step = step;
    this.call = 0;
  }

  /** The next key, or undefined (no dropout) when the rate is 0 or the stream is disabled. */
  next(rate: number): DropoutKey | undefined {
    if (!(rate >= 0 && rate < 1)) throw new Error(`dropout: rate ${rate}; expected 0 <= rate < 1`);
    if (!this.enabled || rate === 0) return undefined;
    return { rate, seed: this.seed >>> 0, step: this.step >>> 0, call: this.call++ };
  }

  /** A position to `rewind` to, so that recomputing a block draws the same bits again. */
  mark(): number {
    return this.call;
  }

  rewind(mark: number): void {
    this.call = mark;
  }
}

/** The key as a kernel's attributes; all 0 without dropout. */
export function dropoutNumbers(key: DropoutKey | undefined): Dropout {
  if (key === undefined) return NO_DROPOUT;
  const { rate, seed, step, call } = key;
  return { rate, threshold: dropoutThreshold(rate), seed, step, call };
}

/**
 * Inverted dropout (Srivastava et al. 2014): elements are zeroed with probability `key.rate`, the others scaled by
 * 1 / (1 - rate). `x` is seen as (rows, last axis). Identity when `key` is undefined.
 *
 * @param bf16 whether the result may be stored in bf16 (see bf16.ts)
 */
export function dropout<T extends tf.Tensor>(x: T, key?: DropoutKey, bf16 = false): T {
  if (key === undefined) return x;
  checkFloat('dropout', { x });
  checkKey(key);
  if (hasFused('ReasDropout')) return fusedDropout(x, key, bf16);
  return tf.tidy(() => tf.mul(x, dropoutMask(x, key)));
}

/**
 * A residual connection: x + dropout(update), in one pass where the engine has the kernel. Both of one shape; without a key
 * a plain sum.
 *
 * @param gradientBf16 whether the gradient of `update` may be stored in bf16 (see bf16.ts)
 */
export function residual<T extends tf.Tensor>(x: T, update: T, key?: DropoutKey, gradientBf16 = false): T {
  checkFloat('residual', { x, update });
  check(sameShape(x, update), 'residual', 'x and update of one shape', { x, update });
  if (key === undefined) return tf.add(x, update);
  if (!hasFused('ReasDropout')) return tf.tidy(() => tf.add(x, dropout(update, key)));
  checkKey(key);
  const numbers = dropoutNumbers(key);
  return taped(
    'residual',
    { x, update },
    () => runKernel('ReasDropout', { x: update, addend: x }, { dropout: numbers, bf16: false }),
    (dy) => ({
      x: () => tf.clone(dy),
      update: () => runKernel('ReasDropout', { x: dy }, { dropout: numbers, bf16: gradientBf16 }),
    }),
  ) as T;
}

/** The multiplier that dropout applies to a tensor of this shape: 0 or 1 / (1 - rate). */
function dropoutMask(like: tf.Tensor, key: DropoutKey): tf.Tensor {
  const [rows, columns] = rowsAndColumns('dropout', like);
  const mask = philoxKeepMask(rows, columns, key);
  const scale = Math.fround(1 / (1 - key.rate));
  for (let i = 0; i < mask.length; i++) mask[i]! *= scale;
  return tf.tensor(mask, like.shape, 'float32');
}

export function checkKey(key: DropoutKey): void {
  if (!(key.rate > 0 && key.rate < 1)) throw new Error(`dropout: rate ${key.rate}; expected 0 < rate < 1`);
}

function fusedDropout<T extends tf.Tensor>(x: T, key: DropoutKey, bf16: boolean): T {
  const numbers = dropoutNumbers(key);
  const run = (of: tf.Tensor, stored: boolean): tf.Tensor =>
    runKernel('ReasDropout', { x: of }, { dropout: numbers, bf16: stored });
  return taped(
    'dropout',
    { x },
    () => run(x, bf16),
    (dy) => ({ x: () => run(dy, false) }),
  ) as T;
}
