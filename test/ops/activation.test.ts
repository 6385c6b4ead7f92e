/** GELU, gated GELU and gated SiLU. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { BACKEND_NAME } from '../../src/engine/native/backend.js';
import { nativeDevice } from '../../src/engine/native/load.js';
import { dropout, gatedGelu, gatedSilu, gelu } from '../../src/ops/index.js';
import { geluReference } from './reference.js';
import { compareWithReference, FUSED_TENSORFLOW, normal, onEveryForm, toTensor } from './support.js';

const FORMS_OF_GELU = ['erf', 'tanh'] as const;

onEveryForm('activation', (form) => {
  it.each(FORMS_OF_GELU)('gelu (%s) equals float64, value and gradient', (kind) => {
    const rng = new Rng(kind);
    for (const shape of [[1], [3, 5], [2, 33], [200]]) {
      const errors = compareWithReference({
        rng,
        inputs: { x: normal(rng, shape, 2) },
        op: (t) => gelu(t.x!, kind),
        reference: (t) => t.x!.map((x) => geluReference(x, kind)),
      });
      expect(errors.value).toBeLessThan(2e-6);
      expect(errors.gradients.x).toBeLessThan(5e-6);
    }
  });

  it.each(FORMS_OF_GELU)('gatedGelu (%s) equals float64, value and gradients', (kind) => {
    const rng = new Rng(`gated ${kind}`);
    const errors = compareWithReference({
      rng,
      inputs: { gate: normal(rng, [3, 37], 2), up: normal(rng, [3, 37]) },
      op: (t) => gatedGelu(t.gate!, t.up!, kind),
      reference: (t) => t.gate!.map((x, i) => geluReference(x, kind) * t.up![i]!),
    });
    expect(errors.value).toBeLessThan(2e-6);
    for (const error of Object.values(errors.gradients)) expect(error).toBeLessThan(5e-6);
  });

  it('gatedSilu equals float64, value and gradients, and its dropout is that of the product', () => {
    const rng = new Rng('silu');
    for (const shape of [[1], [3, 37], [2, 5, 16]]) {
      const errors = compareWithReference({
        rng,
        inputs: { gate: normal(rng, shape, 3), up: normal(rng, shape) },
        op: (t) => gatedSilu(t.gate!, t.up!),
        reference: (t) => t.gate!.map((x, i) => (x / (1 + Math.exp(-x))) * t.up![i]!),
      });
      expect(errors.value).toBeLessThan(2e-6);
      for (const error of Object.values(errors.gradients)) expect(error).toBeLessThan(5e-6);
    }
    const [gate, up] = [0, 1].map(() => toTensor(normal(rng, [3, 37])));
    const key = { rate: 0.3, seed: 5, step: 2, call: 9 };
    const dropped = gatedSilu(gate!, up!, { dropout: key }).dataSync();
    const expected = dropout(gatedSilu(gate!, up!), key).dataSync();
    for (const [i, value] of expected.entries()) expect(dropped[i]).toBeCloseTo(value, 5);
    expect([...gatedSilu(tf.tensor1d([-1e30, 1e30, 0]), tf.ones([3])).dataSync()]).toEqual([
      expect.closeTo(0, 20),
      Math.fround(1e30),
      0,
    ]);
  });

  it.each([
    [1, 1],
    [3, 37],
    [2, 64],
    [5, 130],
    [0, 4],
  ])(
    'gatedGelu with dropout is dropout of gatedGelu to the bit, gradients included: %i x %i',
    (rows, columns) => {
      const rng = new Rng(`dropped ${rows}`);
      const [gate, up, dy] = [0, 1, 2].map(() => toTensor(normal(rng, [rows, columns])));
      const key = { rate: 0.3, seed: 5, step: 2, call: 9 };
      const gradients = (f: (gate: tf.Tensor, up: tf.Tensor) => tf.Tensor) => {
        const { value, grads } = tf.valueAndGrads((...t: tf.Tensor[]) => f(t[0]!, t[1]!))([gate!, up!], dy);
        return [value, ...grads].map((tensor) => [...tensor.dataSync()]);
      };
      const both = gradients((g, u) => gatedGelu(g, u, 'erf', { dropout: key }));
      expect(both).toEqual(gradients((g, u) => dropout(gatedGelu(g, u, 'erf'), key)));
      expect(both).not.toEqual(rows === 0 ? [] : gradients((g, u) => gatedGelu(g, u, 'erf')));
    },
  );

  it('keeps large values, zeros and NaN as they must be', () => {
    const x = tf.tensor1d([-100, -20, 0, 20, 100, Number.NaN, Number.POSITIVE_INFINITY]);
    for (const kind of FORMS_OF_GELU) {
      const y = gelu(x, kind).dataSync();
      expect([...y.slice(0, 5)].map((v) => v + 0)).toEqual([0, 0, 0, 20, 100]);
      expect(y[5]).toBeNaN();
      expect(y[6]).toBe(Number.POSITIVE_INFINITY);
    }
  });

  // The tensorflow engine has no such kernel.
  if (form.fused && form !== FUSED_TENSORFLOW)
    it('gelu (erf) is within 5e-7 of float64, relative, tails included (3e-6 without FMA)', () => {
      const n = 4001;
      const x = Float32Array.from({ length: n }, (_, i) => (i - 2000) / 400);
      const y = gelu(tf.tensor1d(x), 'erf').dataSync();
      let worst = 0;
      for (let i = 0; i < n; i++) {
        const expected = geluReference(x[i]!, 'erf');
        if (expected !== 0) worst = Math.max(worst, Math.abs(y[i]! / expected - 1));
      }
      const plain = form.backend === BACKEND_NAME && nativeDevice().isa() === 'plain';
      expect(worst).toBeLessThan(plain ? 3e-6 : 5e-7);
    });

  it('names operation and shapes when shapes do not fit', () => {
    expect(() => gatedGelu(tf.zeros([2, 3]), tf.zeros([3, 2]), 'erf')).toThrow(
      /gatedGelu: got gate \(2, 3\), up \(3, 2\); expected gate and up of one shape/,
    );
  });
});
