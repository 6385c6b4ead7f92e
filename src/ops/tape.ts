/** Operations with gradients of their own on the tape of tfjs. */
import * as tf from '@tensorflow/tfjs-core';

/**
 * Internals of tfjs's engine. Only this file, backward.ts, and saves.ts and tensorInfo.ts of engine/native touch them
 * (pinned to 4.22.0, see package.json; test/ops/tape.test.ts and backward.test.ts fail when an upgrade changes them).
 * tf.customGrad evaluates the gradient of every input; a tape node holds one thunk per input, and only the needed
 * thunks run, so frozen weights cost nothing.
 */
interface EngineInternals {
  state: {
    activeTape: TapeNode[] | null;
    gradientDepth: number;
    kernelDepth: number;
    activeScope: { id: number; track: (tf.Tensor & { kept: boolean })[] } | null;
    nextTensorId: number;
    scopeStack: NonNullable<EngineInternals['state']['activeScope']>[];
  };
  clone(x: tf.Tensor): tf.Tensor;
  startTape(): void;
  endTape(): void;
  addTapeNode(
    name: string,
    inputs: Record<string, tf.Tensor>,
    outputs: tf.Tensor[],
    gradient: (dys: tf.Tensor | tf.Tensor[], saved: tf.Tensor[]) => Thunks,
    saved: tf.Tensor[],
    attrs: object,
  ): void;
}

/** One recorded operation. */
export interface TapeNode {
  kernelName: string;
  inputs: Record<string, tf.Tensor>;
  outputs: tf.Tensor[];
  saved: tf.Tensor[];
  /** Absent for a kernel without a gradient. Makes zeros of an output's missing dy. */
  gradient?: (dys: (tf.Tensor | null)[]) => Thunks;
  /** Ids of the tensors that lead to a wanted gradient. backward.ts sets it before it calls `gradient`; tfjs does not. */
  wanted?: ReadonlySet<number>;
}

export const internals = (): EngineInternals => tf.engine() as unknown as EngineInternals;

/** Computes the gradient to one input. */
interface Thunk {
  (addend?: tf.Tensor): tf.Tensor;
  /** Returns the gradient plus `addend`, if given: the gradient that other operations gave that input so far. */
  adds?: true;
}

/** One gradient function for each input that may need one. */
export type Thunks = Record<string, Thunk>;

/** Whether the backward pass asks for the gradient to the input of this name. */
type Asks = (input: string) => boolean;

/** Marks a gradient function that adds `addend` as it writes its result. */
export const adding = (thunk: (addend?: tf.Tensor) => tf.Tensor): Thunk =>
  Object.assign(thunk, { adds: true as const });

/**
 * Records one operation with its own gradient.
 *
 * @param name for errors
 * @param inputs the tensors that gradients may flow to; leave out those that never need one
 * @param forward computes the result with the tape off, and leaves nothing else behind; `save` keeps tensors for the
 *   backward pass, where they come in the same order (a frozen weight is there anyway and comes itself)
 * @param backward returns one thunk per input; only the thunks of inputs that lead to a wanted gradient are called, which
 *   `asks` tells beforehand. dy has the form of the result: an operation of several results gets as many gradients
 */
export function taped<Result extends tf.Tensor | tf.Tensor[]>(
  name: string,
  inputs: Record<string, tf.Tensor>,
  forward: (save: (tensors: tf.Tensor[]) => void) => Result,
  backward: (dy: Result, saved: tf.Tensor[], asks: Asks) => Thunks,
): Result {
  // Decoding and evaluation record nothing, which saves half of an operation's overhead.
  if (!isTapeOn()) return forward(keepNothing);
  const engine = internals();
  const held: tf.Tensor[] = [];
  const saved: tf.Tensor[] = [];
  const save = (tensors: tf.Tensor[]): void => {
    for (const tensor of tensors) {
      const frozen = isFrozen(tensor);
      const kept = frozen ? tensor : tf.keep(engine.clone(tensor));
      if (!frozen) saved.push(kept);
      held.push(kept);
    }
  };
  let result: Result;
  engine.state.kernelDepth++;
  try {
    result = forward(save);
  } catch (error) {
    tf.dispose(saved);
    throw error;
  } finally {
    engine.state.kernelDepth--;
  }
  const several = Array.isArray(result);
  const outputs = several ? (result as tf.Tensor[]) : [result as tf.Tensor];
  // tfjs unpacks an array of one.
  const gradient = (dys: tf.Tensor | tf.Tensor[]): Thunks =>
    backward((several && !Array.isArray(dys) ? [dys] : dys) as Result, held, asks);
  engine.addTapeNode(name, inputs, outputs, gradient, saved, {});
  const node = engine.state.activeTape!.at(-1)!;
  const asks: Asks = (input) => node.wanted?.has(inputs[input]!.id) ?? true;
  return result;
}

const keepNothing = (): void => {};

/** True while operations are recorded for a gradient. */
export function isTapeOn(): boolean {
  return tf.engine().isTapeOn();
}

/** A frozen weight: a tf.Variable made with trainable = false. */
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
