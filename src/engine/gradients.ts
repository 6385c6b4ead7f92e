/**
 * Gradients of Sum and Mean without tfjs's host-made `ones(x.shape)`, which is built in JavaScript and uploaded on
 * every backward call (23 uploads in the step of a one-layer model): the incoming gradient is broadcast instead.
 * Registered for every engine; the results are the same numbers.
 */
import {
  broadcastTo,
  div,
  type GradConfig,
  Mean,
  registerGradient,
  reshape,
  Sum,
  type Tensor,
  util,
} from '@tensorflow/tfjs-core';

type Attrs = { axis?: number | number[] };

/** dy with the reduced axes put back as 1, and how many elements were reduced to each of its own. */
function expanded(dy: Tensor, x: Tensor, attrs: unknown): { dy: Tensor; count: number } {
  const axes = util.parseAxisParam((attrs as Attrs).axis as number, x.shape);
  const shape = x.shape.slice();
  let count = 1;
  for (const axis of axes) {
    count *= shape[axis]!;
    shape[axis] = 1;
  }
  return { dy: reshape(dy, shape), count };
}

const sumGradient: GradConfig = {
  kernelName: Sum,
  inputsToSave: ['x'],
  gradFunc: (dy, saved, attrs) => {
    const x = saved[0]!;
    return { x: () => broadcastTo(expanded(dy as Tensor, x, attrs).dy, x.shape) };
  },
};

const meanGradient: GradConfig = {
  kernelName: Mean,
  inputsToSave: ['x'],
  gradFunc: (dy, saved, attrs) => {
    const x = saved[0]!;
    return {
      x: () => {
        const { dy: wide, count } = expanded(dy as Tensor, x, attrs);
        return broadcastTo(div(wide, count), x.shape);
      },
    };
  },
};

/** Replaces tfjs's two gradients; call after '@tensorflow/tfjs-layers' has registered them, and again after a copy of it has. */
export function registerGradients(): void {
  registerGradient(sumGradient);
  registerGradient(meanGradient);
}
