/** Memory and data of the native backend. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as tf from '@tensorflow/tfjs-core';
import { beforeEach, describe, expect, it } from 'vitest';
import { selectEngine } from '../../src/engine/engine.js';
import type { NativeBackend } from '../../src/engine/native/backend.js';
import { device } from '../native/support.js';

const backend = (): NativeBackend => tf.backend() as NativeBackend;

describe('native backend', () => {
  beforeEach(async () => {
    await selectEngine('native-cpu');
  });

  it('shares data between clones and reshapes, and frees it with the last', () => {
    const before = device.memory().buffers;
    const x = tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3]);
    const y = tf.reshape(x, [3, 2]);
    const z = tf.clone(y);
    expect(device.memory().buffers).toBe(before + 1);
    expect(backend().refCount(x.dataId)).toBe(3);
    x.dispose();
    y.dispose();
    expect([...z.dataSync()]).toEqual([1, 2, 3, 4, 5, 6]);
    z.dispose();
    expect(device.memory().buffers).toBe(before);
    expect(backend().disposeData({})).toBe(true);
  });

  it('moves tensors to other backends and back', () => {
    const before = device.memory().buffers;
    const x = tf.tensor1d([1, 2, 3]);
    tf.setBackend('cpu');
    const onCpu = tf.mul(x, 2);
    expect(device.memory().buffers).toBe(before);
    tf.setBackend('native-cpu');
    const back = tf.add(onCpu, x);
    expect([...back.dataSync()]).toEqual([3, 6, 9]);
    const again = tf.add(x, x);
    expect([...again.dataSync()]).toEqual([2, 4, 6]);
    tf.dispose([x, onCpu, back, again]);
    expect(device.memory().buffers).toBe(before);
  });

  it('keeps variables through assignment', () => {
    const before = device.memory().buffers;
    const v = tf.tidy(() => tf.variable(tf.tensor1d([1, 2])));
    for (let i = 0; i < 5; i++) tf.tidy(() => v.assign(tf.add(v, 1)));
    expect([...v.dataSync()]).toEqual([6, 7]);
    v.dispose();
    expect(device.memory().buffers).toBe(before);
  });

  it('copies the given values', () => {
    const values = Float32Array.of(1, 2);
    const x = tf.tensor1d(values);
    values[0] = 9;
    expect([...x.dataSync()]).toEqual([1, 2]);
    x.dataSync()[1] = 9;
    expect([...x.dataSync()]).toEqual([1, 2]);
    x.dispose();
  });

  it('holds strings, booleans, integers and complex numbers', async () => {
    const words = tf.tensor1d(['a', 'ü'], 'string');
    expect(await words.data()).toEqual(['a', 'ü']);
    const flags = tf.tensor1d([true, false, true], 'bool');
    expect(flags.dataSync()).toEqual(Uint8Array.of(1, 0, 1));
    const whole = tf.tensor1d([1, -2], 'int32');
    expect(whole.dataSync()).toEqual(Int32Array.of(1, -2));
    const z = tf.complex([1, 2], [3, 4]);
    expect([...z.dataSync()]).toEqual([1, 3, 2, 4]);
    expect([...tf.imag(z).dataSync()]).toEqual([3, 4]);
    tf.dispose([words, flags, whole, z]);
  });

  it('reports shape mismatches before native code runs', () => {
    const a = tf.ones([2, 3]);
    const b = tf.ones([4, 5]);
    expect(() => tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D)).toThrow(/inner shapes/);
    expect(() => tf.add(a, b)).toThrow(/broadcast/);
    expect(() => tf.gather(a, tf.tensor1d([2], 'int32'))).toThrow(/index value 2 is not in \[0, 1\]/);
    expect(() => tf.reshape(a, [7])).toThrow(/6/);
    tf.dispose([a, b]);
  });

  it('frees the buffers of tensors that were dropped without dispose', async () => {
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc') as () => void;
    const collect = async (): Promise<void> => {
      gc();
      await new Promise((resolve) => setTimeout(resolve, 5));
    };
    // The newest records are held until a thousand more were made.
    const age = (): void => {
      for (let i = 0; i < 1100; i++) tf.fill([1], i).dispose();
    };
    // What earlier tests left behind goes first.
    age();
    for (let i = 0; i < 5; i++) await collect();
    const before = { buffers: device.memory().buffers, ids: backend().numDataIds() };
    (() => {
      for (let i = 0; i < 50; i++) tf.fill([1000], i);
    })();
    expect(device.memory().buffers).toBe(before.buffers + 50);
    age();
    expect(device.memory().buffers).toBe(before.buffers + 50);
    for (let i = 0; i < 50 && device.memory().buffers > before.buffers; i++) await collect();
    expect(device.memory().buffers).toBe(before.buffers);
    expect(backend().numDataIds()).toBe(before.ids);
  });

  it('names the requested bytes when memory is out, and loses nothing', () => {
    const x = tf.ones([4]);
    const ids = backend().numDataIds();
    expect(() => backend().output([2 ** 50], 'float32')).toThrow(/out of memory: 4294967296 MiB requested/);
    expect(backend().numDataIds()).toBe(ids);
    expect([...x.dataSync()]).toEqual([1, 1, 1, 1]);
    x.dispose();
  });

  it('times a function', async () => {
    const { kernelMs } = (await tf.time(() => tf.ones([10]).dispose())) as { kernelMs: number };
    expect(kernelMs).toBeGreaterThanOrEqual(0);
  });
});
