/** Reverse-mode gradients that free each result as the backward pass leaves its operation. */
import * as tf from '@tensorflow/tfjs-core';
import { internals, type TapeNode, type Thunks } from './tape.js';

/**
 * Reverse-mode gradients (as tf.variableGrads) over the tape of tfjs, in a pass of our own.
 *
 * tfjs keeps the gradient of every intermediate result, and what operations saved, until the whole pass ends. Here both
 * are freed as the pass leaves an operation, so that its memory serves the next one. It also opens no scope for each
 * input, and finds the operations between `xs` and the value without a search for each of `xs`.
 *
 * Gradients of gradients are not supported.
 *
 * @param f the differentiated function; may run inside the backward pass of another call
 * @param xs tensors or variables; each once
 * @param dy gradient of f's value, of its shape; ones unless given
 * @returns f's value, and the gradients in the order of xs: undefined where the value does not depend on x. The caller
 *   disposes all of them
 */
export function valueAndGradients(
  f: () => tf.Tensor,
  xs: tf.Tensor[],
  dy?: tf.Tensor,
): { value: tf.Tensor; grads: (tf.Tensor | undefined)[] } {
  const { state } = internals();
  const { activeTape, gradientDepth, kernelDepth } = state;
  state.gradientDepth = 0;
  state.kernelDepth = 0;
  let tape: TapeNode[] = [];
  let value: tf.Tensor | undefined;
  try {
    value = record(f, (nodes) => {
      tape = nodes;
    });
    const grads = walkBack(tape, value, xs, dy);
    return { value, grads: xs.map((x) => grads.get(x.id)) };
  } catch (error) {
    for (const node of tape) tf.dispose(node.saved);
    value?.dispose();
    throw error;
  } finally {
    Object.assign(state, { activeTape, gradientDepth, kernelDepth });
  }
}

/** Runs f with a fresh tape, which `take` gets even when f fails. */
function record(f: () => tf.Tensor, take: (tape: TapeNode[]) => void): tf.Tensor {
  const engine = internals();
  engine.startTape();
  try {
    return tf.tidy('forward', f);
  } finally {
    engine.endTape();
    take(engine.state.activeTape ?? []);
  }
}

type Gradients = Map<number, tf.Tensor>;

/** The gradients of xs by their tensors' ids. Empties the tape. */
function walkBack(tape: TapeNode[], value: tf.Tensor, xs: tf.Tensor[], dy?: tf.Tensor): Gradients {
  const fromX = reachable(tape, xs);
  const wanted = new Set(xs.map((x) => x.id));
  const gradients: Gradients = new Map();
  const drop = (id: number): void => {
    if (wanted.has(id)) return;
    gradients.get(id)?.dispose();
    gradients.delete(id);
  };
  try {
    tf.tidy('backward', () => {
      gradients.set(value.id, dy ? tf.clone(dy) : tf.ones(value.shape));
      for (let node = tape.at(-1); node; node = tape.at(-1)) {
        const dys = node.outputs.map((output) => gradients.get(output.id) ?? null);
        if (dys.some((each) => each !== null)) stepBack(node, dys, fromX, gradients);
        tf.dispose(node.saved);
        tape.pop();
        for (const { id } of node.outputs) drop(id);
      }
      drop(value.id);
      return [...gradients.values()];
    });
  } catch (error) {
    tf.dispose([...gradients.values()]);
    throw error;
  }
  return gradients;
}

/** Ids of the tensors that depend on xs, and of xs. */
function reachable(tape: TapeNode[], xs: tf.Tensor[]): Set<number> {
  const ids = new Set(xs.map((x) => x.id));
  for (const { inputs, outputs } of tape) {
    for (const name in inputs) {
      if (!ids.has(inputs[name]!.id)) continue;
      for (const output of outputs) ids.add(output.id);
      break;
    }
  }
  return ids;
}

/**
 * Adds one operation's gradients to those of its inputs that depend on xs. Its other tensors are freed here instead of
 * by a scope, which costs an eighth of a pass over small tensors.
 */
function stepBack(node: TapeNode, dys: (tf.Tensor | null)[], fromX: Set<number>, gradients: Gradients): void {
  const engine = internals();
  const { track } = engine.state.activeScope!;
  const [tracked, firstId] = [track.length, engine.state.nextTensorId];
  let thunks: Thunks | undefined;
  const made: tf.Tensor[] = [];
  for (const name in node.inputs) {
    const x = node.inputs[name]!;
    if (!fromX.has(x.id)) continue;
    thunks ??= gradientsOf(node, dys, fromX);
    const thunk = thunks[name];
    if (thunk === undefined) throw new Error(`${node.kernelName} has no gradient for its input ${name}`);
    const before = gradients.get(x.id);
    const given = thunk.adds && before ? thunk(before) : thunk();
    if (!tf.util.arraysEqual(given.shape, x.shape))
      throw new Error(
        `${node.kernelName}: the gradient of ${name} is (${given.shape}), expected (${x.shape})`,
      );
    // A gradient function may return dy, a saved tensor, or one tensor twice: those are freed elsewhere.
    const own = given.id >= firstId && !made.includes(given);
    const dx = own ? given : engine.clone(given);
    made.push(given);
    gradients.set(x.id, thunk.adds || !before ? dx : sumOf(before, dx));
    before?.dispose();
  }
  // The gradients leave the scope's list: they are freed when the pass is past them.
  for (let i = tracked; i < track.length; i++) {
    const tensor = track[i]!;
    if (!tensor.kept && !holds(node, gradients, tensor)) tensor.dispose();
  }
  track.length = tracked;
}

/** tf.add without its scope and its type checks. */
const sumOf = (a: tf.Tensor, b: tf.Tensor): tf.Tensor => tf.engine().runKernel(tf.Add, { a, b }) as tf.Tensor;

function gradientsOf(node: TapeNode, dys: (tf.Tensor | null)[], fromX: Set<number>): Thunks {
  if (node.gradient === undefined) throw new Error(`no gradient is registered for ${node.kernelName}`);
  node.wanted = fromX;
  return node.gradient(dys);
}

/** Whether this is the gradient of one of the operation's inputs. */
function holds({ inputs }: TapeNode, gradients: Gradients, tensor: tf.Tensor): boolean {
  for (const name in inputs) if (gradients.get(inputs[name]!.id) === tensor) return true;
  return false;
}
