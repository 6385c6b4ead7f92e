/** A small encoder-decoder step in plain tfjs operations: what the native kernels must carry without help. */
import * as tf from '@tensorflow/tfjs-core';
import { Rng } from '../../src/base/random.js';

const VOCABULARY = 50;
const WIDTH = 24;
const HEADS = 3;
const LENGTH = 7;
const BATCH = 4;

export interface TinyModel {
  variables: Record<string, tf.Variable>;
  loss(tokens: tf.Tensor2D, image: tf.Tensor4D, target: tf.Tensor2D, dropout: tf.Tensor): tf.Scalar;
}

/** Embedding, conv patch embedding, one attention block with relative bias, gated GELU, cross-entropy. */
export function tinyModel(seed: number): TinyModel {
  const rng = new Rng(seed);
  const variables: Record<string, tf.Variable> = {};
  const weight = (name: string, shape: number[]): void => {
    const values = Float32Array.from({ length: tf.util.sizeFromShape(shape) }, () => rng.normal() * 0.2);
    variables[name] = tf.tidy(() => tf.variable(tf.tensor(values, shape)));
  };
  weight('embedding', [VOCABULARY, WIDTH]);
  weight('patch', [4, 4, 3, WIDTH]);
  weight('bias', [8, HEADS]);
  for (const name of ['q', 'k', 'v', 'o', 'wi0']) weight(name, [WIDTH, WIDTH]);
  weight('wi1', [WIDTH, WIDTH]);
  weight('scale', [WIDTH]);
  return { variables, loss: (...args) => loss(variables as never, ...args) };
}

function rmsNorm(x: tf.Tensor, scale: tf.Tensor): tf.Tensor {
  return tf.mul(tf.mul(x, tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), 1e-6))), scale);
}

function split(x: tf.Tensor): tf.Tensor {
  return tf.transpose(tf.reshape(x, [BATCH, -1, HEADS, WIDTH / HEADS]), [0, 2, 1, 3]);
}

function loss(
  w: Record<string, tf.Tensor>,
  tokens: tf.Tensor2D,
  image: tf.Tensor4D,
  target: tf.Tensor2D,
  dropout: tf.Tensor,
): tf.Scalar {
  const words = tf.gather(w.embedding!, tokens);
  const patches = tf.reshape(tf.conv2d(image, w.patch as tf.Tensor4D, 4, 'valid'), [BATCH, 4, WIDTH]);
  let x = tf.concat([patches, words], 1) as tf.Tensor;
  const total = LENGTH + 4;
  const normed = rmsNorm(x, w.scale!);
  const project = (name: string): tf.Tensor =>
    split(
      tf.reshape(tf.matMul(tf.reshape(normed, [-1, WIDTH]), w[name] as tf.Tensor2D), [BATCH, total, WIDTH]),
    );
  const distance = tf.abs(
    tf.sub(tf.expandDims(tf.range(0, total, 1, 'int32'), 1), tf.range(0, total, 1, 'int32')),
  );
  const bias = tf.transpose(tf.gather(w.bias!, tf.minimum(distance, tf.scalar(7, 'int32'))), [2, 0, 1]);
  const scores = tf.add(tf.matMul(project('q'), project('k'), false, true), bias);
  const mixed = tf.matMul(tf.softmax(scores), project('v'));
  const merged = tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [BATCH * total, WIDTH]);
  const attended = tf.reshape(tf.matMul(merged, w.o as tf.Tensor2D), [BATCH, total, WIDTH]);
  x = tf.add(x, tf.mul(attended, dropout));
  const flat = tf.reshape(rmsNorm(x, w.scale!), [-1, WIDTH]) as tf.Tensor2D;
  const gate = tf.matMul(flat, w.wi0 as tf.Tensor2D);
  const cubic = tf.mul(tf.add(gate, tf.mul(tf.pow(gate, 3), 0.044715)), Math.sqrt(2 / Math.PI));
  const gelu = tf.mul(tf.mul(gate, 0.5), tf.add(tf.tanh(cubic), 1));
  const exact = tf.mul(tf.matMul(flat, w.wi1 as tf.Tensor2D), tf.add(tf.erf(gate), 1));
  x = tf.add(x, tf.reshape(tf.mul(gelu, exact), [BATCH, total, WIDTH]));
  const last = tf.slice(x, [0, 4, 0], [BATCH, LENGTH, WIDTH]);
  const logits = tf.matMul(tf.reshape(last, [-1, WIDTH]), w.embedding as tf.Tensor2D, false, true);
  const flatTarget = tf.reshape(target, [-1]);
  const kept = tf.notEqual(flatTarget, tf.scalar(0, 'int32'));
  const picked = tf.sum(tf.mul(tf.logSoftmax(logits), tf.oneHot(flatTarget, VOCABULARY, 1, 0)), -1);
  const counted = tf.where(kept, picked, tf.zerosLike(picked));
  return tf.neg(tf.div(tf.sum(counted), tf.sum(tf.cast(kept, 'float32')))) as tf.Scalar;
}

/** The batch of step `step`, the same on every engine. */
export function tinyBatch(step: number): [tf.Tensor2D, tf.Tensor4D, tf.Tensor2D, tf.Tensor] {
  const rng = new Rng(`batch ${step}`);
  const ids = (): Int32Array => Int32Array.from({ length: BATCH * LENGTH }, () => rng.int(VOCABULARY));
  const pixels = Float32Array.from({ length: BATCH * 8 * 8 * 3 }, () => rng.normal());
  const mask = Float32Array.from({ length: BATCH * (LENGTH + 4) * WIDTH }, () =>
    rng.float() < 0.1 ? 0 : 1 / 0.9,
  );
  return [
    tf.tensor2d(ids(), [BATCH, LENGTH], 'int32'),
    tf.tensor4d(pixels, [BATCH, 8, 8, 3]),
    tf.tensor2d(ids(), [BATCH, LENGTH], 'int32'),
    tf.tensor(mask, [BATCH, LENGTH + 4, WIDTH]),
  ];
}

/** One step of AdamW with clipping by the global norm, in plain operations; returns the loss. */
export function trainStep(
  model: TinyModel,
  state: Map<string, [tf.Variable, tf.Variable]>,
  step: number,
): number {
  return tf.tidy(() => {
    const batch = tinyBatch(step % 2);
    const { value, grads } = tf.variableGrads(() => model.loss(...batch));
    const squares = Object.values(grads).map((g) => tf.sum(tf.square(g)));
    const norm = tf.sqrt(tf.addN(squares));
    const factor = tf.minimum(tf.div(tf.scalar(1), tf.add(norm, 1e-6)), tf.scalar(1));
    for (const [name, variable] of Object.entries(model.variables)) {
      const g = tf.mul(grads[variable.name]!, factor);
      let moments = state.get(name);
      if (!moments) {
        moments = [tf.variable(tf.zerosLike(g)), tf.variable(tf.zerosLike(g))];
        state.set(name, moments);
      }
      moments[0].assign(tf.add(tf.mul(moments[0], 0.9), tf.mul(g, 0.1)));
      moments[1].assign(tf.add(tf.mul(moments[1], 0.999), tf.mul(tf.square(g), 0.001)));
      const rate = 0.01 / (1 - 0.9 ** (step + 1));
      const root = tf.add(tf.sqrt(tf.div(moments[1], 1 - 0.999 ** (step + 1))), 1e-8);
      variable.assign(tf.sub(tf.mul(variable, 1 - 0.01 * 0.01), tf.mul(tf.div(moments[0], root), rate)));
    }
    return value.dataSync()[0]!;
  });
}
