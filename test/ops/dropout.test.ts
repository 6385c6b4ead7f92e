/** Dropout and its stream of keys. */
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { DropoutStream, dropout, philoxKeepMask, residual } from '../../src/ops/index.js';
import { dropoutReference } from './reference.js';
import { compareWithReference, normal, onEveryForm, toTensor } from './support.js';

onEveryForm('dropout', () => {
  it.each([[[1]], [[6, 5]], [[2, 3, 17]], [[12, 64]]])(
    'drops exactly the elements of the mask: shape %j',
    (shape) => {
      const rng = new Rng(shape.length);
      const key = { rate: 0.4, seed: 0xfffffff0, step: 3, call: 1 };
      const columns = shape[shape.length - 1]!;
      const x = normal(rng, shape);
      const y = dropout(toTensor(x), key).dataSync();
      const mask = philoxKeepMask(x.data.length / columns, columns, key);
      expect([...y].map((v) => v !== 0)).toEqual([...mask].map((m) => m === 1));
      const errors = compareWithReference({
        rng,
        inputs: { x },
        op: (t) => dropout(t.x!, key),
        reference: (t) => dropoutReference(t.x!, columns, key),
      });
      expect(errors.value).toBeLessThan(1e-6);
      expect(errors.gradients.x).toBeLessThan(1e-5);
    },
  );

  it.each([[[1]], [[6, 5]], [[2, 3, 17]], [[12, 64]]])(
    'adds what is left to a residual: shape %j',
    (shape) => {
      const rng = new Rng(`residual ${shape}`);
      const key = { rate: 0.3, seed: 5, step: 2, call: 9 };
      const columns = shape[shape.length - 1]!;
      const [x, update] = [normal(rng, shape), normal(rng, shape)];
      for (const used of [key, undefined]) {
        const errors = compareWithReference({
          rng,
          inputs: { x, update },
          op: (t) => residual(t.x!, t.update!, used),
          reference: (t) => {
            const left = dropoutReference(t.update!, columns, used);
            return t.x!.map((value, i) => value + left[i]!);
          },
        });
        expect(errors.value).toBeLessThan(1e-6);
        expect(Math.max(errors.gradients.x!, errors.gradients.update!)).toBeLessThan(1e-5);
      }
      expect(() => residual(tf.zeros([2, 3]), tf.zeros([3]))).toThrow(
        /residual: got x \(2, 3\), update \(3\)/,
      );
    },
  );

  it('is the identity without a key and passes a kept NaN on', () => {
    const x = tf.tensor1d([1, Number.NaN, 3]);
    expect(dropout(x)).toBe(x);
    const values = dropout(tf.fill([4, 64], Number.NaN), { rate: 0.5, seed: 1, step: 1, call: 1 }).dataSync();
    expect(values.some((v) => Number.isNaN(v))).toBe(true);
  });

  it.each([[0], [1], [-0.1], [Number.NaN]])('refuses the rate %d in a key', (rate) => {
    expect(() => dropout(tf.zeros([2]), { rate, seed: 1, step: 1, call: 0 })).toThrow(/dropout: rate/);
  });
});

describe('DropoutStream', () => {
  it('numbers the calls of a step, starts each step at 0, and rewinds', () => {
    const stream = new DropoutStream(7);
    stream.startStep(3);
    const first = stream.next(0.1);
    expect(first).toEqual({ rate: 0.1, seed: 7, step: 3, call: 0 });
    const mark = stream.mark();
    const second = stream.next(0.2);
    stream.rewind(mark);
    expect(stream.next(0.2)).toEqual(second);
    stream.startStep(4);
    expect(stream.next(0.1)).toEqual({ rate: 0.1, seed: 7, step: 4, call: 0 });
  });

  it('gives no key, and uses up no number, at rate 0 or when disabled', () => {
    const stream = new DropoutStream(7);
    stream.startStep(0);
    expect(stream.next(0)).toBeUndefined();
    stream.enabled = false;
    expect(stream.next(0.5)).toBeUndefined();
    stream.enabled = true;
    expect(stream.next(0.5)?.call).toBe(0);
    expect(() => stream.next(1)).toThrow(/rate 1/);
  });
});
