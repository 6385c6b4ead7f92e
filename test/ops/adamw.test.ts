/** AdamW and the global gradient norm. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { adamwStep, globalNorm } from '../../src/ops/index.js';
import { largestError, normal, onEveryForm, toTensor, type Values } from './support.js';

/** torch.optim.AdamW's single-tensor update in float64. */
class ReferenceAdamW {
  readonly m: Float64Array;
  readonly v: Float64Array;

  constructor(
    readonly p: Float64Array,
    readonly lr: number,
    readonly wd: number,
  ) {
    this.m = new Float64Array(p.length);
    this.v = new Float64Array(p.length);
  }

  step(g: Float64Array, t: number): void {
    const [beta1, beta2, eps] = [0.9, 0.98, 1e-8];
    for (let i = 0; i < g.length; i++) {
      this.p[i]! *= 1 - this.lr * this.wd;
      this.m[i] = beta1 * this.m[i]! + (1 - beta1) * g[i]!;
      this.v[i] = beta2 * this.v[i]! + (1 - beta2) * g[i]! * g[i]!;
      const mHat = this.m[i]! / (1 - beta1 ** t);
      const vHat = this.v[i]! / (1 - beta2 ** t);
      this.p[i]! -= (this.lr * mHat) / (Math.sqrt(vHat) + eps);
    }
  }
}

function group(values: Values, learningRate: number, weightDecay: number) {
  const parameter = tf.variable(toTensor(values));
  const m = tf.variable(tf.zeros(values.shape), false);
  const v = tf.variable(tf.zeros(values.shape), false);
  return { parameter, m, v, learningRate, weightDecay };
}

onEveryForm('adamwStep', () => {
  it('follows float64 AdamW for 20 steps over tensors of odd sizes, each with its own rate and decay', () => {
    const rng = new Rng('adamw');
    const starts = [[1], [7, 5], [33, 17], [4, 3, 2], [0]].map((shape) => normal(rng, shape));
    const settings = starts.map((_, i) => ({ lr: 1e-2 / (i + 1), wd: i % 2 ? 0.05 : 0 }));
    const groups = starts.map((s, i) => group(s, settings[i]!.lr, settings[i]!.wd));
    const references = starts.map(
      (s, i) => new ReferenceAdamW(Float64Array.from(s.data), settings[i]!.lr, settings[i]!.wd),
    );
    const before = tf.memory().numTensors;
    for (let step = 1; step <= 20; step++) {
      const grads = starts.map((s) => normal(rng, s.shape, 4));
      const tensors = grads.map((g) => toTensor(g));
      adamwStep(groups, tensors, { beta1: 0.9, beta2: 0.98, eps: 1e-8, step, gradScale: 0.25 });
      tf.dispose(tensors);
      references.forEach((reference, i) => {
        reference.step(
          grads[i]!.data.map((g) => g * 0.25),
          step,
        );
      });
    }
    expect(tf.memory().numTensors).toBe(before);
    groups.forEach((g, i) => {
      expect(largestError(g.parameter.dataSync(), references[i]!.p)).toBeLessThan(1e-5);
      expect(largestError(g.m.dataSync(), references[i]!.m)).toBeLessThan(1e-5);
      expect(largestError(g.v.dataSync(), references[i]!.v)).toBeLessThan(1e-5);
    });
    for (const g of groups) tf.dispose([g.parameter, g.m, g.v]);
  });

  it('leaves tensors that share a buffer with the parameter as they were', () => {
    const rng = new Rng('alias');
    const g = group(normal(rng, [9]), 0.1, 0);
    const snapshot = tf.clone(g.parameter);
    const expected = [...snapshot.dataSync()];
    const grad = toTensor(normal(rng, [9]));
    const hyper = { beta1: 0.9, beta2: 0.99, eps: 1e-8, gradScale: 1 };
    adamwStep([g], [grad], { ...hyper, step: 1 });
    adamwStep([g], [grad], { ...hyper, step: 2 });
    expect([...snapshot.dataSync()]).toEqual(expected);
    expect([...g.parameter.dataSync()]).not.toEqual(expected);
    tf.dispose([snapshot, g.parameter, g.m, g.v, grad]);
  });

  it('moves to NaN where the gradient is NaN, and only there', () => {
    const g = group({ shape: [3], data: Float64Array.of(1, 2, 3) }, 0.1, 0);
    adamwStep([g], [tf.tensor1d([1, Number.NaN, 1])], {
      beta1: 0.9,
      beta2: 0.99,
      eps: 1e-8,
      step: 1,
      gradScale: 1,
    });
    expect([...g.parameter.dataSync()].map(Number.isNaN)).toEqual([false, true, false]);
    tf.dispose([g.parameter, g.m, g.v]);
  });

  it('names the parameter whose shapes do not fit', () => {
    const g = { ...group({ shape: [3], data: new Float64Array(3) }, 0.1, 0) };
    const hyper = { beta1: 0.9, beta2: 0.99, eps: 1e-8, step: 1, gradScale: 1 };
    expect(() => adamwStep([g], [tf.zeros([4])], hyper)).toThrow(
      `adamwStep of ${g.parameter.name}: got parameter (3)`,
    );
    expect(() => adamwStep([g], [], hyper)).toThrow(/0 gradients for 1 parameters/);
    expect(() => adamwStep([g], [tf.zeros([3])], { ...hyper, step: 0 })).toThrow(/step 0/);
    tf.dispose([g.parameter, g.m, g.v]);
  });
});

onEveryForm('globalNorm', () => {
  it('equals float64 over many tensors', () => {
    const rng = new Rng('norm');
    const values = [[1], [100], [37, 41], [0], [3, 3, 3]].map((shape) => normal(rng, shape, 3));
    const sum = values.reduce((total, v) => total + v.data.reduce((a, x) => a + x * x, 0), 0);
    const norm = globalNorm(values.map((v) => toTensor(v)));
    expect(norm.shape).toEqual([]);
    expect(Math.abs(norm.dataSync()[0]! / Math.sqrt(sum) - 1)).toBeLessThan(1e-6);
  });

  it('is NaN with a NaN, infinite with an infinity, 0 of nothing', () => {
    const ones = tf.ones([20]);
    expect(globalNorm([ones, tf.tensor1d([Number.NaN])]).dataSync()[0]).toBeNaN();
    expect(globalNorm([tf.tensor1d([Number.NEGATIVE_INFINITY]), ones]).dataSync()[0]).toBe(
      Number.POSITIVE_INFINITY,
    );
    expect(globalNorm([]).dataSync()[0]).toBe(0);
  });
});
