import * as tf from '@tensorflow/tfjs-core';
import { weightProduct } from './bf16.js';
import { check, checkFloat } from './check.js';
import { checkKey, dropout, dropoutNumbers } from './dropout.js';
import { hasFused } from './fused.js';
import type { DropoutKey } from './philox.js';
import { isFrozen, jointly, type Thunks, taped } from './tape.js';

/** A low-rank update (Hu et al. 2021): W + scale * B A, with dropout on the input of A. */
export interface LoraWeights {
  /** (r, in) */
  A: tf.Tensor2D;
  /** (out, r) */
  B: tf.Tensor2D;
  /** lora_alpha / r */
  scale: number;
  dropout?: DropoutKey | undefined;
}

/**
 * y = x W^T (+ bias) (+ scale * dropout(x) A^T B^T).
 *
 * @param x (..., in), float32
 * @param weight (out, in): PyTorch's layout, as in the checkpoints
 * @param bias (out)
 * @returns (..., out)
 *
 * A weight that is a tf.Variable with trainable = false gets no gradient, and its input is then not kept for the
 * backward pass. A weight stored in bf16 (bf16.ts) is multiplied in bf16, with float32 accumulation.
 */
export function linear(x: tf.Tensor, weight: tf.Tensor2D, bias?: tf.Tensor1D, lora?: LoraWeights): tf.Tensor {
  checkLinear(x, weight, bias, lora);
  if (hasFused('ReasLinear')) return fusedLinear(x, weight, bias, lora);
  return tf.tidy(() => {
    const y = composedLinear(rowsOf(x), weight, bias, lora);
    return tf.reshape(y, [...x.shape.slice(0, -1), weight.shape[0]]);
  });
}

/** As (rows, last axis). */
function rowsOf(x: tf.Tensor): tf.Tensor2D {
  const columns = x.shape[x.rank - 1] as number;
  return tf.reshape(x, [columns === 0 ? 0 : x.size / columns, columns]) as tf.Tensor2D;
}

function checkLinear(x: tf.Tensor, weight: tf.Tensor2D, bias?: tf.Tensor1D, lora?: LoraWeights): void {
  const all: Record<string, tf.Tensor> = { x, weight };
  if (bias) all.bias = bias;
  if (lora) {
    all['lora.A'] = lora.A;
    all['lora.B'] = lora.B;
  }
  checkFloat('linear', all);
  const [outputs, inputs] = weight.shape;
  const ok =
    weight.rank === 2 &&
    x.rank >= 1 &&
    x.shape[x.rank - 1] === inputs &&
    (!bias || (bias.rank === 1 && bias.shape[0] === outputs)) &&
    (!lora ||
      (lora.A.rank === 2 &&
        lora.B.rank === 2 &&
        lora.A.shape[1] === inputs &&
        lora.B.shape[0] === outputs &&
        lora.A.shape[0] === lora.B.shape[1]));
  check(ok, 'linear', 'x (..., in), weight (out, in), bias (out), lora.A (r, in), lora.B (out, r)', all);
  if (lora?.dropout) checkKey(lora.dropout);
}

function composedLinear(
  x: tf.Tensor2D,
  weight: tf.Tensor2D,
  bias?: tf.Tensor1D,
  lora?: LoraWeights,
): tf.Tensor {
  let y: tf.Tensor = weightProduct(x, weight);
  if (bias) y = tf.add(y, bias);
  if (lora) {
    const low = tf.matMul(dropout(x, lora.dropout), lora.A, false, true);
    y = tf.add(y, tf.mul(tf.matMul(low, lora.B, false, true), lora.scale));
  }
  return y;
}

/**
 * One kernel forward. Backward: the input's gradient in one kernel, those of A and B in another (they share
 * dropout(x) and dy B), a trainable weight's and bias's by a matrix product and a sum.
 */
function fusedLinear(x: tf.Tensor, weight: tf.Tensor2D, bias?: tf.Tensor1D, lora?: LoraWeights): tf.Tensor {
  const attrs = { scale: lora?.scale ?? 0, dropout: dropoutNumbers(lora?.dropout) };
  const frozen = isFrozen(weight);
  const loraFrozen = lora === undefined || (isFrozen(lora.A) && isFrozen(lora.B));
  const inputs: Record<string, tf.Tensor> = { x };
  if (!frozen) inputs.weight = weight;
  if (bias && !isFrozen(bias)) inputs.bias = bias;
  if (lora && !loraFrozen) Object.assign(inputs, { loraA: lora.A, loraB: lora.B });
  const loraInputs = (A: tf.Tensor, B: tf.Tensor) => ({ loraA: A, loraB: B });
  const keepX = !frozen || !loraFrozen;

  return taped(
    'linear',
    inputs,
    (save) => {
      save([weight, ...(lora ? [lora.A, lora.B] : []), ...(keepX ? [x] : [])]);
      const kernelInputs: Record<string, tf.Tensor> = { x, weight };
      if (bias) kernelInputs.bias = bias;
      if (lora) Object.assign(kernelInputs, loraInputs(lora.A, lora.B));
      return tf.engine().runKernel('ReasLinear', kernelInputs, attrs);
    },
    (dy, saved) => {
      const [savedWeight, ...rest] = saved as [tf.Tensor2D, ...tf.Tensor[]];
      const low = lora ? loraInputs(rest[0]!, rest[1]!) : {};
      const savedX = () => rest[lora ? 2 : 0]!;
      const thunks: Thunks = {
        x: () => tf.engine().runKernel('ReasLinearGradInput', { dy, weight: savedWeight, ...low }, attrs),
        weight: () => tf.matMul(rowsOf(dy), rowsOf(savedX()), true, false),
        bias: () => tf.sum(rowsOf(dy), 0),
      };
      if (lora) {
        const both = jointly(
          () =>
            tf.engine().runKernel('ReasLinearGradLora', { dy, x: savedX(), ...low }, attrs) as tf.Tensor[],
        );
        thunks.loraA = () => both(0);
        thunks.loraB = () => both(1);
      }
      return thunks;
    },
  );
}
