/** Greedy decoding of a workload's batch: the encoder, then a fixed number of tokens with the key/value cache. */
import { memoryOf, profileKernels } from './counters.mjs';
import { median } from './statistics.mjs';
import { makeBatch, makeStudent, visionFeatures } from './student.mjs';

export const NEW_TOKENS = 64;

/** The model with its visual input already projected, so that only the language model is timed. */
export class Decoding {
  /**
   * @param {import('../../src/commands/bench.js').BenchLibrary} lib
   * @param {import('./workload.mjs').Workload} workload
   */
  static async open(lib, workload, { seed = 0, precision = 'f32' } = {}) {
    const { student, rng } = await makeStudent(lib, workload, seed, precision);
    const { pixels, input } = makeBatch(workload, rng);
    const context = lib.inferenceContext(precision);
    const features = visionFeatures(lib, student, pixels);
    const tokens = lib.withHalfProducts(context.mixed, () =>
      lib.tf.tidy(() => student.look({ features }, context)),
    );
    features.dispose();
    return new Decoding(student, { visual: { tokens }, ...input });
  }

  /** @param {import('../../src/model/student.js').Student} student */
  constructor(student, input) {
    this.student = student;
    this.input = input;
  }

  /** @returns {{ total: number, encode: number, generate: number, rows: number[][] }} times in ms */
  run() {
    const { student, input } = this;
    const start = performance.now();
    const encoded = student.encode(input);
    const encodedAt = performance.now();
    // Random weights could produce the end token at once; without eosId every row runs to the end.
    const { ids: rows } = student.generate(encoded, { maxNewTokens: NEW_TOKENS });
    const end = performance.now();
    encoded.dispose();
    return { total: end - start, encode: encodedAt - start, generate: end - encodedAt, rows };
  }

  dispose() {
    this.input.visual.tokens.dispose();
    this.student.dispose();
  }
}

/**
 * @param {import('./index.mjs').BenchRun} run
 * @param {import('./workload.mjs').Workload} workload
 */
export async function benchDecode({ lib, options, note, openPeer }, workload) {
  const { repeats, warmup, precision } = options;
  const peer = await openPeer('decode');
  const decoding = await Decoding.open(lib, workload, { precision });
  try {
    for (let i = 0; i < warmup; i++) {
      decoding.run();
      await peer?.run();
    }
    lib.resetFallbackCounts();
    note(`${repeats} times ${NEW_TOKENS} tokens${peer ? ', each next to one of the peer' : ''}`);
    const runs = [];
    const pairs = await peer?.pairs(repeats, () => {
      runs.push(decoding.run());
      return runs.at(-1).total;
    });
    if (!peer) for (let i = 0; i < repeats; i++) runs.push(decoding.run());
    const ms = median(runs.map(({ total }) => total));
    const rows = workload.batch.videos;
    const fallbacks = lib.fallbackCounts();
    const device = lib.device();
    return {
      runs: runs.length,
      rows,
      tokens: NEW_TOKENS,
      ms,
      encodeMs: median(runs.map(({ encode }) => encode)),
      msPerToken: median(runs.map(({ generate }) => generate)) / NEW_TOKENS,
      tokensPerSecond: (1000 * rows * NEW_TOKENS) / ms,
      fallbacks,
      ...(device ? { memory: memoryOf(device) } : {}),
      ...(device && options.kernels ? { kernels: profileKernels(device, () => decoding.run().total) } : {}),
      peer: pairs ?? null,
    };
  } finally {
    peer?.close();
    decoding.dispose();
  }
}
