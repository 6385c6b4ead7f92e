import * as tf from '@tensorflow/tfjs-core';
import { valueAndGradients } from './backward.js';
import type { DropoutStream } from './dropout.js';
import { isTapeOn, jointly, type Thunks, taped } from './tape.js';

/**
 * Gradient checkpointing (Chen et al. 2016): runs `fn` without keeping what its backward pass needs, and runs it
 * again when that pass comes. Memory falls to one block's activations plus the inputs; time grows by one forward.
 *
 * @param fn called as fn(...inputs, ...constants); pure but for `stream`
 * @param inputs tensors that gradients flow to
 * @param parameters variables that `fn` uses and that get gradients
 * @param stream the dropout stream that `fn` draws from: rewound, so that both runs drop the same elements
 * @param constants tensors that `fn` reads and that need no gradient. A tensor made inside the differentiated
 *   function must be passed here, not captured: tfjs frees captured ones when the forward pass ends.
 */
export function recompute(
  fn: (...tensors: tf.Tensor[]) => tf.Tensor,
  inputs: tf.Tensor[],
  parameters: tf.Variable[],
  stream?: DropoutStream,
  constants: tf.Tensor[] = [],
): tf.Tensor {
  if (!isTapeOn()) return tf.tidy(() => fn(...inputs, ...constants));
  const start = stream?.mark() ?? 0;
  const trainable = parameters.filter((parameter) => parameter.trainable);
  const named: Record<string, tf.Tensor> = {};
  [...inputs, ...trainable].forEach((tensor, i) => {
    named[`x${i}`] = tensor;
  });

  return taped(
    'recompute',
    named,
    (save) => {
      save([...inputs, ...constants]);
      return tf.tidy(() => fn(...inputs, ...constants));
    },
    (dy, saved) => {
      const savedInputs = saved.slice(0, inputs.length);
      const xs = [...savedInputs, ...trainable];
      const gradient = jointly(() => {
        const now = stream?.mark() ?? 0;
        stream?.rewind(start);
        const { value, grads } = valueAndGradients(() => fn(...saved), xs, dy);
        value.dispose();
        stream?.rewind(now);
        return grads.map((grad, i) => grad ?? tf.zerosLike(xs[i]!));
      });
      const thunks: Thunks = {};
      xs.forEach((_, i) => {
        thunks[`x${i}`] = () => gradient(i);
      });
      return thunks;
    },
  );
}
