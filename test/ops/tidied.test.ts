/** Numbers computed in a scope leave no tensor, and are not searched for tensors. */
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { beforeAll, describe, expect, it } from 'vitest';
import { tidied } from '../../src/ops/tidied.js';

describe('numbers computed in a scope', () => {
  beforeAll(async () => {
    await tf.setBackend('cpu');
  });

  it('are returned, and the tensors on the way are freed', () => {
    const before = tf.memory().numTensors;
    expect([...tidied(() => tf.mul(tf.tensor1d([1, 2]), 3).dataSync())]).toEqual([3, 6]);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('free the tensors of what throws', () => {
    const before = tf.memory().numTensors;
    const failing = () =>
      tidied(() => {
        tf.add(tf.ones([2]), 1);
        throw new Error('stopped');
      });
    expect(failing).toThrow('stopped');
    expect(tf.memory().numTensors).toBe(before);
  });

  it('are not read one by one', () => {
    const read: PropertyKey[] = [];
    const values = new Proxy([1, 2], {
      get: (target, key) => {
        read.push(key);
        return Reflect.get(target, key);
      },
    });
    expect(tidied(() => values)).toBe(values);
    const untouched = [...read];
    tf.tidy(() => values);
    expect({ untouched, byTidy: read.includes('0') }).toEqual({ untouched: [], byTidy: true });
  });
});
