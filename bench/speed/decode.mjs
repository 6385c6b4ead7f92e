/** Greedy decoding of a workload's batch: the encoder, then a fixed number of tokens with the key/value cache. */
import { profileKernels } from './counters.mjs';
import { median } from './statistics.mjs';
import { makeBatch, makeStudent, visionFeatures } from './student.mjs';

export const NEW_TOKENS = 64;

/** The model with its visual input already projected, so that only the language model is timed. */
export class Decoding {
  /**
   * @param {import('../../src/commands/bench.js').BenchLibrary} lib
   * @param {import('./workload.mjs').Workload} workload
   */
  constructor(lib, workload, { seed = 0, tokens = NEW_TOKENS, precision = 'f32' } = {}) {
    const { model, rng } = makeStudent(lib, workload, seed, precision);
    Object.assign(this, { lib, model, tokens });
    this.batch = makeBatch(workload, rng);
    const features = visionFeatures(lib, model, this.batch.pixels);
    this.projected = lib.tf.tidy(() => model.project(features, lib.inferenceContext()));
    features.dispose();
  }

  /** @returns {{ total: number, encode: number, generate: number, rows: number[][] }} times in ms */
  run() {
    const { lib, model, batch, projected, tokens } = this;
    const start = performance.now();
    const encoded = lib.tf.tidy(() => model.encode(projected, batch.encoder, lib.inferenceContext()));
    const encodedAt = performance.now();
    // Random weights could produce the end token at once; without eosId every row runs to the end.
    const rows = lib.generate(model, encoded, { maxNewTokens: tokens });
    const end = performance.now();
    lib.tf.dispose(Object.values(encoded));
    return { total: end - start, encode: encodedAt - start, generate: end - encodedAt, rows };
  }

  dispose() {
    this.projected.dispose();
    this.model.dispose();
  }
}

/**
 * @param {import('./index.mjs').BenchRun} run
 * @param {import('./workload.mjs').Workload} workload
 */
export async function benchDecode({ lib, options, note, openPeer }, workload) {
  const { repeats, warmup, precision } = options;
  const peer = await openPeer('decode');
  const decoding = new Decoding(lib, workload, { precision });
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
    const device = options.kernels && lib.device();
    return {
      runs: runs.length,
      rows,
      tokens: NEW_TOKENS,
      ms,
      encodeMs: median(runs.map(({ encode }) => encode)),
      msPerToken: median(runs.map(({ generate }) => generate)) / NEW_TOKENS,
      tokensPerSecond: (1000 * rows * NEW_TOKENS) / ms,
      fallbacks,
      ...(device ? { kernels: profileKernels(device, () => decoding.run().total) } : {}),
      peer: pairs ?? null,
    };
  } finally {
    peer?.close();
    decoding.dispose();
  }
}
