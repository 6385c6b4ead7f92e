import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { innerGradients, isFrozen, jointly, taped } from '../../src/ops/tape.js';
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

  it('frees what an operation saved as soon as the pass is past it', () => {
    const x = tf.ones([1000]);
    const base = tf.memory().numBytes;
    const alive: number[] = [];
    const scale = (t: tf.Tensor): tf.Tensor =>
      taped(
        'scale',
        { t },
        (save) => {
          const big = tf.mul(t, 2);
          save([big]);
          return tf.mul(t, 3);
        },
        (dy) => {
          alive.push(tf.memory().numBytes - base);
          return { t: () => tf.mul(dy, 3) };
        },
      );
    tf.grad((t) => [1, 2, 3, 4, 5, 6].reduce((a) => scale(a), t))(x);
    // Each step back makes one gradient of 4,000 bytes and frees one saved tensor of 4,000 bytes.
    const growth = alive[5]! - alive[1]!;
    expect(Math.abs(growth)).toBeLessThan(2 * 4000);
  });

  it('supports a gradient of a gradient of what is plain inside it', () => {
    const x = tf.scalar(3);
    const first = (t: tf.Tensor): tf.Tensor => tf.grad((u) => product(u, tf.square(u), []))(t);
    expect(first(x).dataSync()[0]).toBeCloseTo(27, 4); // x^3
    expect(tf.grad(first)(x).dataSync()[0]).toBeCloseTo(18, 3);
  });

  it('puts the outer tape back after inner gradients', () => {
    const x = tf.tensor1d([1, 2, 3]);
    const cube = (t: tf.Tensor): tf.Tensor =>
      taped(
        'cube',
        { t },
        (save) => {
          save([t]);
          return tf.pow(t, 3);
        },
        (dy, [saved]) => ({
          t: () => innerGradients(() => tf.pow(saved!, 3), [saved!], dy).grads[0]!,
        }),
      );
    const gradient = tf.grad((t) => cube(tf.mul(cube(t), 2)))(x);
    const expected = [1, 2, 3].map((v) => 3 * (2 * v ** 3) ** 2 * 6 * v ** 2);
    gradient.dataSync().forEach((value, i) => {
      expect(value / expected[i]! - 1).toBeCloseTo(0, 5);
    });
  });

  it('calls a variable frozen only when it is not trainable', () => {
    const variables = [tf.variable(tf.scalar(1), false), tf.variable(tf.scalar(1))];
    expect(variables.map(isFrozen)).toEqual([true, false]);
    expect(isFrozen(tf.scalar(1))).toBe(false);
    tf.dispose(variables);
  });
});
