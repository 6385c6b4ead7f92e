/** Choosing the engine where the package is set up: what it says of itself, and what it refuses. */
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { EngineError } from '../../../src/base/errors.js';
import { currentEngine, selectEngine } from '../../../src/engine/engine.js';
import { engineReport } from '../../../src/engine/report.js';
import { tensorflowMissing } from '../../model/support.js';

describe('the tensorflow engine', () => {
  if (tensorflowMissing !== undefined) {
    it('says how to get it when it is not set up', async () => {
      const error = await selectEngine('tensorflow').catch((e: unknown) => e);
      expect(error).toBeInstanceOf(EngineError);
      expect((error as EngineError).message).toBe(tensorflowMissing);
    });
    it.skip(`SKIPPED, the engine cannot run: ${tensorflowMissing}`, () => undefined);
    return;
  }

  it('a GPU that TensorFlow does not see is an error, exit code 4', async () => {
    // No machine has a hundred; first in this file, since TensorFlow looks once in a process.
    const error = await selectEngine('tensorflow', { device: 99 }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(EngineError);
    expect((error as EngineError).exitCode).toBe(4);
    expect((error as EngineError).message).toMatch(
      /^--device 99 asks for a GPU, and TensorFlow \d+\.\d+\.\d+ sees none \(CUDA_VISIBLE_DEVICES=99\): check nvidia-smi/,
    );
  });

  it('names TensorFlow, the device and the package', async () => {
    const engine = await selectEngine('tensorflow');
    expect(engine).toMatchObject({
      name: 'tensorflow',
      isa: expect.stringMatching(/^TensorFlow \d+\.\d+\.\d+/),
    });
    expect(engine.description).toMatch(
      /^tensorflow \(TensorFlow \S+, (CPU, \d+ threads?, .+; no GPU seen|GPU, .+); @tensorflow\/tfjs-node(-gpu)? 4\.22\.0\)$/,
    );
    expect(currentEngine()).toEqual(engine);
    expect(tf.getBackend()).toBe('tensorflow');
    expect(engineReport().tensorflow).toMatchObject({ version: '4.22.0', built: true });
    expect(tf.tidy(() => tf.matMul([[1, 2]], [[3], [4]]).dataSync()[0])).toBe(11);
  });

  it('shares one tfjs with us, whose gradients stay our own', async () => {
    await selectEngine('tensorflow');
    expect(tf.getKernelsForBackend('tensorflow').length).toBeGreaterThan(100);
    // tfjs's own gradient of Sum uploads ones of the input's shape; ours does not.
    const before = tf.engine().state.numDataBuffers;
    const gradient = tf.grad((x) => tf.sum(x))(tf.ones([3, 2]));
    expect([...gradient.dataSync()]).toEqual([1, 1, 1, 1, 1, 1]);
    gradient.dispose();
    expect(tf.engine().state.numDataBuffers).toBeLessThanOrEqual(before + 1);
  });

  it('refuses other threads or another device once TensorFlow runs', async () => {
    const { threads } = await selectEngine('tensorflow');
    expect((await selectEngine('tensorflow', { threads })).threads).toBe(threads);
    await expect(selectEngine('tensorflow', { threads: threads + 1 })).rejects.toThrow(
      `--threads ${threads + 1}: TensorFlow runs in this process already`,
    );
    await expect(selectEngine('tensorflow', { device: 3 })).rejects.toThrow('start another process');
  });

  it('can be left and taken again', async () => {
    await selectEngine('cpu');
    expect(tf.getBackend()).toBe('cpu');
    await selectEngine('tensorflow');
    expect(tf.getBackend()).toBe('tensorflow');
  });
});
