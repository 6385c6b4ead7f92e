/**
 * Gradients of a few of tfjs's kernels with fewer calls than its own; registered for every engine, the same numbers.
 *
 * Sum and Mean: without a host-made `ones(x.shape)`, which is built in JavaScript and uploaded on every backward call (23
 * uploads in the step of a one-layer model); the incoming gradient is broadcast instead. Add and Multiply: without casts and
 * reshapes that change nothing, which were 10,000 of the 25,000 kernel calls of a tape of 5,000.
 */
import {
  Add,
  broadcast_util,
  broadcastTo,
  div,
  engine,
  type GradConfig,
  Mean,
  Multiply,
  mul,
  registerGradient,
  reshape,
  Sum,
  sum,
  type Tensor,
  util,
} from '@tensorflow/tfjs-core';

type Attrs = { axis?: number | number[] };

/** dy with the reduced axes put back as 1, and the number of elements reduced to each. */
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

/** The gradient of an operand: dy summed over the axes along which it was broadcast, or dy itself. */
function reduced(dy: Tensor, { shape }: Tensor): Tensor {
  if (util.arraysEqual(dy.shape, shape)) return dy;
  return reshape(sum(dy, broadcast_util.getReductionAxes(shape, dy.shape)), shape);
}

const addGradient: GradConfig = {
  kernelName: Add,
  inputsToSave: ['a', 'b'],
  gradFunc: (given, saved) => {
    const [dy, a, b] = [given as Tensor, saved[0]!, saved[1]!];
    return { a: () => reduced(dy, a), b: () => reduced(dy, b) };
  },
};

/** tf.mul without its conversion of both operands to one type. */
function times(a: Tensor, b: Tensor): Tensor {
  return a.dtype === b.dtype ? (engine().runKernel(Multiply, { a, b }) as Tensor) : mul(a, b);
}

const multiplyGradient: GradConfig = {
  kernelName: Multiply,
  inputsToSave: ['a', 'b'],
  gradFunc: (given, saved) => {
    const [dy, a, b] = [given as Tensor, saved[0]!, saved[1]!];
    return { a: () => reduced(times(dy, b), a), b: () => reduced(times(dy, a), b) };
  },
};

/** Replaces tfjs's own; call after '@tensorflow/tfjs-layers' has registered them, and again after a copy of it has. */
export function registerGradients(): void {
  registerGradient(sumGradient);
  registerGradient(meanGradient);
  registerGradient(addGradient);
  registerGradient(multiplyGradient);
}
