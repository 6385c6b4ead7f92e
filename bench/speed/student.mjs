/** The student of a workload with random weights, and random batches for it: speed does not depend on the values. */
import { isDecoderOnly } from './workload.mjs';

/**
 * @typedef {import('../../src/commands/bench.js').BenchLibrary} Library
 * @typedef {import('./workload.mjs').Workload} Workload
 */

/**
 * A student that trains its architecture's default groups, as the paper does.
 *
 * @param {Library} lib
 * @param {Workload} workload
 * @param {number} seed
 * @param {'f32' | 'bf16'} precision of the weights that stay frozen
 */
export async function makeStudent(lib, workload, seed, precision = 'f32') {
  lib.requirePrecision(precision, '--precision');
  const student = await workload.kind.create(workload.config, precision);
  const { r, lora_alpha: alpha, lora_dropout: dropout, target_modules: targetModules } = workload.lora;
  const none = { rankPattern: {}, alphaPattern: {}, useRslora: false };
  lib.addAdapter(student, { r, alpha, dropout, targetModules, ...none });
  const rng = new lib.Rng(`bench/${seed}`);
  const { defaultGroups: groups } = student.kind;
  const bf16 = precision === 'bf16' ? lib.bf16Parameters(student, groups) : new Set();
  for (const parameter of student.module.parameters()) fill(lib, parameter, rng, bf16.has(parameter));
  return { student, trainable: lib.selectTrainable(student, groups), rng };
}

/** A parameter starts as it would in training, but for lora_B: zeros would make the adapters' gradients zero. */
function fill({ tf }, parameter, rng, asBf16) {
  const { initial, shape, size, name } = parameter;
  const drawn = name.endsWith('lora_B.weight') ? { normal: 0.02 } : initial;
  const value = tf.tidy(() => {
    if (drawn === 'ones') return tf.ones(shape);
    if (drawn === 'zeros') return tf.zeros(shape);
    const [scale] = Object.values(drawn);
    // Repeated by the engine: billions of numbers would take the host minutes.
    const block = tf.tensor1d(noiseBlock(rng.fork(name), size, scale));
    const repeated = tf.tile(block, [Math.ceil(size / PERIOD)]);
    return tf.reshape(tf.slice(repeated, 0, size), shape);
  });
  if (asBf16) parameter.setBf16(value);
  else parameter.set(value);
}

/** Period of the noise: odd, so that rows of a matrix do not line up. */
const PERIOD = 65537;

const noiseBlock = (rng, size, scale) =>
  Float32Array.from({ length: Math.min(size, PERIOD) }, () => rng.normal() * scale);

/** Normal values of standard deviation `scale`. */
export function noise(rng, size, scale) {
  const block = noiseBlock(rng, size, scale);
  const values = new Float32Array(size);
  for (let at = 0; at < size; at += PERIOD) values.set(block.subarray(0, size - at), at);
  return values;
}

/**
 * Token ids without padding, the targets of every row, and the frames' pixels.
 *
 * @param {Workload} workload
 * @param {import('../../src/base/random.js').Rng} rng
 */
export function makeBatch(workload, rng) {
  const { config, batch } = workload;
  // A decoder-only student's prompt has its video in it, as one token that text does not have.
  const video = isDecoderOnly(workload) ? [config.video_token_index] : [];
  const vocabulary = Math.min(config.text_config.vocab_size, ...video);
  const special = Math.min(3, vocabulary - 1);
  const rows = (label, count, length) => {
    const stream = rng.fork(label);
    return Array.from({ length: count }, () =>
      Array.from({ length }, () => special + stream.int(vocabulary - special)),
    );
  };
  const { videos, frames, prefix, prompt, answer, reasoning } = batch;
  const { image_size: image } = config.vision_config;
  return {
    pixels: noise(rng.fork('pixels'), videos * frames * 3 * image * image, 1),
    input: {
      frames,
      ...(prefix > 0 ? { framePrefixes: rows('prefix', frames, prefix) } : {}),
      prompts: rows('prompt', videos, prompt).map((row) => [...video, ...row]),
    },
    targets: [
      { name: 'qa', rows: rows('answer', videos, answer) },
      ...(reasoning > 0 ? [{ name: 'reasoning', rows: rows('reasoning', videos, reasoning) }] : []),
    ],
  };
}

/** Features of the frozen vision model for pixels on the host. @returns {import('@tensorflow/tfjs-core').Tensor3D} */
export function visionFeatures({ tf }, student, pixels) {
  const { imageSize: image } = student.preprocessing;
  const images = pixels.length / (3 * image * image);
  return tf.tidy(() => student.features(tf.tensor4d(pixels, [images, 3, image, image])));
}
