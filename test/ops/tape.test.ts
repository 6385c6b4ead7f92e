/** Internals of tfjs that operations rely on. */
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { isFrozen, jointly, taped } from '../../src/ops/tape.js';
import { COMPOSED_CPU, use } from './support.js';

/** x y, with a record of which gradients were asked for. */
function product(x: tf.Tensor, y: tf.Tensor, asked: string[]): tf.Tensor {
  return taped(
    'product',
    { x, y },
    (save) => {
      save([x, y]);
      return tf.mul(x, y);
    },
    (dy, [a, b]) => {
      const both = jointly(() => {
        asked.push('computed');
        return [tf.mul(dy, b!), tf.mul(dy, a!)];
      });
      return {
        x: () => {
          asked.push('x');
          return both(0);
        },
        y: () => {
          asked.push('y');
          return both(1);
        },
      };
    },
  );
}

// These hold for tfjs-core 4.22.0, whose engine internals src/ops/tape.ts relies on.
describe('tape', () => {
  beforeAll(() => use(COMPOSED_CPU));

  it('asks only for the gradients that are needed, and computes joint ones once', () => {
    const [x, y] = [tf.tensor1d([1, 2]), tf.tensor1d([3, 4])];
    const asked: string[] = [];
    const dx = tf.grad((t) => product(t, y, asked))(x);
    expect(asked).toEqual(['x', 'computed']);
    expect([...dx.dataSync()]).toEqual([3, 4]);
    asked.length = 0;
    const [da, db] = tf.grads((a, b) => product(a!, b!, asked))([x, y]);
    expect(asked).toEqual(['x', 'computed', 'y']);
    expect([...da!.dataSync(), ...db!.dataSync()]).toEqual([3, 4, 1, 2]);
  });

  it('leaves no tensor behind, asked for or not', () => {
    const [x, y] = [tf.tensor1d([1, 2]), tf.tensor1d([3, 4])];
    const before = tf.memory().numTensors;
    tf.grad((t) => product(tf.square(product(t, y, [])), y, []))(x).dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('frees the saved tensors of an operation that fails, and records nothing', () => {
    const before = tf.memory().numTensors;
    const failing = (t: tf.Tensor): tf.Tensor =>
      taped(
        'failing',
        { t },
        (save) => {
          save([t, tf.mul(t, 2)]);
          throw new Error('no memory');
        },
        () => ({}),
      );
    const x = tf.scalar(1);
    const survive = tf.grad((t) => {
      expect(() => failing(t)).toThrow('no memory');
      return tf.square(t);
    });
    expect(survive(x).dataSync()[0]).toBe(2);
    expect(tf.memory().numTensors - before).toBe(2);
  });

  it('gives an operation of several results one gradient each, zeros for a result that is not used', () => {
    const shares = (t: tf.Tensor): tf.Tensor[] =>
      taped(
        'shares',
        { t },
        () => [tf.mul(t, 2), tf.mul(t, 3)],
        (dys) => ({ t: () => tf.add(tf.mul(dys[0]!, 2), tf.mul(dys[1]!, 3)) }),
      );
    const x = tf.tensor1d([1, 2]);
    expect([
      ...tf
        .grad((t) => tf.add(shares(t)[0]!, shares(t)[1]!))(x)
        .dataSync(),
    ]).toEqual([5, 5]);
    expect([
      ...tf
        .grad((t) => shares(t)[1]!)(x)
        .dataSync(),
    ]).toEqual([3, 3]);
    const alone = (t: tf.Tensor): tf.Tensor[] =>
      taped(
        'alone',
        { t },
        () => [tf.mul(t, 2)],
        ([dy]) => ({ t: () => tf.mul(dy!, 2) }),
      );
    expect([
      ...tf
        .grad((t) => alone(t)[0]!)(x)
        .dataSync(),
    ]).toEqual([2, 2]);
  });

  it('supports a gradient of a gradient of the plain operations inside it', () => {
    const x = tf.scalar(3);
    const first = (t: tf.Tensor): tf.Tensor => tf.grad((u) => product(u, tf.square(u), []))(t);
    expect(first(x).dataSync()[0]).toBeCloseTo(27, 4); // x^3
    expect(tf.grad(first)(x).dataSync()[0]).toBeCloseTo(18, 3);
  });

  it('calls a variable frozen only when it is not trainable', () => {
    const variables = [tf.variable(tf.scalar(1), false), tf.variable(tf.scalar(1))];
    expect(variables.map(isFrozen)).toEqual([true, false]);
    expect(isFrozen(tf.scalar(1))).toBe(false);
    tf.dispose(variables);
  });
});
