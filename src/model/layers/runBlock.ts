import * as tf from '@tensorflow/tfjs-core';
import { recompute } from '../../ops/recompute.js';
import type { Context } from '../context.js';
import type { Module } from './module.js';

type Tensors = Record<string, tf.Tensor | undefined>;

/**
 * Runs one transformer block, or a part of one, and has its activations recomputed in the backward pass when told to.
 *
 * @param modules what has the parameters that `forward` reads
 * @param inputs tensors that gradients may flow to; `undefined` entries are left out.
 * @param constants tensors the block reads that need no gradient (masks, a frozen bias). They must be named here
 *   rather than captured: tfjs frees captured ones before the recomputation.
 * @param recomputes whether; by default what the context says of a whole block
 */
export function runBlock<T extends tf.Tensor>(
  context: Context,
  modules: readonly Module[],
  inputs: Tensors,
  constants: Tensors,
  forward: (tensors: Tensors) => T,
  recomputes = context.recompute !== false,
): T {
  if (!recomputes) return tf.tidy(() => forward({ ...inputs, ...constants }));
  const present = (tensors: Tensors) =>
    Object.entries(tensors).filter((entry): entry is [string, tf.Tensor] => entry[1] !== undefined);
  const named = [...present(inputs), ...present(constants)].map(([name]) => name);
  const step = (...tensors: tf.Tensor[]) =>
    forward(Object.fromEntries(named.map((name, i) => [name, tensors[i]])));
  return recompute(
    step,
    present(inputs).map(([, tensor]) => tensor),
    modules.flatMap((module) => [...module.parameters()].map((parameter) => parameter.value)),
    context.dropout,
    present(constants).map(([, tensor]) => tensor),
  ) as T;
}

/**
 * Runs blocks one after another. What a block gives is freed once the next one has read it: to the end of the forward pass
 * the results of all blocks of FlanT5-XL or ViT-g are 0.6 and 1.8 GB (workloads/xl.json).
 *
 * @param x what the first block reads; stays the caller's
 */
export function runBlocks<Block, T extends tf.Tensor>(
  blocks: Block[],
  x: T,
  run: (block: Block, x: T) => T,
): T {
  let hidden = x;
  for (const block of blocks) {
    const next = run(block, hidden);
    if (hidden !== x) hidden.dispose();
    hidden = next;
  }
  return hidden;
}
