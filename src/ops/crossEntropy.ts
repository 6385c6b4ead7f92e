/** Cross-entropy of a linear output head in chunks, so that the logits are never held whole. */
import * as tf from '@tensorflow/tfjs-core';
import { weightProduct } from './bf16.js';
import { check, checkFloat } from './check.js';
import { hasFused, runKernel } from './kernels.js';
import { IGNORED } from './labels.js';
import { recompute } from './recompute.js';
import { selectRows, spreadRows } from './rows.js';
import { isFrozen, isTapeOn, taped } from './tape.js';

/**
 * Cross-entropy of hidden W^T against labels, without ever holding all logits: `chunkRows` rows at a time, which unless given
 * are at most 256 with logits of at most 64 MiB.
 *
 * @param hidden (N, d)
 * @param weight (V, d): lm_head, no bias
 * @param labels N ids in [0, V), or -100 for rows to ignore
 * @returns (N) loss per token in nats, 0 at ignored rows
 */
export function linearCrossEntropy(
  hidden: tf.Tensor2D,
  weight: tf.Tensor2D,
  labels: Int32Array,
  chunkRows = rowsInChunk(weight.shape[0]),
): tf.Tensor1D {
  checkFloat('linearCrossEntropy', { hidden, weight });
  const ok = hidden.rank === 2 && weight.rank === 2 && hidden.shape[1] === weight.shape[1];
  check(ok, 'linearCrossEntropy', 'hidden (N, d), weight (V, d)', { hidden, weight });
  checkLabels(labels, hidden.shape[0], weight.shape[0]);
  if (!(Number.isInteger(chunkRows) && chunkRows > 0)) {
    throw new Error(`linearCrossEntropy: chunkRows ${chunkRows}; expected a positive integer`);
  }
  return tf.tidy(() =>
    hasFused('ReasLinearCrossEntropy')
      ? fusedCrossEntropy(hidden, weight, labels, chunkRows)
      : composedCrossEntropy(hidden, weight, labels, chunkRows),
  );
}

const CHUNK_BYTES = 64 * 2 ** 20;

function rowsInChunk(vocabulary: number): number {
  return Math.max(1, Math.min(256, Math.floor(CHUNK_BYTES / (4 * vocabulary))));
}

function checkLabels(labels: Int32Array, rows: number, vocabulary: number): void {
  if (labels.length !== rows) {
    throw new Error(
      `linearCrossEntropy: ${labels.length} labels for ${rows} rows of hidden; expected one a row`,
    );
  }
  for (let i = 0; i < rows; i++) {
    const label = labels[i]!;
    if (label !== IGNORED && !(label >= 0 && label < vocabulary)) {
      throw new Error(
        `linearCrossEntropy: label ${label} at row ${i}; expected 0 to ${vocabulary - 1}, or ${IGNORED} to ignore`,
      );
    }
  }
}

function composedCrossEntropy(
  hidden: tf.Tensor2D,
  weight: tf.Tensor2D,
  labels: Int32Array,
  chunkRows: number,
): tf.Tensor1D {
  const rows = labels.length;
  const counted = Int32Array.from(labels.keys()).filter((i) => labels[i] !== IGNORED);
  const chunks: tf.Tensor[] = [];
  for (let start = 0; start < counted.length; start += chunkRows) {
    const indices = counted.subarray(start, start + chunkRows);
    const ids = indices.map((i) => labels[i]!);
    const tensors = { hidden: selectRows(hidden, indices) as tf.Tensor2D, weight };
    chunks.push(recompute(({ hidden, weight }) => chunkLoss(hidden, weight, ids), tensors));
  }
  if (chunks.length === 0) return tf.zeros([rows]);
  return spreadRows(tf.concat(chunks, 0), counted, rows) as tf.Tensor1D;
}

function chunkLoss(hidden: tf.Tensor2D, weight: tf.Tensor2D, ids: Int32Array): tf.Tensor {
  const logits = weightProduct(hidden, weight);
  const picked = tf.sum(tf.mul(logits, tf.oneHot(tf.tensor1d(ids, 'int32'), weight.shape[0])), 1);
  return tf.sub(tf.logSumExp(logits, 1), picked);
}

/**
 * With a frozen weight the gradient to hidden is computed in the forward pass, while a chunk's logits are at hand:
 * row i of it is (softmax_i - onehot_i) W, and the backward pass only scales it by dy_i. That takes 4 N V d FLOPs in
 * all instead of the 6 that computing the logits again would. A trainable weight's gradient mixes rows with
 * different dy_i, so it computes the logits again: 8 N V d either way.
 */
function fusedCrossEntropy(
  hidden: tf.Tensor2D,
  weight: tf.Tensor2D,
  labels: Int32Array,
  chunkRows: number,
): tf.Tensor1D {
  const frozen = isFrozen(weight);
  const inputs: Record<string, tf.Tensor> = frozen ? { hidden } : { hidden, weight };
  const wantGradient = isTapeOn();
  return taped(
    'linearCrossEntropy',
    inputs,
    (save) =>
      tf.tidy(() => {
        const ids = tf.tensor1d(labels, 'int32');
        const attrs = { chunkRows, wantGradient };
        const [loss, gradient] = runKernel('ReasLinearCrossEntropy', { hidden, weight, labels: ids }, attrs);
        if (wantGradient) save(frozen ? [gradient!] : [gradient!, hidden, weight, ids]);
        return loss!;
      }),
    (dy, [gradient, savedHidden, savedWeight, ids]) => ({
      hidden: () => tf.mul(gradient!, tf.expandDims(dy, 1)),
      weight: () =>
        runKernel(
          'ReasLinearCrossEntropyGradWeight',
          { dy, hidden: savedHidden!, weight: savedWeight!, labels: ids! },
          { chunkRows },
        ),
    }),
  ) as tf.Tensor1D;
}
