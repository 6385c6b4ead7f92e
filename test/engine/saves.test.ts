/** Tensors saved for backward: clones without records on the tape. */
import * as tf from '@tensorflow/tfjs-core';
import { beforeEach, describe, expect, it } from 'vitest';
import { selectEngine } from '../../src/engine/engine.js';

interface Internals {
  addTapeNode(kernelName: string, ...rest: unknown[]): void;
}

/** Names of what is recorded on tapes while `run` works. */
function recorded(run: () => void): string[] {
  const engine = tf.engine() as unknown as Internals;
  const names: string[] = [];
  const original = engine.addTapeNode;
  engine.addTapeNode = function (name, ...rest) {
    names.push(name);
    original.call(this, name, ...rest);
  };
  try {
    tf.tidy(run);
  } finally {
    delete (engine as Partial<Internals>).addTapeNode;
  }
  return names;
}

describe('tensors saved for backward', () => {
  beforeEach(async () => {
    await selectEngine('native-cpu');
  });

  it('is not recorded in the outermost gradient', () => {
    const x = tf.tensor1d([1, 2, 3]);
    const cube = (t: tf.Tensor): tf.Tensor => tf.mul(t, tf.mul(t, t));
    expect(recorded(() => tf.grad(cube)(x)).filter((name) => name === 'Multiply')).toHaveLength(2);
    expect(recorded(() => tf.grad(cube)(x))).toHaveLength(2);
    x.dispose();
  });

  it('still leads gradients of gradients back, twice and three times', () => {
    const fourth = (t: tf.Tensor): tf.Tensor => tf.mul(tf.square(t), tf.mul(t, t));
    const x = tf.tensor1d([1, 2, -3]);
    const nested = tf.tidy(() => {
      const second = tf.grad((t) => tf.grad(fourth)(t));
      const third = tf.grad((t) => tf.grad((u) => tf.grad(fourth)(u))(t));
      return [[...second(x).dataSync()], [...third(x).dataSync()]] as unknown as tf.TensorContainer;
    }) as unknown as number[][];
    expect(nested).toEqual([
      [12, 48, 108],
      [24, 48, -72],
    ]);
    x.dispose();
  });

  it('keeps a clone that the user makes on the tape', () => {
    const x = tf.tensor1d([1, 2]);
    const gradient = tf.tidy(() => [
      ...tf
        .grad((t) => tf.mul(tf.clone(t), t))(x)
        .dataSync(),
    ]) as unknown as number[];
    expect(gradient).toEqual([2, 4]);
    x.dispose();
  });

  it('frees saved tensors', () => {
    const x = tf.tensor1d([1, 2]);
    const before = tf.memory();
    for (let i = 0; i < 3; i++) tf.grad((t) => tf.mul(t, tf.exp(t)))(x).dispose();
    expect(tf.memory().numTensors).toBe(before.numTensors);
    expect(tf.memory().numDataBuffers).toBe(before.numDataBuffers);
    x.dispose();
  });
});
