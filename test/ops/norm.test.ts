/** Layer and RMS normalisation. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { adamwStep, layerNorm, rmsNorm } from '../../src/ops/index.js';
import { layerNormReference, rmsNormReference } from './reference.js';
import { compareWithReference, largestError, normal, onEveryForm, toTensor } from './support.js';

const SIZES: [number, number][] = [
  [1, 2],
  [3, 16],
  [5, 17],
  [2, 100],
  [130, 9],
];

onEveryForm('norm', () => {
  it.each(SIZES)('layerNorm equals float64, values and gradients: %i rows of %i', (rows, d) => {
    const rng = new Rng(rows * 1000 + d);
    const errors = compareWithReference({
      rng,
      inputs: { x: normal(rng, [rows, d]), weight: normal(rng, [d]), bias: normal(rng, [d]) },
      op: (t) => layerNorm(t.x!, t.weight as tf.Tensor1D, t.bias as tf.Tensor1D, 1e-5),
      reference: (t) => layerNormReference(t, d, 1e-5),
    });
    expect(errors.value).toBeLessThan(1e-5);
    for (const [name, error] of Object.entries(errors.gradients)) expect(error, name).toBeLessThan(2e-5);
  });

  it.each(SIZES)('rmsNorm equals float64, values and gradients: %i rows of %i', (rows, d) => {
    const rng = new Rng(rows * 1000 + d);
    const errors = compareWithReference({
      rng,
      inputs: { x: normal(rng, [rows, d]), weight: normal(rng, [d]) },
      op: (t) => rmsNorm(t.x!, t.weight as tf.Tensor1D, 1e-6),
      reference: (t) => rmsNormReference(t, d, 1e-6),
    });
    expect(errors.value).toBeLessThan(1e-5);
    for (const [name, error] of Object.entries(errors.gradients)) expect(error, name).toBeLessThan(2e-5);
  });

  it.each([
    ['no zero', 2 ** -7],
    ['a zero', 0],
  ])(
    'rmsNorm gives its gradient when the result may be stored in bf16, with %s in the weight',
    (which, most) => {
      const rng = new Rng(which);
      const [rows, d] = [7, 20];
      const [x, dy] = [toTensor(normal(rng, [rows, d])), toTensor(normal(rng, [rows, d]))];
      const values = normal(rng, [d]);
      if (most === 0) values.data[3] = 0;
      const weight = tf.variable(toTensor<tf.Tensor1D>(values), false) as unknown as tf.Tensor1D;
      const gradient = (bf16: boolean): ArrayLike<number> =>
        tf
          .grad((x) => rmsNorm(x, weight, 1e-6, bf16))(x, dy)
          .dataSync();
      // What divides by the weight must not meet a zero: the operand itself is kept then.
      expect(largestError(gradient(true), gradient(false))).toBeLessThanOrEqual(most);
      tf.dispose(weight);
    },
  );

  it('rmsNorm knows of zeros that an optimizer put into a weight that is frozen again', () => {
    const rng = new Rng('refrozen');
    const [x, dy] = [toTensor(normal(rng, [4, 8])), toTensor(normal(rng, [4, 8]))];
    const weight = tf.variable(tf.ones([8]) as tf.Tensor1D, false);
    const gradient = (): number[] => [
      ...tf
        .grad((x) => rmsNorm(x, weight as unknown as tf.Tensor1D, 1e-6, true))(x, dy)
        .dataSync(),
    ];
    expect(gradient().some((value) => value !== 0)).toBe(true);
    const [m, v] = [tf.variable(tf.zeros([8]), false), tf.variable(tf.zeros([8]), false)];
    const group = { parameter: weight as tf.Variable, m, v, weightDecay: 1, learningRate: 1 };
    const hyper = { beta1: 0.9, beta2: 0.999, eps: 1e-8, step: 1, gradScale: 1 };
    weight.trainable = true;
    gradient();
    // p -= p, in place.
    adamwStep([group], [tf.zeros([8])], hyper);
    weight.trainable = false;
    expect(gradient().every((value) => value === 0)).toBe(true);
    tf.dispose([weight, m, v]);
  });

  it('layerNorm keeps its accuracy when the mean is 1000 times the deviation', () => {
    const rng = new Rng(4);
    const d = 64;
    const x = normal(rng, [3, d]);
    for (let i = 0; i < x.data.length; i++) x.data[i] = Math.fround(x.data[i]! + 1000);
    const weight = normal(rng, [d]);
    const bias = normal(rng, [d]);
    const y = layerNorm(toTensor(x), toTensor<tf.Tensor1D>(weight), toTensor<tf.Tensor1D>(bias), 1e-5);
    const expected = layerNormReference({ x: x.data, weight: weight.data, bias: bias.data }, d, 1e-5);
    y.dataSync().forEach((value, i) => {
      expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-3);
    });
  });

  it('passes a NaN on within its row only', () => {
    const x = normal(new Rng(8), [3, 10]);
    x.data[14] = Number.NaN;
    const ones = tf.ones([10]) as tf.Tensor1D;
    for (const y of [layerNorm(toTensor(x), ones, ones, 1e-5), rmsNorm(toTensor(x), ones, 1e-5)]) {
      const values = y.dataSync();
      expect([...values.keys()].filter((i) => Number.isNaN(values[i]!))).toEqual(
        Array.from({ length: 10 }, (_, i) => 10 + i),
      );
    }
  });

  it('leaves the gradient of frozen weights out', () => {
    const rng = new Rng(9);
    const weight = tf.variable(toTensor<tf.Tensor1D>(normal(rng, [6])), false) as unknown as tf.Tensor1D;
    const errors = compareWithReference({
      rng,
      inputs: { x: normal(rng, [4, 6]) },
      op: (t) => rmsNorm(t.x!, weight, 1e-6),
      reference: (t) => rmsNormReference({ ...t, weight: Float64Array.from(weight.dataSync()) }, 6, 1e-6),
    });
    expect(errors.gradients.x).toBeLessThan(2e-5);
    weight.dispose();
  });

  it('names operation, shapes and expectation when shapes do not fit', () => {
    const x = tf.zeros([2, 3]);
    const short = tf.zeros([2]) as tf.Tensor1D;
    expect(() => rmsNorm(x, short, 1e-6)).toThrow(/rmsNorm: got x \(2, 3\), weight \(2\); expected/);
    expect(() => layerNorm(x, tf.zeros([3]) as tf.Tensor1D, short, 1e-6)).toThrow(/layerNorm: .*bias \(2\)/);
  });
});
