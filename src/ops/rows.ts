/** Picking rows of a tensor and putting rows back, with gradients on every engine. */
import * as tf from '@tensorflow/tfjs-core';
import { taped } from './tape.js';

/**
 * Rows of `x` (N, ...) at `indices` (distinct). tf.gather's own gradient needs UnsortedSegmentSum, which wasm lacks;
 * with distinct indices the gradient is itself a gather, from dy with one row of zeros appended.
 */
export function selectRows(x: tf.Tensor, indices: Int32Array): tf.Tensor {
  const rows = x.shape[0] as number;
  return taped(
    'selectRows',
    { x },
    () => tf.tidy(() => tf.gather(x, tf.tensor1d(indices, 'int32'))),
    (dy) => ({ x: () => spread(dy, indices, rows) }),
  );
}

/** The reverse: row i of `x` becomes row indices[i] of a tensor with `rows` rows, the others are zero. */
export function spreadRows(x: tf.Tensor, indices: Int32Array, rows: number): tf.Tensor {
  return taped(
    'spreadRows',
    { x },
    () => tf.tidy(() => spread(x, indices, rows)),
    (dy) => ({ x: () => tf.gather(dy, tf.tensor1d(indices, 'int32')) }),
  );
}

function spread(x: tf.Tensor, indices: Int32Array, rows: number): tf.Tensor {
  const source = new Int32Array(rows).fill(indices.length);
  for (let i = 0; i < indices.length; i++) source[indices[i]!] = i;
  const padded = tf.concat([x, tf.zeros([1, ...x.shape.slice(1)])], 0);
  return tf.gather(padded, tf.tensor1d(source, 'int32'));
}
