/** Rows of an embedding table. */
import * as tf from '@tensorflow/tfjs-core';
import { check, checkFloat } from './check.js';
import { hasFused, runKernel } from './kernels.js';
import { isFrozen, taped } from './tape.js';

/**
 * Rows of a table.
 *
 * @param ids int32 (...), each in [0, rows of the table); another id is an error that names it, thrown by native-cuda when
 *   a tensor is next read
 * @param table (V, d)
 * @returns (..., d)
 */
export function embedding(ids: tf.Tensor, table: tf.Tensor2D): tf.Tensor {
  checkFloat('embedding', { table });
  check(ids.dtype === 'int32' && table.rank === 2, 'embedding', 'ids int32 (...), table (V, d)', {
    ids,
    table,
  });
  if (hasFused('ReasEmbedding')) return fusedEmbedding(ids, table);
  checkIds(ids, table.shape[0]);
  const [rows, width] = table.shape;
  return tf.tidy(() =>
    taped(
      'embedding',
      isFrozen(table) ? {} : { table },
      (save) => {
        const flat = tf.reshape(ids, [ids.size]) as tf.Tensor1D;
        save([flat]);
        return tf.reshape(tf.gather(table, flat), [...ids.shape, width]);
      },
      (dy, [flat]) => ({
        table: () => {
          const dy2d = tf.reshape(dy, [flat!.size, width]) as tf.Tensor2D;
          return composedGradient(dy2d, flat as tf.Tensor1D, rows);
        },
      }),
    ),
  );
}

function fusedEmbedding(ids: tf.Tensor, table: tf.Tensor2D): tf.Tensor {
  return taped(
    'embedding',
    isFrozen(table) ? {} : { table },
    (save) => {
      save([ids]);
      return runKernel('ReasEmbedding', { ids, table }, {});
    },
    (dy, [savedIds]) => ({
      table: () => runKernel('ReasEmbeddingGrad', { dy, ids: savedIds! }, { rows: table.shape[0] }),
    }),
  );
}

function checkIds(ids: tf.Tensor, rows: number): void {
  const values = ids.dataSync();
  for (let i = 0; i < values.length; i++) {
    const id = values[i]!;
    if (!(id >= 0 && id < rows)) {
      throw new Error(`embedding: id ${id} at position ${i}; expected 0 to ${rows - 1} (rows of the table)`);
    }
  }
}

/** Sums rows of dy by id. wasm has no UnsortedSegmentSum: there, on the host. */
function composedGradient(dy: tf.Tensor2D, ids: tf.Tensor1D, rows: number): tf.Tensor {
  if (tf.getKernel('UnsortedSegmentSum', tf.getBackend()) != null) {
    return tf.unsortedSegmentSum(dy, ids, rows);
  }
  const width = dy.shape[1];
  const sums = new Float32Array(rows * width);
  const values = dy.dataSync();
  const at = ids.dataSync();
  for (let i = 0; i < at.length; i++) {
    const to = at[i]! * width;
    for (let j = 0; j < width; j++) sums[to + j]! += values[i * width + j]!;
  }
  return tf.tensor2d(sums, [rows, width]);
}
