/**
 * Counting and timing without changing what is measured: hooks put on TensorFlow.js's engine object and on the addon's
 * exports for the length of one piece of work.
 */

/**
 * Counts the operations that the gradient tape records, and notes when the outermost tape ends, which is where the
 * forward pass of a gradient ends and its backward pass begins.
 *
 * @param {typeof import('@tensorflow/tfjs-core')} tf
 */
export function watchTape(tf) {
  const engine = tf.engine();
  const { addTapeNode, endTape } = engine;
  const seen = { operations: 0, forwardEnd: 0 };
  engine.addTapeNode = function (...given) {
    // Recomputation records each block again while the backward pass runs.
    if (seen.forwardEnd === 0) seen.operations++;
    return addTapeNode.apply(this, given);
  };
  engine.endTape = function (...given) {
    if (seen.forwardEnd === 0 && this.state.gradientDepth <= 1) seen.forwardEnd = performance.now();
    return endTape.apply(this, given);
  };
  return {
    seen,
    stop() {
      delete engine.addTapeNode;
      delete engine.endTape;
    },
  };
}

/** Bytes that an engine holds now, and held at most. */
export function memoryOf(device) {
  const { inUse, peak } = device.memory();
  return { inUse, peak };
}

/** Exports of the addon that compute nothing: what is left is kernels. */
const NOT_KERNELS = new Set(['setParams', 'memory', 'resetPeak', 'threads', 'isa', 'setIsa', 'bestIsa']);

/**
 * Times every call into the addon.
 *
 * @param {Record<string, unknown>} addon its exports; the functions are replaced until `stop`
 */
export function watchKernels(addon) {
  /** @type {Map<string, { calls: number, ms: number }>} */
  const kernels = new Map();
  const originals = Object.entries(addon).filter(
    ([name, value]) => typeof value === 'function' && !NOT_KERNELS.has(name),
  );
  for (const [name, original] of originals) {
    const record = { calls: 0, ms: 0 };
    kernels.set(name, record);
    addon[name] = (...given) => {
      const start = performance.now();
      const result = original(...given);
      record.ms += performance.now() - start;
      record.calls++;
      return result;
    };
  }
  return {
    /** What was called, slowest first. */
    get kernels() {
      return [...kernels]
        .filter(([, { calls }]) => calls > 0)
        .map(([name, { calls, ms }]) => ({ name, calls, ms }))
        .sort((a, b) => b.ms - a.ms);
    },
    stop() {
      for (const [name, original] of originals) addon[name] = original;
    },
  };
}

const PROFILED_RUNS = 5;

/**
 * Time inside each addon function in one run, averaged over a few, and what is left to JavaScript.
 *
 * @param {Record<string, unknown>} addon
 * @param {() => number} run returns its milliseconds
 */
export function profileKernels(addon, run) {
  const watch = watchKernels(addon);
  let total = 0;
  try {
    for (let i = 0; i < PROFILED_RUNS; i++) total += run();
  } finally {
    watch.stop();
  }
  const ms = total / PROFILED_RUNS;
  const functions = watch.kernels.map((kernel) => ({
    name: kernel.name,
    calls: kernel.calls / PROFILED_RUNS,
    ms: kernel.ms / PROFILED_RUNS,
  }));
  const native = functions.reduce((sum, kernel) => sum + kernel.ms, 0);
  return { ms, native, javascript: ms - native, functions };
}
