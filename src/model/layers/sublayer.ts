/**
 * Sublayers of transformer blocks: x + layer(norm(x)), or norm(x + layer(x)). This file decides which results are
 * stored in bf16 and which the backward pass recomputes, so that a model's own files hold its mathematics alone.
 */
import * as tf from '@tensorflow/tfjs-core';
import { storesActivationsInBf16 } from '../../ops/bf16.js';
import { residual } from '../../ops/dropout.js';
import { recompute, type Tensors } from '../../ops/recompute.js';
import { type Context, nextDropout } from '../context.js';
import { type Linear, readInBf16 } from './linear.js';
import { type Module, variablesOf } from './module.js';
import type { Norm } from './norm.js';

/** dropout(last(inner(x, tensors))): attention or a feed-forward layer, with its inputs besides x. */
export interface Sublayer<T extends Tensors<T> = object> {
  /** The layers that `inner` begins with, and the only ones with parameters that it reads. */
  readonly first: readonly Linear[];
  readonly last: Linear;
  /** The dropout rate of the result that is added to x. */
  readonly rate: number;
  /** Whether light recomputation (context.ts) computes `inner` again. */
  readonly recomputedWhenLight?: boolean;
  /** Inputs of `inner` besides x and parameters: see ops/recompute.ts. */
  readonly tensors: T;
  inner(x: tf.Tensor3D, tensors: T, context: Context): tf.Tensor3D;
}

/**
 * x + dropout(layer(norm(x))); without dropout the last product adds x itself. (B, L, d) float32 in and out.
 *
 * Recomputation ends before the last product, whose result the backward pass does not read; it is a fifth to a quarter
 * of a block's work. A norm's result stored in bf16 is saved for backward instead of x, at half the memory.
 */
export function preNorm<T extends Tensors<T>>(
  x: tf.Tensor3D,
  norm: Norm,
  layer: Sublayer<T>,
  context: Context,
): tf.Tensor3D {
  const { first, last, tensors, rate } = layer;
  const inBf16 = readInBf16(first);
  const normOf = (x: tf.Tensor3D): tf.Tensor3D => norm.forward(x, inBf16);
  const keepsNorm = inBf16 && storesActivationsInBf16();
  const made = recomputes(layer, context)
    ? recompute(
        ({ begin, ...tensors }) =>
          layer.inner(keepsNorm ? begin : normOf(begin), tensors as unknown as T, context),
        { begin: keepsNorm ? normOf(x) : x, ...tensors },
        variablesOf(keepsNorm ? first : [norm, ...first]),
        context.dropout,
      )
    : tf.tidy(() => layer.inner(normOf(x), tensors, context));
  const key = nextDropout(context, rate);
  if (!key) return last.forward(made, context, x);
  return residual(x, last.forward(made, context), key, last.readsBf16);
}

/** norm(x + dropout(layer(x))); (B, L, d) float32 in and out. */
export function postNorm<T extends Tensors<T>>(
  x: tf.Tensor3D,
  norm: Norm,
  layer: Sublayer<T>,
  context: Context,
): tf.Tensor3D {
  const update = layer.last.forward(layer.inner(x, layer.tensors, context), context);
  return norm.forward(residual(x, update, nextDropout(context, layer.rate), layer.last.readsBf16));
}

const recomputes = ({ recomputedWhenLight }: Sublayer, { recompute }: Context): boolean =>
  recompute === true || (recompute === 'light' && recomputedWhenLight === true);

/** One of a model's equal blocks: (B, L, d) in and out. */
export interface Block<T extends Tensors<T>> extends Module {
  /** Whether `forward` recomputes its sublayers one by one ({@link preNorm}) instead of the whole block. */
  readonly recomputesSublayers?: boolean;
  forward(x: tf.Tensor3D, tensors: T, context: Context): tf.Tensor3D;
}

/**
 * Runs blocks one after another. A block's output is freed once the next block has read it. Keeping them all would cost
 * 0.6 GB for FlanT5-XL and 1.8 GB for ViT-g (workloads/xl.json).
 *
 * @param x input of the first block; the caller keeps owning it
 * @param tensors further inputs of every block
 */
export function runBlocks<T extends Tensors<T>>(
  blocks: readonly Block<T>[],
  x: tf.Tensor3D,
  tensors: T,
  context: Context,
): tf.Tensor3D {
  let hidden = x;
  for (const block of blocks) {
    const next = runBlock(block, hidden, tensors, context);
    if (hidden !== x) hidden.dispose();
    hidden = next;
  }
  return hidden;
}

function runBlock<T extends Tensors<T>>(
  block: Block<T>,
  x: tf.Tensor3D,
  tensors: T,
  context: Context,
): tf.Tensor3D {
  if (context.recompute === false || block.recomputesSublayers)
    return tf.tidy(() => block.forward(x, tensors, context));
  return recompute(
    ({ x, ...tensors }) => block.forward(x, tensors as unknown as T, { ...context, recompute: false }),
    { x, ...tensors },
    variablesOf([block]),
    context.dropout,
  );
}
