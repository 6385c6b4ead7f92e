/** AdamW against float64, with decay, clipping and state. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { Parameter } from '../../src/model/layers/module.js';
import { AdamW, type OptimizerSettings } from '../../src/training/optimizer.js';
import { onEngines } from '../model/support.js';

const SETTINGS: OptimizerSettings = { beta1: 0.9, beta2: 0.98, eps: 1e-8, weightDecay: 0.05, clipNorm: 0 };
const SHAPES = { 'a.weight': [5, 3], 'a.bias': [5], tokens: [1, 4, 2], 'b.lora_A.weight': [2, 7] };

function parameter(name: string, shape: number[], rng: Rng): Parameter {
  const made = new Parameter(name, shape, 'zeros', (p, value) =>
    tf.variable(value, true, `${p.name}-${rng.uint32()}`),
  );
  const size = shape.reduce((a, b) => a * b, 1);
  made.set(
    tf.tensor(
      Float32Array.from({ length: size }, () => rng.normal()),
      shape,
    ),
  );
  return made;
}

/** AdamW in float64 (Loshchilov and Hutter 2019, algorithm 2, with the bias corrections of Adam). */
class Truth {
  readonly p: Float64Array;
  private readonly m: Float64Array;
  private readonly v: Float64Array;
  constructor(values: ArrayLike<number>) {
    this.p = Float64Array.from(values);
    this.m = new Float64Array(values.length);
    this.v = new Float64Array(values.length);
  }
  update(
    grad: ArrayLike<number>,
    step: number,
    rate: number,
    decay: number,
    { beta1, beta2, eps }: OptimizerSettings,
  ) {
    for (let i = 0; i < this.p.length; i++) {
      const g = grad[i]!;
      this.m[i] = beta1 * this.m[i]! + (1 - beta1) * g;
      this.v[i] = beta2 * this.v[i]! + (1 - beta2) * g * g;
      const mHat = this.m[i]! / (1 - beta1 ** step);
      const vHat = this.v[i]! / (1 - beta2 ** step);
      this.p[i] = this.p[i]! * (1 - rate * decay) - (rate * mHat) / (Math.sqrt(vHat) + eps);
    }
  }
}

onEngines(
  'AdamW over the trainable parameters',
  ['native-cpu', 'native-cuda', 'cpu', 'wasm', 'tensorflow'],
  () => {
    it.each([
      ['plainly', {}, 1],
      ['with gradients scaled by the accumulated batches', {}, 0.25],
      ['clipped', { clipNorm: 0.5 }, 1],
      ['clipped and scaled', { clipNorm: 0.01 }, 0.5],
      ['with a limit that is not reached', { clipNorm: 1e6 }, 1],
    ])('follows float64 %s', (_, changed, scale) => {
      const settings = { ...SETTINGS, ...changed };
      const rng = new Rng('adamw');
      const parameters = Object.entries(SHAPES).map(([name, shape]) => parameter(name, shape, rng));
      const truths = parameters.map((p) => new Truth(p.value.dataSync()));
      const optimizer = new AdamW(parameters, settings);
      const rateOf = (p: Parameter) => (p.name.includes('lora') ? 3e-2 : 1e-2);
      for (let step = 1; step <= 12; step++) {
        const grads = parameters.map((p) =>
          Float32Array.from({ length: p.size }, () => rng.normal() * 10 ** rng.int(3)),
        );
        const norm = scale * Math.sqrt(grads.flatMap((g) => [...g]).reduce((sum, g) => sum + g * g, 0));
        const tensors = grads.map((g, i) => tf.tensor(g, parameters[i]!.shape));
        const reported = optimizer.update(tensors, rateOf, scale);
        if (settings.clipNorm > 0) expect(reported / norm).toBeCloseTo(1, 5);
        else expect(reported).toBeNaN();
        const clip = settings.clipNorm > 0 ? Math.min(1, settings.clipNorm / (norm + 1e-6)) : 1;
        parameters.forEach((p, i) => {
          // One-dimensional tensors are not decayed; three-dimensional query tokens are.
          const decay = p.shape.length > 1 ? settings.weightDecay : 0;
          truths[i]!.update(
            grads[i]!.map((g) => g * scale * clip),
            step,
            rateOf(p),
            decay,
            settings,
          );
          const actual = p.value.dataSync();
          for (let j = 0; j < actual.length; j++) expect(actual[j]).toBeCloseTo(truths[i]!.p[j]!, 4);
        });
        tf.dispose(tensors);
      }
      expect(optimizer.step).toBe(12);
      expect([...optimizer.state()].map(([name]) => name)).toEqual(
        Object.keys(SHAPES).flatMap((name) => [`${name}.m`, `${name}.v`]),
      );
      optimizer.dispose();
      for (const p of parameters) p.value.dispose();
    });

    it('holds two moments a parameter and keeps nothing else', () => {
      const before = tf.memory().numTensors;
      const rng = new Rng('memory');
      const parameters = [parameter('w', [3, 3], rng)];
      const optimizer = new AdamW(parameters, { ...SETTINGS, clipNorm: 1 });
      const grad = tf.ones([3, 3]);
      for (let i = 0; i < 5; i++) optimizer.update([grad], () => 0.1);
      expect(tf.memory().numTensors).toBe(before + 4);
      grad.dispose();
      optimizer.dispose();
      parameters[0]!.value.dispose();
      expect(tf.memory().numTensors).toBe(before);
    });
  },
);
