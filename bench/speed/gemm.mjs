/**
 * Matrix products: the large square one, next to PyTorch's; in f32 also its other layouts and the shapes that a workload's
 * training step has, next to the roof of each size: the rate of the large product, or what memory of that size can
 * deliver, whichever is lower.
 */
import { secondsPerCall } from './statistics.mjs';
import { noise } from './student.mjs';
import { isDecoderOnly, promptLength } from './workload.mjs';

/**
 * @typedef {{ name: string, batch: number, m: number, n: number, k: number, transA: boolean, transB: boolean }} Shape
 */

/** @param {import('./workload.mjs').Workload} workload @returns {Shape[]} */
export function shapesOf(workload) {
  const { config, batch, lora } = workload;
  const { vision_config: vision } = config;
  const { name, width, inside, keys, inner, size, heads } = layerOf(workload);
  const length = promptLength(workload);
  const rows = batch.videos * length;
  const images = batch.videos * batch.frames;
  const tokens = Math.floor(vision.image_size / vision.patch_size) ** 2 + (isDecoderOnly(workload) ? 0 : 1);
  const shape = (name, m, n, k, transA, transB, count = 1) => ({
    name,
    batch: count,
    m,
    n,
    k,
    transA,
    transB,
  });
  const { r } = lora;
  return [
    shape('vision fc1', images * tokens, vision.intermediate_size, vision.hidden_size, false, true),
    shape(`${name} q`, rows, inside, width, false, true),
    ...(keys === inside ? [] : [shape(`${name} k`, rows, keys, width, false, true)]),
    shape(`${name} q, gradient of the input`, rows, width, inside, false, false),
    shape(`${name} feed-forward`, rows, inner, width, false, true),
    shape('weight gradient', width, inside, rows, true, false),
    shape('LoRA A', rows, r, width, false, true),
    shape('LoRA B', rows, inside, r, false, true),
    shape('LoRA A, gradient', r, width, rows, true, false),
    shape('LoRA B, gradient', inside, r, rows, true, false),
    shape('attention scores', length, length, size, false, true, batch.videos * heads),
    shape('attention output', length, size, length, false, false, batch.videos * heads),
    shape('decoding, one column', batch.videos, width, inside, false, true),
    shape('decoding, head', batch.videos, config.text_config.vocab_size, width, false, true),
  ];
}

/** Sizes of a layer of the language model: its own width, that of queries, of keys, of the feed-forward, of one head. */
function layerOf(workload) {
  const { text_config: text } = workload.config;
  if (!isDecoderOnly(workload)) {
    const { d_model: width, d_kv: size, num_heads: heads, d_ff: inner } = text;
    return { name: 'T5', width, inside: heads * size, keys: heads * size, inner, size, heads };
  }
  const { hidden_size: width, intermediate_size: inner, head_dim: size, num_attention_heads: heads } = text;
  const keys = text.num_key_value_heads * size;
  return { name: 'Qwen2', width, inside: heads * size, keys, inner, size, heads };
}

const SIDE = 1024;
/** On a GPU that needs less than this many seconds for the product above: a larger one, which fills it. */
const GPU_SIDE = 8192;
const FAST = 0.02;

/** Side of the large square product: what this machine's rate is measured with. */
function squareSide(run) {
  const { options, engine } = run;
  if (options.size !== undefined) return options.size;
  // An emulated GPU would take minutes for the larger one.
  return engine.name === 'native-cuda' && secondsOf(run, SIDE, { samples: 1 }) < FAST ? GPU_SIDE : SIDE;
}

/** Products in a row, as many as the peer's. */
const IN_A_ROW = 10;

/**
 * The large square product of `precision`, as a layer has it: x W^T. With bf16 both are stored so where the engine has
 * that, the weight alone elsewhere.
 *
 * @param {import('./index.mjs').BenchRun} run
 */
function squareProduct({ lib, options, engine }, side) {
  const { tf, ops, Rng } = lib;
  const rng = new Rng('gemm');
  const matrix = (bf16) => {
    const values = tf.tensor2d(noise(rng, side * side, 1), [side, side]);
    if (!bf16) return values;
    const stored = ops.toBf16(values);
    values.dispose();
    return stored;
  };
  const bf16 = options.precision === 'bf16';
  const x = matrix(bf16 && engine.name === 'native-cuda');
  const weight = matrix(bf16);
  return {
    run: () => tf.dispose(ops.linear(x, weight)),
    dispose: () => tf.dispose([x, weight]),
  };
}

/** Seconds of a square product. */
function secondsOf(run, side, sampling = {}) {
  const square = squareProduct(run, side);
  try {
    return secondsPerCall(square.run, { ...samplingOf(run), ...sampling });
  } finally {
    square.dispose();
  }
}

/** The large square product: its side and GFLOP/s. @param {import('./index.mjs').BenchRun} run */
export function largeSquare(run) {
  const side = squareSide(run);
  return { side, gflops: (2e-9 * side ** 3) / secondsOf(run, side) };
}

/** The large square product next to the peer's. @param {import('./index.mjs').BenchRun} run */
async function besidePeer(run, side, peer) {
  const square = squareProduct(run, side);
  const { lib, options } = run;
  const ours = () => {
    const start = performance.now();
    for (let i = 0; i < IN_A_ROW; i++) square.run();
    lib.device()?.synchronize();
    return (performance.now() - start) / IN_A_ROW;
  };
  try {
    for (let i = 0; i < options.warmup; i++) {
      ours();
      await peer.run();
    }
    return await peer.pairs(options.repeats, ours);
  } finally {
    square.dispose();
  }
}

const samplingOf = ({ lib, options }) => ({
  samples: options.repeats,
  finish: () => lib.device()?.synchronize(),
});

/** @returns {Shape[]} */
function squareShapes(side) {
  const cases = [
    [false, false],
    [false, true],
    [true, false],
    [true, true],
  ];
  return cases.map(([transA, transB]) => ({
    name: 'square',
    batch: 1,
    m: side,
    n: side,
    k: side,
    transA,
    transB,
  }));
}

/** GFLOP/s of one shape through tf.matMul. */
function rate({ tf, Rng }, { batch, m, n, k, transA, transB }, sampling) {
  const rng = new Rng('gemm');
  const matrix = (rows, columns) =>
    tf.tensor3d(noise(rng, batch * rows * columns, 1), [batch, rows, columns]);
  const a = transA ? matrix(k, m) : matrix(m, k);
  const b = transB ? matrix(n, k) : matrix(k, n);
  const seconds = secondsPerCall(() => tf.matMul(a, b, transA, transB).dispose(), sampling);
  tf.dispose([a, b]);
  return (2e-9 * batch * m * n * k) / seconds;
}

/** GB/s of copying through a working set of `bytes`. */
function bandwidth({ tf }, bytes, sampling) {
  const x = tf.zeros([Math.max(1, Math.round(bytes / 8))]);
  const seconds = secondsPerCall(() => tf.abs(x).dispose(), sampling);
  x.dispose();
  return (1e-9 * bytes) / seconds;
}

/** Bytes that a product has to read and write at least. @param {Shape} shape */
const bytesOf = ({ batch, m, n, k }) => 4 * batch * (m * k + k * n + m * n);

/** @param {import('./index.mjs').BenchRun} run @param {import('./workload.mjs').Workload} workload */
export async function benchGemm(run, workload) {
  const { lib, options } = run;
  lib.requirePrecision(options.precision, '--precision');
  const square = largeSquare(run);
  const peer = await run.openPeer('gemm', ['--size', String(square.side)]);
  const measured = { square, peer: peer ? await besidePeer(run, square.side, peer) : null };
  peer?.close();
  // The other shapes and layouts are products of activations too, which are f32.
  return options.precision === 'bf16'
    ? measured
    : { ...measured, results: products(run, workload, square.side) };
}

/** Every layout of the square and the workload's shapes, on each instruction set. */
function products(run, workload, side) {
  const { lib, note } = run;
  const device = lib.cpu();
  const sampling = samplingOf(run);
  const best = device?.isa();
  const sets = device && !process.env.REASVQA_ISA ? instructionSets(device.bestIsa()) : [best ?? 'engine'];
  const results = [];
  try {
    for (const isa of sets) {
      device?.setIsa(isa);
      note(`products with ${isa}`);
      const square = squareShapes(side).map((shape) => ({
        ...shape,
        gflops: rate(lib, shape, sampling),
      }));
      const peak = square[0].gflops;
      const shapes = [
        ...square.map((shape) => ({ ...shape, roof: peak })),
        ...shapesOf(workload).map((shape) => {
          const flops = 2 * shape.batch * shape.m * shape.n * shape.k;
          const bytes = bytesOf(shape);
          const roof = Math.min(peak, (flops / bytes) * bandwidth(lib, bytes, sampling));
          return { ...shape, gflops: rate(lib, shape, sampling), roof };
        }),
      ];
      results.push({ isa, shapes: shapes.map((shape) => ({ ...shape, share: shape.gflops / shape.roof })) });
    }
  } finally {
    device?.setIsa(best);
  }
  return results;
}

/** The best set of this machine and those below it. */
function instructionSets(best) {
  const all = ['avx512', 'avx2', 'plain'];
  return all.slice(Math.max(0, all.indexOf(best)));
}
