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
    const { student, rng } = makeStudent(lib, workload, seed, precision);
    Object.assign(this, { lib, student, tokens, model: student.module });
    this.context = lib.inferenceContext(precision);
    this.batch = makeBatch(workload, rng);
    this.batch.encoder = encoderBatch(lib, this.batch.input);
    const features = visionFeatures(lib, student, this.batch.pixels);
    this.projected = this.computed(() => lib.tf.tidy(() => this.model.project(features, this.context)));
    features.dispose();
  }

  /** @returns {{ total: number, encode: number, generate: number, rows: number[][] }} times in ms */
  run() {
    const { lib, model, batch, projected, tokens, context } = this;
    const start = performance.now();
    const encoded = this.computed(() => lib.tf.tidy(() => model.encode(projected, batch.encoder, context)));
    const encodedAt = performance.now();
    // Random weights could produce the end token at once; without eosId every row runs to the end.
    const { ids: rows } = this.computed(() =>
      lib.generate(model, encoded, { maxNewTokens: tokens }, context),
    );
    const end = performance.now();
    lib.tf.dispose(Object.values(encoded));
    return { total: end - start, encode: encodedAt - start, generate: end - encodedAt, rows };
  }

  /** Runs a part of the model as the student does. */
  computed(fn) {
    return this.lib.withHalfProducts(this.context.mixed, fn);
  }

  dispose() {
    this.projected.dispose();
    this.student.dispose();
  }
}

/** Rectangles of token ids, as the encoder takes them; rows have no padding. */
function encoderBatch({ padTokens }, { frames, framePrefixes, prompts }) {
  const prefix = framePrefixes ? { prefix: padTokens(framePrefixes, 0) } : {};
  return { videos: prompts.length, frames, ...prefix, prompt: padTokens(prompts, 0) };
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
