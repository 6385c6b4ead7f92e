/** Layer normalisation and RMS normalisation. */
import * as tf from '@tensorflow/tfjs-core';
import { check, checkFloat } from './check.js';
import { hasFused, runKernel } from './kernels.js';
import { adding, isFrozen, isTapeOn, jointly, type Thunks, taped } from './tape.js';

/**
 * (x - mean) / sqrt(var + eps) * weight + bias over the last axis (Ba et al. 2016).
 *
 * @param x (..., d)
 * @param weight (d)
 * @param bias (d)
 * @param bf16 whether the result may be stored in bf16 (see bf16.ts)
 */
export function layerNorm<T extends tf.Tensor>(
  x: T,
  weight: tf.Tensor1D,
  bias: tf.Tensor1D,
  eps: number,
  bf16 = false,
): T {
  checkFloat('layerNorm', { x, weight, bias });
  const d = x.shape[x.rank - 1];
  const ok =
    x.rank >= 1 && weight.rank === 1 && bias.rank === 1 && weight.shape[0] === d && bias.shape[0] === d;
  check(ok, 'layerNorm', 'x (..., d), weight (d), bias (d)', { x, weight, bias });
  if (hasFused('ReasLayerNorm')) return fusedLayerNorm(x, weight, bias, { eps, bf16 }) as T;
  return tf.tidy(() => {
    const centred = tf.sub(x, tf.mean(x, -1, true));
    const variance = tf.mean(tf.square(centred), -1, true);
    return tf.add(tf.mul(tf.mul(centred, tf.rsqrt(tf.add(variance, eps))), weight), bias) as T;
  });
}

/**
 * x / sqrt(mean(x^2) + eps) * weight over the last axis (Zhang and Sennrich 2019): no mean is subtracted and there is no
 * bias.
 *
 * @param x (..., d)
 * @param weight (d)
 * @param bf16 whether the result may be stored in bf16 (see bf16.ts), and x's gradient computed from it where the weight
 *   is frozen
 */
export function rmsNorm<T extends tf.Tensor>(x: T, weight: tf.Tensor1D, eps: number, bf16 = false): T {
  checkFloat('rmsNorm', { x, weight });
  const ok = x.rank >= 1 && weight.rank === 1 && weight.shape[0] === x.shape[x.rank - 1];
  check(ok, 'rmsNorm', 'x (..., d), weight (d)', { x, weight });
  if (hasFused('ReasRmsNorm')) return fusedRmsNorm(x, weight, { eps, bf16 }) as T;
  return tf.tidy(() => {
    const meanSquare = tf.mean(tf.square(x), -1, true);
    return tf.mul(tf.mul(x, tf.rsqrt(tf.add(meanSquare, eps))), weight) as T;
  });
}

interface NormAttrs {
  eps: number;
  bf16: boolean;
}

/**
 * The statistics are computed again from x in the backward pass: cheaper than two more tensors on the tape.
 *
 * In a pre-norm block the norm's input also continues in the residual stream, so it has a gradient already. The kernel
 * adds to that gradient, which saves reading and writing both again.
 */
function fusedLayerNorm(
  x: tf.Tensor,
  weight: tf.Tensor1D,
  bias: tf.Tensor1D,
  { eps, bf16 }: NormAttrs,
): tf.Tensor {
  const inputs: Record<string, tf.Tensor> = { x };
  if (!isFrozen(weight)) inputs.weight = weight;
  if (!isFrozen(bias)) inputs.bias = bias;
  return taped(
    'layerNorm',
    inputs,
    (save) => {
      save([x, weight]);
      return runKernel('ReasLayerNorm', { x, weight, bias }, { eps, bf16 });
    },
    (dy, saved) => {
      const [savedX, savedWeight] = saved as [tf.Tensor, tf.Tensor];
      const parameters = jointly(() => runKernel('ReasLayerNormGradParameters', { dy, x: savedX }, { eps }));
      return {
        x: adding((addend) =>
          runKernel('ReasLayerNormGradInput', { dy, x: savedX, weight: savedWeight, addend }, { eps }),
        ),
        weight: () => parameters(0),
        bias: () => parameters(1),
      };
    },
  );
}

/**
 * A reader with a low-rank update saves the norm's bf16 result for backward anyway. The norm's gradient is then
 * computed from it: result / weight is the normalised operand, as exact as from an operand in bf16. Not saving the
 * operand saves FlanT5-XL 0.45 GB (workloads/xl.json).
 */
function fusedRmsNorm(x: tf.Tensor, weight: tf.Tensor1D, { eps, bf16 }: NormAttrs): tf.Tensor {
  // An optimizer changes it in place.
  if (!isFrozen(weight)) divisors.delete(weight.dataId);
  const keepInverses =
    bf16 && hasFused('ReasRmsNormGradFromResult') && isTapeOn() && isFrozen(weight) && divides(weight);
  return taped(
    'rmsNorm',
    isFrozen(weight) ? { x } : { x, weight },
    (save) => {
      const [y, kept] = runKernel('ReasRmsNorm', { x, weight }, { eps, bf16, keepInverses });
      save(kept ? [y!, weight, kept] : [x, weight]);
      kept?.dispose();
      return y!;
    },
    (dy, saved): Thunks => {
      const [savedX, savedWeight, kept] = saved as [tf.Tensor, tf.Tensor, tf.Tensor?];
      return {
        x: adding((addend) =>
          kept
            ? runKernel(
                'ReasRmsNormGradFromResult',
                { dy, y: savedX, weight: savedWeight, inverses: kept, addend },
                {},
              )
            : runKernel('ReasRmsNormGradInput', { dy, x: savedX, weight: savedWeight, addend }, { eps }),
        ),
        weight: () => runKernel('ReasRmsNormGradWeight', { dy, x: savedX }, { eps }),
      };
    },
  );
}

/** Whether no element of a frozen weight is too small to divide by. The data are read once. */
const divisors = new WeakMap<object, boolean>();

function divides(weight: tf.Tensor1D): boolean {
  let known = divisors.get(weight.dataId);
  if (known === undefined) {
    known = weight.dataSync().every((value) => Math.abs(value) > SMALLEST_DIVISOR);
    divisors.set(weight.dataId, known);
  }
  return known;
}

/** Products with it are far from where bf16 loses bits (1e-38). */
const SMALLEST_DIVISOR = 1e-20;
