/** Gradient checkpointing: forward passes that the backward pass repeats. */
import * as tf from '@tensorflow/tfjs-core';
import { valueAndGradients } from './backward.js';
import type { DropoutStream } from './dropout.js';
import { isFrozen, isTapeOn, jointly, taped } from './tape.js';

/** Tensors by name. */
export type Tensors<T> = { [Name in keyof T]: tf.Tensor | undefined };

/**
 * Gradient checkpointing (Chen et al. 2016): runs `fn` without saving its activations for backward, and runs it again
 * in the backward pass. Memory falls to one block's activations plus the inputs; time grows by one forward.
 *
 * @param fn pure but for `stream`
 * @param tensors inputs of `fn` besides variables. A tensor made inside the differentiated function must be named here,
 *   not captured: tfjs frees captured ones when the forward pass ends. The backward pass computes gradients to those
 *   that depend on a differentiated variable
 * @param parameters variables that `fn` uses and that get gradients
 * @param stream the dropout stream that `fn` draws from: rewound, so that both runs drop the same elements
 */
export function recompute<T extends Tensors<T>, Result extends tf.Tensor>(
  fn: (tensors: T) => Result,
  tensors: T,
  parameters: tf.Variable[] = [],
  stream?: DropoutStream,
): Result {
  if (!isTapeOn()) return tf.tidy(() => fn(tensors));
  const start = stream?.mark() ?? 0;
  const given = Object.entries<tf.Tensor | undefined>(tensors).filter(isThere);
  const variables = parameters
    .filter((parameter) => parameter.trainable)
    .map((parameter, i): [string, tf.Tensor] => [`parameter ${i}`, parameter]);
  return taped(
    'recompute',
    Object.fromEntries([...given.filter(([, tensor]) => !isFrozen(tensor)), ...variables]),
    (save) => {
      save(given.map(([, tensor]) => tensor));
      return tf.tidy(() => fn(tensors));
    },
    (dy, saved, asks) => {
      const again = given.map(([name], i): [string, tf.Tensor] => [name, saved[i]!]);
      const xs = [...again.filter(([, tensor]) => !isFrozen(tensor)), ...variables].filter(([name]) =>
        asks(name),
      );
      const gradient = jointly(() => {
        const now = stream?.mark() ?? 0;
        stream?.rewind(start);
        const { value, grads } = valueAndGradients(
          () => fn(Object.fromEntries(again) as T),
          xs.map(([, x]) => x),
          dy,
        );
        value.dispose();
        stream?.rewind(now);
        return grads.map((grad, i) => grad ?? tf.zerosLike(xs[i]![1]));
      });
      return Object.fromEntries(xs.map(([name], i) => [name, () => gradient(i)]));
    },
  );
}

const isThere = (entry: [string, tf.Tensor | undefined]): entry is [string, tf.Tensor] =>
  entry[1] !== undefined;
