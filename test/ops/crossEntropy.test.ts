/** Cross-entropy of a linear head in chunks. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { embedding, linearCrossEntropy } from '../../src/ops/index.js';
import { crossEntropyReference } from './reference.js';
import { compareWithReference, normal, onEveryForm, toTensor } from './support.js';

const CASES = [
  { N: 1, V: 2, d: 1, chunk: 256 },
  { N: 9, V: 33, d: 7, chunk: 4 },
  { N: 20, V: 50, d: 12, chunk: 3 },
];

function someLabels(rng: Rng, N: number, V: number): Int32Array {
  return Int32Array.from({ length: N }, () => (rng.float() < 0.3 ? -100 : rng.int(V)));
}

onEveryForm('linearCrossEntropy', () => {
  it.each(CASES)('equals float64, values and gradients, with ignored rows: %j', ({ N, V, d, chunk }) => {
    const rng = new Rng(`${N} ${V} ${d}`);
    const labels = someLabels(rng, N, V);
    labels[N - 1] = V - 1;
    const errors = compareWithReference({
      rng,
      inputs: { hidden: normal(rng, [N, d]), weight: normal(rng, [V, d]) },
      op: (t) => linearCrossEntropy(t.hidden as tf.Tensor2D, t.weight as tf.Tensor2D, labels, chunk),
      reference: (t) => crossEntropyReference(t, labels, V, d),
    });
    expect(errors.value).toBeLessThan(1e-5);
    for (const [name, error] of Object.entries(errors.gradients)) expect(error, name).toBeLessThan(1e-5);
  });

  it('gives one table that is embedding and head the sum of both gradients', () => {
    const rng = new Rng('tied');
    const [N, V, d] = [9, 14, 5];
    const [ids, labels] = [someLabels(rng, N, V).map((id) => Math.max(0, id)), someLabels(rng, N, V)];
    const errors = compareWithReference({
      rng,
      inputs: { table: normal(rng, [V, d]) },
      op: ({ table }) => {
        const rows = embedding(tf.tensor1d(ids, 'int32'), table as tf.Tensor2D);
        return linearCrossEntropy(rows as tf.Tensor2D, table as tf.Tensor2D, labels, 4);
      },
      reference: ({ table }) => {
        const hidden = Float64Array.from(
          { length: N * d },
          (_, i) => table![ids[Math.floor(i / d)]! * d + (i % d)]!,
        );
        return crossEntropyReference({ hidden, weight: table! }, labels, V, d);
      },
    });
    expect(errors.value).toBeLessThan(1e-5);
    expect(errors.gradients.table).toBeLessThan(1e-5);
  });

  it('gives the hidden gradient through a frozen weight, the same for every chunk size', () => {
    const rng = new Rng(4);
    const [N, V, d] = [13, 21, 6];
    const labels = someLabels(rng, N, V);
    const values = normal(rng, [V, d]);
    const weight = tf.variable(toTensor<tf.Tensor2D>(values), false) as unknown as tf.Tensor2D;
    for (const chunk of [1, 5, 256]) {
      const errors = compareWithReference({
        rng,
        inputs: { hidden: normal(rng, [N, d]) },
        op: (t) => linearCrossEntropy(t.hidden as tf.Tensor2D, weight, labels, chunk),
        reference: (t) => crossEntropyReference({ ...t, weight: values.data }, labels, V, d),
      });
      expect(errors.value).toBeLessThan(1e-5);
      expect(errors.gradients.hidden).toBeLessThan(1e-5);
    }
    weight.dispose();
  });

  it('is all zeros, with zero gradients, when every row is ignored', () => {
    const rng = new Rng(5);
    const hidden = toTensor<tf.Tensor2D>(normal(rng, [4, 3]));
    const weight = toTensor<tf.Tensor2D>(normal(rng, [7, 3]));
    const labels = new Int32Array(4).fill(-100);
    expect([...linearCrossEntropy(hidden, weight, labels).dataSync()]).toEqual([0, 0, 0, 0]);
    const gradient = tf.grad((h) =>
      tf.add(tf.sum(linearCrossEntropy(h as tf.Tensor2D, weight, labels)), tf.mul(tf.sum(h), 0)),
    )(hidden);
    expect([...gradient.dataSync()].every((x) => x === 0)).toBe(true);
  });

  it('stays finite with logits near the end of the float32 range', () => {
    const hidden = tf.tensor2d([1e18, -1e18], [2, 1]);
    const weight = tf.tensor2d([1e18, 1, -1e18], [3, 1]);
    const loss = linearCrossEntropy(hidden, weight, Int32Array.of(0, 2)).dataSync();
    expect([...loss]).toEqual([0, 0]);
  });

  it('does not let a NaN in an ignored row reach the other rows', () => {
    const rng = new Rng(6);
    const values = normal(rng, [3, 4]);
    values.data[5] = Number.NaN;
    const weight = toTensor<tf.Tensor2D>(normal(rng, [5, 4]));
    const run = (labels: Int32Array): Float32Array =>
      linearCrossEntropy(toTensor<tf.Tensor2D>(values), weight, labels).dataSync() as Float32Array;
    expect([...run(Int32Array.of(1, -100, 2))].every(Number.isFinite)).toBe(true);
    expect([...run(Int32Array.of(1, 3, 2))].map(Number.isNaN)).toEqual([false, true, false]);
  });

  it('names the row and the label that is outside the vocabulary', () => {
    const hidden = tf.zeros([2, 3]) as tf.Tensor2D;
    const weight = tf.zeros([5, 3]) as tf.Tensor2D;
    const message = /label 5 at row 1; expected 0 to 4, or -100 to ignore/;
    expect(() => linearCrossEntropy(hidden, weight, Int32Array.of(0, 5))).toThrow(message);
    expect(() => linearCrossEntropy(hidden, weight, Int32Array.of(0, -1))).toThrow(/label -1 at row 1/);
    expect(() => linearCrossEntropy(hidden, weight, Int32Array.of(0))).toThrow(/1 labels for 2 rows/);
    expect(() => linearCrossEntropy(hidden, tf.zeros([5, 4]) as tf.Tensor2D, Int32Array.of(0, 1))).toThrow(
      /hidden \(2, 3\), weight \(5, 4\)/,
    );
  });
});
