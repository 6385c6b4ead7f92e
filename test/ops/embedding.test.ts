/** Rows of an embedding table and their gradient. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { embedding } from '../../src/ops/index.js';
import { compareWithReference, normal, onEveryForm, toTensor } from './support.js';

onEveryForm('embedding', () => {
  it.each([
    [1, 1, 1],
    [7, 5, 11],
    [50, 33, 24],
  ])('looks rows up and adds repeated rows in the gradient: table (%i, %i), %i ids', (V, d, n) => {
    const rng = new Rng(V * d);
    const ids = Int32Array.from({ length: n }, () => rng.int(V));
    const errors = compareWithReference({
      rng,
      inputs: { table: normal(rng, [V, d]) },
      op: (t) => embedding(tf.tensor1d(ids, 'int32'), t.table as tf.Tensor2D),
      reference: (t) =>
        Float64Array.from({ length: n * d }, (_, i) => t.table![ids[Math.floor(i / d)]! * d + (i % d)]!),
    });
    expect(errors.value).toBe(0);
    expect(errors.gradients.table).toBeLessThan(1e-5);
  });

  it('keeps the axes of the ids', () => {
    const table = toTensor<tf.Tensor2D>(normal(new Rng(1), [4, 3]));
    const y = embedding(tf.tensor2d([3, 0, 1, 1, 2, 3], [2, 3], 'int32'), table);
    expect(y.shape).toEqual([2, 3, 3]);
    expect([...y.dataSync().slice(0, 3)]).toEqual([...table.dataSync().slice(9, 12)]);
  });

  it.each([[-1], [4], [2 ** 30]])('names the id %i that is outside the table', (id) => {
    const table = tf.zeros([4, 3]) as tf.Tensor2D;
    const ids = tf.tensor1d([0, 3, id], 'int32');
    expect(() => tf.tidy(() => embedding(ids, table).dataSync())).toThrow(
      `embedding: id ${id} at position 2; expected 0 to 3 (rows of the table)`,
    );
  });

  it('refuses ids that are not int32', () => {
    expect(() => embedding(tf.zeros([2]), tf.zeros([4, 3]) as tf.Tensor2D)).toThrow(/embedding: .*ids int32/);
  });
});
