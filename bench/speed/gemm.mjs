/**
 * Matrix products: the large square one in every layout and the shapes that a workload's training step has, next to
 * the roof of each size: the rate of the large product, or what memory of that size can deliver, whichever is lower.
 */
import { secondsPerCall } from './statistics.mjs';
import { noise } from './student.mjs';
import { encoderLength } from './workload.mjs';

/**
 * @typedef {{ name: string, batch: number, m: number, n: number, k: number, transA: boolean, transB: boolean }} Shape
 */

/** @param {import('./workload.mjs').Workload} workload @returns {Shape[]} */
export function shapesOf({ config, batch, lora }) {
  const { text_config: text, vision_config: vision } = config;
  const { d_model: width, d_kv: size, num_heads: heads, d_ff: inner } = text;
  const length = encoderLength({ config, batch });
  const rows = batch.videos * length;
  const images = batch.videos * batch.frames;
  const tokens = Math.floor(vision.image_size / vision.patch_size) ** 2 + 1;
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
  const inside = heads * size;
  return [
    shape('vision fc1', images * tokens, vision.intermediate_size, vision.hidden_size, false, true),
    shape('T5 q', rows, inside, width, false, true),
    shape('T5 q, gradient of the input', rows, width, inside, false, false),
    shape('T5 wi', rows, inner, width, false, true),
    shape('weight gradient', width, inside, rows, true, false),
    shape('LoRA A', rows, r, width, false, true),
    shape('LoRA B', rows, inside, r, false, true),
    shape('LoRA A, gradient', r, width, rows, true, false),
    shape('LoRA B, gradient', inside, r, rows, true, false),
    shape('attention scores', length, length, size, false, true, batch.videos * heads),
    shape('attention output', length, size, length, false, false, batch.videos * heads),
    shape('decoding, one column', batch.videos, width, inside, false, true),
    shape('decoding, head', batch.videos, text.vocab_size, width, false, true),
  ];
}

const SQUARE = 1024;

/** @returns {Shape[]} */
function squareShapes() {
  const cases = [
    [false, false],
    [false, true],
    [true, false],
    [true, true],
  ];
  return cases.map(([transA, transB]) => ({
    name: 'square',
    batch: 1,
    m: SQUARE,
    n: SQUARE,
    k: SQUARE,
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
export async function benchGemm({ lib, options, note }, workload) {
  const device = lib.cpu();
  const sampling = { samples: options.repeats, finish: () => lib.device()?.synchronize() };
  const best = device?.isa();
  const sets = device && !process.env.REASVQA_ISA ? instructionSets(device.bestIsa()) : [best ?? 'engine'];
  const results = [];
  try {
    for (const isa of sets) {
      device?.setIsa(isa);
      note(`products with ${isa}`);
      const square = squareShapes().map((shape) => ({ ...shape, gflops: rate(lib, shape, sampling) }));
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
  return { results };
}

/** The best set of this machine and those below it. */
function instructionSets(best) {
  const all = ['avx512', 'avx2', 'plain'];
  return all.slice(Math.max(0, all.indexOf(best)));
}
