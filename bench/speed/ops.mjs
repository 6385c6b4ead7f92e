/** What an operation costs besides computing: calls on tiny tensors, and gradient tapes of thousands of them. */
import { median, secondsPerCall } from './statistics.mjs';

const BATCH = 1000;

/** Operations on tiny tensors, each as a model would call it. */
function operations({ tf, ops }) {
  const x = tf.tensor2d([1, 2, 3, 4], [2, 2]);
  const y = tf.tensor2d([4, 3, 2, 1], [2, 2]);
  const row = tf.tensor1d([1, 2]);
  const cube = tf.tensor3d([1, 2, 3, 4], [1, 2, 2]);
  const options = { heads: 1, scale: 1 };
  const dropped = { rate: 0.5, seed: 1, step: 2, call: 3 };
  const inputs = [x, y, row, cube];
  return {
    inputs,
    plain: {
      add: () => tf.add(x, y),
      'mul by a number': () => tf.mul(x, 2),
      relu: () => tf.relu(x),
      reshape: () => tf.reshape(x, [4]),
      transpose: () => tf.transpose(x),
      slice: () => tf.slice(x, [0, 0], [1, 2]),
      concat: () => tf.concat([x, y], 0),
      sum: () => tf.sum(x, 1),
      softmax: () => tf.softmax(x),
      matMul: () => tf.matMul(x, y),
    },
    fused: {
      linear: () => ops.linear(x, y, row),
      layerNorm: () => ops.layerNorm(x, row, row, 1e-6),
      rmsNorm: () => ops.rmsNorm(x, row, 1e-6),
      gelu: () => ops.gelu(x, 'erf'),
      dropout: () => ops.dropout(x, dropped),
      attention: () => ops.attention(cube, cube, cube, options),
    },
  };
}

/** Microseconds of each operation, result freed. All run a while first: tfjs's own code is compiled as it gets hot. */
function microseconds(table, sampling) {
  for (const operation of Object.values(table)) for (let i = 0; i < 10 * BATCH; i++) operation().dispose();
  const measure = (operation) =>
    1e6 *
    (secondsPerCall(() => {
      for (let i = 0; i < BATCH; i++) operation().dispose();
    }, sampling) /
      BATCH);
  return Object.entries(table).map(([name, operation]) => ({ name, us: measure(operation) }));
}

/**
 * Milliseconds of training's backward pass over a tape of `count` operations, with the forward pass: adding and multiplying
 * by one of `count` / 5 trainable variables of four elements in turn, so that gradients gather at every variable.
 */
export function tapeTime({ tf, ops }, count, repeats) {
  const variables = Array.from({ length: Math.max(1, Math.floor(count / 5)) }, () =>
    tf.tidy(() => tf.variable(tf.tensor1d([0.5, 0.6, 0.7, 0.8]))),
  );
  const loss = () => {
    let x = tf.tensor1d([1, 1, 1, 1]);
    // The last operation is the sum.
    for (let i = 0; i + 1 < count; i++) {
      const variable = variables[i % variables.length];
      x = i % 2 === 0 ? tf.add(x, variable) : tf.mul(x, variable);
    }
    return tf.sum(x);
  };
  const once = () => {
    const start = performance.now();
    const { value, grads } = ops.valueAndGradients(loss, variables);
    tf.dispose([value, ...grads]);
    return performance.now() - start;
  };
  once();
  once();
  const ms = median(Array.from({ length: repeats }, once));
  tf.dispose(variables);
  return ms;
}

const TAPE = 5000;

/** @param {import('./index.mjs').BenchRun} run */
export async function benchOps(run) {
  const { lib, options, engine, note } = run;
  const measured = measureOps(run);
  if (engine.name !== 'tensorflow' || !options.peer) return measured;
  const native = await lib.selectEngine('native-cpu', { threads: engine.threads });
  note(`the same on ${native.description}`);
  try {
    return { ...measured, nativeCpu: measureOps(run) };
  } finally {
    await lib.selectEngine('tensorflow');
  }
}

function measureOps({ lib, options, note }) {
  const { inputs, plain, fused } = operations(lib);
  const sampling = { samples: options.repeats, sampleMs: 10 };
  note('operations on tiny tensors');
  const result = { operations: microseconds(plain, sampling), fused: microseconds(fused, sampling) };
  lib.tf.dispose(inputs);
  note(`a tape of ${TAPE} operations`);
  const all = [...result.operations, ...result.fused].map(({ us }) => us);
  return {
    ...result,
    medianUs: median(all),
    largestUs: Math.max(...all),
    tape: { operations: TAPE, ms: tapeTime(lib, TAPE, options.repeats) },
  };
}
