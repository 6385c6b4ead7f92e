/** tfjs's notes on tensors, stored in our records. */
import * as tf from '@tensorflow/tfjs-core';
import { beforeEach, describe, expect, it } from 'vitest';
import { selectEngine } from '../../src/engine/engine.js';
import { TensorInfoMap } from '../../src/engine/native/tensorInfo.js';
import { device } from '../native/support.js';

const stateMap = (): unknown =>
  (tf.engine() as unknown as { state: { tensorInfo: unknown } }).state.tensorInfo;

describe("tfjs's notes on tensors", () => {
  beforeEach(async () => {
    await selectEngine('native-cpu');
  });

  it('is kept on the records of the native backend, in the place of a WeakMap', () => {
    expect(stateMap()).toBeInstanceOf(TensorInfoMap);
    const map = stateMap() as TensorInfoMap;
    const x = tf.tensor1d([1, 2]);
    expect(map.get(x.dataId)).toMatchObject({ dtype: 'float32', shape: [2], bytes: 8 });
    const { dataId } = x;
    x.dispose();
    expect(map.has(dataId)).toBe(false);
    expect(map.delete(dataId)).toBe(false);
  });

  it('counts tensors, buffers and bytes as tfjs does on its own backend', async () => {
    const counts = (): number[][] => {
      const seen: number[][] = [];
      const before = tf.memory();
      const note = (): void => {
        const now = tf.memory();
        seen.push([
          now.numTensors - before.numTensors,
          now.numDataBuffers - before.numDataBuffers,
          now.numBytes - before.numBytes,
        ]);
      };
      const x = tf.tensor2d([1, 2, 3, 4], [2, 2]);
      const flat = tf.reshape(x, [4]);
      note();
      const v = tf.variable(x);
      note();
      const gradient = tf.grad((t) => tf.sum(tf.mul(t, v)))(x);
      note();
      x.dispose();
      x.dispose();
      note();
      tf.dispose([flat, gradient]);
      v.dispose();
      note();
      return seen;
    };
    const native = counts();
    await selectEngine('cpu');
    expect(native).toEqual(counts());
  });

  it('follows a tensor to another backend and back', async () => {
    const before = device.memory().buffers;
    const x = tf.tensor1d([1, 2, 3]);
    await selectEngine('cpu');
    const onCpu = tf.mul(x, 2);
    await selectEngine('native-cpu');
    const both = tf.add(onCpu, x);
    expect([...both.dataSync()]).toEqual([3, 6, 9]);
    tf.dispose([x, onCpu, both]);
    expect(device.memory().buffers).toBe(before);
  });

  it('keeps two maps apart: a tensor of the state before a reset is unknown to the new one', () => {
    const map = stateMap() as TensorInfoMap;
    const later = new TensorInfoMap(new WeakMap());
    const x = tf.tensor1d([1]);
    expect([map.has(x.dataId), later.has(x.dataId)]).toEqual([true, false]);
    const other = {};
    later.set(other, { bytes: 4 });
    expect(later.get(other)).toEqual({ bytes: 4 });
    expect([later.delete(other), later.has(other)]).toEqual([true, false]);
    x.dispose();
  });
});
