import * as tf from '@tensorflow/tfjs-core';

/**
 * With saves.ts and tensorInfo.ts of engine/native the only file that touches internals of tfjs's engine (pinned to
 * 4.22.0, see package.json; test/ops/tape.test.ts fails when an upgrade changes them). tf.customGrad evaluates the
 * gradient of every input; the engine call behind it accepts one thunk per input and runs only those that are needed,
 * which is what makes frozen weights free.
 */
interface EngineInternals {
  state: {
    activeTape: unknown;
    gradientDepth: number;
    kernelDepth: number;
    activeScope: unknown;
    scopeStack: unknown[];
  };
  runKernelFunc(call: {
    forwardFunc: (backend: unknown, save: (tensors: tf.Tensor[]) => void) => tf.Tensor;
    backwardsFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => Record<string, () => tf.Tensor>;
    inputs: Record<string, tf.Tensor>;
  }): tf.Tensor;
  gradients(
    f: () => tf.Tensor,
    xs: tf.Tensor[],
    dy: tf.Tensor,
    allowNoGradients: boolean,
  ): { value: tf.Tensor; grads: (tf.Tensor | undefined)[] };
}

const internals = (): EngineInternals => tf.engine() as unknown as EngineInternals;

/** One gradient function for each input that may need one. */
export type Thunks = Record<string, () => tf.Tensor>;

/**
 * Records one operation with its own gradient.
 *
 * @param name shown in tfjs profiles
 * @param inputs the tensors that gradients may flow to; leave out what never needs one
 * @param forward computes the result with the tape off, and leaves nothing else behind; `save` keeps tensors for the
 *   backward pass
 * @param backward returns one thunk per input; only the thunks of inputs that lead to a wanted gradient are called
 */
export function taped(
  name: string,
  inputs: Record<string, tf.Tensor>,
  forward: (save: (tensors: tf.Tensor[]) => void) => tf.Tensor,
  backward: (dy: tf.Tensor, saved: tf.Tensor[]) => Thunks,
): tf.Tensor {
  // Decoding and evaluation record nothing: half of what an operation costs besides computing.
  if (!isTapeOn()) return forward(keepNothing);
  return tf.tidy(name, () =>
    internals().runKernelFunc({
      forwardFunc: (_backend, save) => forward(save),
      backwardsFunc: (dy, saved) => {
        releaseBefore(saved);
        return backward(dy, saved);
      },
      inputs,
    }),
  );
}

const keepNothing = (): void => {};

let finished: tf.Tensor[] = [];

/**
 * tfjs frees what operations saved only when the whole backward pass ends. The pass visits one operation after the
 * other, so when the next one starts, what the previous one saved is no longer read. (Disposing twice is harmless.)
 * Inside a gradient of a gradient the outer pass still reads it: then nothing is freed early.
 */
function releaseBefore(saved: tf.Tensor[]): void {
  const outermost = internals().state.gradientDepth === 0;
  if (outermost) for (const tensor of finished) tensor.dispose();
  finished = outermost ? saved : [];
}

/** True when what runs now is recorded for a gradient. */
export function isTapeOn(): boolean {
  return tf.engine().isTapeOn();
}

/** A weight that no gradient is wanted for: a tf.Variable made with trainable = false. */
export function isFrozen(weight: tf.Tensor): boolean {
  return weight instanceof tf.Variable && !weight.trainable;
}

/**
 * Gradients that one kernel computes together, for thunks that the engine asks one by one. The kernel runs when the
 * first thunk asks; the results belong to the scope that was open when this was called (the whole backward pass), so
 * a result that nobody asks for is freed with it.
 */
export function jointly(compute: () => tf.Tensor[]): (index: number) => tf.Tensor {
  const { state } = internals();
  const depth = state.scopeStack.length;
  let results: tf.Tensor[] | undefined;
  return (index) => {
    if (results === undefined) {
      const inner = state.scopeStack.splice(depth);
      const current = state.activeScope;
      state.activeScope = state.scopeStack[depth - 1] ?? null;
      try {
        results = compute();
      } finally {
        state.scopeStack.push(...inner);
        state.activeScope = current;
      }
    }
    const result = results[index];
    if (result === undefined) throw new Error(`jointly: no result ${index} of ${results.length}`);
    return result;
  };
}

/**
 * Gradients of `f` with a tape of its own, for use inside the gradient function of another operation. tfjs ends
 * every pass by clearing the one active tape; here the outer one is put back.
 */
export function innerGradients(
  f: () => tf.Tensor,
  xs: tf.Tensor[],
  dy: tf.Tensor,
): { value: tf.Tensor; grads: (tf.Tensor | undefined)[] } {
  const engine = internals();
  const { activeTape, gradientDepth, kernelDepth } = engine.state;
  const outerFinished = finished;
  finished = [];
  engine.state.gradientDepth = 0;
  engine.state.kernelDepth = 0;
  try {
    return engine.gradients(f, xs, dy, true);
  } finally {
    engine.state.activeTape = activeTape;
    engine.state.gradientDepth = gradientDepth;
    engine.state.kernelDepth = kernelDepth;
    finished = outerFinished;
  }
}
