/** Storage in bf16 behind float32 tensors, and products on 16-bit units. */
import * as tf from '@tensorflow/tfjs-core';
import { hasKernel, runKernel } from './kernels.js';
import { taped } from './tape.js';

/**
 * Frozen weights in bf16 (8 bits of mantissa, half the memory), as a private storage type behind tfjs's float32: tfjs
 * has no such type. An engine that has it registers the kernels `ReasToBf16` and `ReasBf16MatMul` and answers `isBf16`
 * for each tensor; src/engine/tensorflow/bf16.ts states the rules.
 *
 * native-cpu widens such a weight and multiplies in float32. The other engines round the other operand of `linear` to
 * bf16 first. Operations with a parameter `bf16` may return a result stored in bf16 (native-cuda does): it is written
 * and read in half the bytes, and its readers need not round it. `gradientBf16` allows the same for a gradient whose
 * only reader is `linear` with such a weight. Attention's gradients stay float32: rounded, the low-rank updates of
 * queries and values read them too, and the largest error of five small models' gradients grew by 10 % (2.65 % of a
 * tensor's greatest instead of 2.41 %).
 */
interface Bf16Backend {
  readonly device?: { readonly bf16Activations?: boolean };
  isBf16?(dataId: object): boolean;
  /** Sets whether large float32 products may be rounded; returns what was set before. */
  halfProducts?(on: boolean): boolean;
}

/** Whether the engine in use can store weights in bf16. */
export function hasBf16(): boolean {
  return hasKernel('ReasToBf16');
}

/**
 * Runs `fn` with products of float32, such as those of trained layers, on 16-bit units where `on`: native-cuda rounds the
 * operands of large products, tf.matMul's too, to 11 bits of mantissa (src/native/cuda/runtime/half_product.cc). Other engines
 * compute as ever. Calls nest; the innermost decides.
 */
export function withHalfProducts<T>(on: boolean, fn: () => T): T {
  const backend = tf.backend() as Bf16Backend;
  if (!backend.halfProducts) return fn();
  const before = backend.halfProducts(on);
  try {
    return fn();
  } finally {
    backend.halfProducts(before);
  }
}

/** Whether the engine in use stores results in bf16 where operations allow it. */
export function storesActivationsInBf16(): boolean {
  return (tf.backend() as Bf16Backend).device?.bf16Activations ?? false;
}

/** Whether the engine in use holds this tensor in bf16. */
export function isBf16(x: tf.Tensor): boolean {
  return (tf.backend() as Bf16Backend).isBf16?.(x.dataId) ?? false;
}

/**
 * A float32 tensor with x's values rounded to bf16 (to nearest, ties to even), stored in half the memory. `linear` and
 * `linearCrossEntropy` take it as their weight; reading it gives float32; on the native engines any other operation on it
 * is an error, but for tf.matMul with it as the second operand on native-cpu.
 *
 * @param x float32, of any shape
 */
export function toBf16<T extends tf.Tensor>(x: T): T {
  if (!hasBf16()) throw new Error(`bf16 storage: the engine ${tf.getBackend()} has none`);
  return runKernel('ReasToBf16', { x }, {}) as T;
}

/** Whether {@link bf16OfBits} works on the engine in use. */
export function takesBf16Bits(): boolean {
  return hasKernel('ReasBf16OfBits');
}

/**
 * The tensor that {@link toBf16} makes, from values that are bf16 already, such as a file's: they go to the device
 * unchanged.
 *
 * @param bits of as many bf16 numbers as `shape` has elements; copied
 */
export function bf16OfBits(bits: Uint16Array, shape: number[]): tf.Tensor {
  return runKernel('ReasBf16OfBits', {}, { bits, shape });
}

/**
 * x W^T. With a weight stored in bf16 the product is in bf16 with float32 accumulation, and the weight has no gradient.
 *
 * @param x (rows, in)
 * @param weight (out, in)
 * @returns (rows, out), float32
 */
export function weightProduct(x: tf.Tensor2D, weight: tf.Tensor2D): tf.Tensor2D {
  if (!isBf16(weight)) return tf.matMul(x, weight, false, true);
  const run = (a: tf.Tensor, b: tf.Tensor, transposeB: boolean): tf.Tensor =>
    runKernel('ReasBf16MatMul', { a, b }, { transposeB });
  return taped(
    'bf16 product',
    { x },
    (save) => {
      save([weight]);
      return run(x, weight, true);
    },
    (dy, [saved]) => ({ x: () => run(dy, saved!, false) }),
  ) as tf.Tensor2D;
}
