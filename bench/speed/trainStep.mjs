/**
 * One training step of a workload, as src/training runs it: features (live: frames through the frozen vision model,
 * outside the tape; cached: uploaded), losses and gradients with dropout, AdamW.
 */
import { memoryOf, profileKernels, watchTape } from './counters.mjs';
import { stepFlops } from './flops.mjs';
import { largeSquare } from './gemm.mjs';
import { median, mediansOf } from './statistics.mjs';
import { makeBatch, makeStudent, visionFeatures } from './student.mjs';
import { besides, operationShare } from './tensorflow.mjs';

/**
 * @typedef {import('../../src/commands/bench.js').BenchLibrary} Library
 * @typedef {import('./workload.mjs').Workload} Workload
 * @typedef {{ features: 'live' | 'cached', recompute?: boolean | 'light', seed?: number,
 *   precision?: 'f32' | 'bf16' }} StepOptions
 * @typedef {{ total: number, vision: number, forward: number, backward: number, update: number }} StepTimes ms
 */

const OPTIMIZER = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.05, clipNorm: 0 };
const LEARNING_RATE = 3e-5;

/** A student with everything a step needs. Its tensors live until `dispose`. */
export class TrainingStep {
  /** Chooses the dropout masks; may be set between runs. */
  step = 0;

  /**
   * @param {Library} lib
   * @param {Workload} workload
   * @param {StepOptions} options
   */
  static async open(lib, workload, options) {
    const { seed = 0, precision } = options;
    return new TrainingStep(lib, workload, options, await makeStudent(lib, workload, seed, precision));
  }

  /** Use {@link TrainingStep.open}. */
  constructor(lib, workload, { features, recompute = false, seed = 0 }, { student, trainable, rng }) {
    Object.assign(this, { lib, student, trainable });
    this.batch = makeBatch(workload, rng);
    this.context = lib.trainingContext(student.precision, seed, recompute);
    this.optimizer = new lib.AdamW(trainable, OPTIMIZER);
    this.objective = {
      losses: [
        { name: 'qa', weight: 0.2 },
        { name: 'reasoning', weight: 0.8 },
      ],
    };
    if (features === 'cached') this.cached = this.computeFeatures();
  }

  /** The features on the host, as the feature store holds them. */
  computeFeatures() {
    const tensor = visionFeatures(this.lib, this.student, this.batch.pixels);
    const cached = { values: tensor.dataSync(), shape: tensor.shape };
    tensor.dispose();
    return cached;
  }

  /** The model's visual input; the caller disposes it. */
  features() {
    const { lib, cached, student, batch } = this;
    if (cached) return lib.tf.tensor3d(cached.values, cached.shape);
    return visionFeatures(lib, student, batch.pixels);
  }

  /** Loss and gradients of the current step; the caller disposes the gradients. */
  gradients(features) {
    const { lib, student, batch, objective, trainable, context, step } = this;
    context.dropout.startStep(step);
    const input = { visual: { features }, ...batch.input };
    return lib.gradients(student, input, batch.targets, objective, trainable, context);
  }

  /** @returns {{ times: StepTimes, loss: number, tapeOperations: number }} */
  run() {
    const { tf } = this.lib;
    const start = performance.now();
    const features = this.features();
    const forwardStart = performance.now();
    const tape = watchTape(tf);
    let result;
    try {
      result = this.gradients(features);
    } finally {
      tape.stop();
    }
    features.dispose();
    const updateStart = performance.now();
    this.optimizer.update(result.grads, () => LEARNING_RATE);
    tf.dispose(result.grads);
    this.step++;
    const { loss } = result.losses.read();
    this.lib.device()?.synchronize();
    const end = performance.now();
    const { forwardEnd, operations } = tape.seen;
    const times = {
      total: end - start,
      vision: forwardStart - start,
      forward: forwardEnd - forwardStart,
      backward: updateStart - forwardEnd,
      update: end - updateStart,
    };
    return { times, loss, tapeOperations: operations };
  }

  /**
   * The same step with the fused kernels and in composed form (plain tfjs operations); nothing is updated.
   *
   * @returns relative differences of the loss and of the global gradient norm
   */
  verify() {
    const { tf, ops } = this.lib;
    const values = (fused) => {
      const before = ops.setFused(fused);
      try {
        const features = this.features();
        const { grads, losses } = this.gradients(features);
        const norm = tf.tidy(() => ops.globalNorm(grads).dataSync()[0]);
        tf.dispose([features, ...grads]);
        return { loss: losses.read().loss, norm };
      } finally {
        ops.setFused(before);
      }
    };
    const fused = values(true);
    const composed = values(false);
    const difference = (a, b) => Math.abs(a - b) / Math.max(Math.abs(b), 1e-30);
    return {
      fusedLoss: fused.loss,
      composedLoss: composed.loss,
      lossDifference: difference(fused.loss, composed.loss),
      gradientNormDifference: difference(fused.norm, composed.norm),
    };
  }

  dispose() {
    this.optimizer.dispose();
    this.student.dispose();
  }
}

/** Largest accepted relative difference between the fused and the composed loss. */
const LOSS_TOLERANCE = 1e-4;

/**
 * @param {import('./index.mjs').BenchRun} run
 * @param {Workload} workload
 */
export async function benchTrainStep(run, workload) {
  const { lib, options } = run;
  const peer = await run.openPeer('train-step');
  const { features, recompute, precision } = options;
  const training = await TrainingStep.open(lib, workload, { features, recompute, precision });
  try {
    const measured = await measure(run, workload, training, peer);
    const device = lib.device();
    return {
      features,
      recompute: recompute ?? false,
      ...measured,
      floor: floorOf(run, measured),
      // After the measurement, since the composed forms keep far more memory.
      ...(options.verify ? { verified: verify(training) } : {}),
      ...(options.kernels && device
        ? { kernels: profileKernels(device, () => training.run().times.total) }
        : {}),
    };
  } finally {
    peer?.close();
    training.dispose();
  }
}

/** Times steps, alone or next to the peer's. */
async function measure(run, workload, training, peer) {
  const { lib, options, engine, note } = run;
  const { features, repeats, warmup } = options;
  for (let i = 0; i < warmup; i++) {
    training.run();
    await peer?.run();
  }
  const device = lib.device();
  device?.resetPeak();
  lib.resetFallbackCounts();
  note(`${repeats} steps${peer ? ', each next to one of the peer' : ''}`);
  /** @type {ReturnType<TrainingStep['run']>[]} */
  const steps = [];
  const step = () => {
    steps.push(training.run());
    return steps.at(-1).times.total;
  };
  const isTensorflow = engine.name === 'tensorflow';
  const beside = isTensorflow && options.peer ? await besides(run, step) : undefined;
  const pairs = await peer?.pairs(repeats, step);
  if (!peer && !beside) for (let i = 0; i < repeats; i++) step();
  return {
    ...report(workload, features, steps),
    memory: {
      ...(device ? memoryOf(device) : {}),
      maxResident: process.resourceUsage().maxRSS * 1024,
    },
    fallbacks: lib.fallbackCounts(),
    ...(isTensorflow ? { calls: operationShare(lib.tf, () => training.run().times.total) } : {}),
    ...(beside ?? {}),
    peer: pairs ?? null,
  };
}

/** The least time of the counted work: at the rate of the large square product. */
function floorOf(run, { flops, ms }) {
  const { gflops } = largeSquare(run);
  const floorMs = flops.total / gflops / 1e6;
  return { gflops, ms: floorMs, times: ms / floorMs };
}

/** @throws Error when the fused loss is another than the composed one */
function verify(training) {
  const verified = training.verify();
  const { fusedLoss, composedLoss, lossDifference } = verified;
  if (lossDifference <= LOSS_TOLERANCE) return verified;
  throw new Error(
    `train-step: fused loss ${fusedLoss}, composed loss ${composedLoss}: they differ by more than ${LOSS_TOLERANCE}`,
  );
}

function report(workload, features, steps) {
  const ms = median(steps.map(({ times }) => times.total));
  const flops = stepFlops(workload, features);
  return {
    steps: steps.length,
    ms,
    samplesPerSecond: (1000 * workload.batch.videos) / ms,
    phases: mediansOf(
      steps.map(({ times: { vision, forward, backward, update } }) => ({
        vision,
        forward,
        backward,
        update,
      })),
    ),
    loss: steps.at(-1).loss,
    tapeOperations: steps.at(-1).tapeOperations,
    flops,
    gflops: flops.total / ms / 1e6,
  };
}
