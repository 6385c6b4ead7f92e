/** Training steps on the native engines: no fall-backs, no leaks. */
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { currentDevice, type EngineName, selectEngine } from '../../src/engine/engine.js';
import { fallbackCounts, resetFallbackCounts } from '../../src/engine/native/fallback.js';
import { nativeDevice } from '../../src/engine/native/load.js';
import { cudaMissing } from '../support/cuda.js';
import { tinyBatch, tinyModel, trainStep } from './support.js';

const STEPS = 12;
const ENGINES: EngineName[] = cudaMissing === undefined ? ['native-cpu', 'native-cuda'] : ['native-cpu'];

async function train(engine: EngineName, threads?: number): Promise<number[]> {
  await selectEngine(engine, threads === undefined ? {} : { threads });
  const model = tinyModel(1);
  const state = new Map();
  const losses = Array.from({ length: STEPS }, (_, step) => trainStep(model, state, step));
  for (const variable of [...Object.values(model.variables), ...[...state.values()].flat()])
    variable.dispose();
  return losses;
}

describe('training on the native engines', () => {
  let truth: number[];
  beforeAll(async () => {
    truth = await train('cpu');
  });
  afterAll(() => nativeDevice().setThreads(2));

  it('follows the losses of plain tfjs, without one fall-back', async () => {
    resetFallbackCounts();
    const losses = await train('native-cpu');
    expect(fallbackCounts()).toEqual({});
    losses.forEach((loss, i) => {
      expect(Math.abs(loss - truth[i]!)).toBeLessThan(2e-4 * truth[i]!);
    });
    expect(losses[STEPS - 1]).toBeLessThan(losses[0]!);
  });

  it.each(['plain', 'avx2', 'avx512'])(
    'follows them with %s kernels, bit for bit the same at any thread count',
    async (isa) => {
      const device = nativeDevice();
      const order = ['plain', 'avx2', 'avx512'];
      if (order.indexOf(isa) > order.indexOf(device.bestIsa())) return;
      device.setIsa(isa);
      const one = await train('native-cpu', 1);
      const two = await train('native-cpu', 2);
      const three = await train('native-cpu', 3);
      device.setIsa(device.bestIsa());
      expect(two).toEqual(one);
      expect(three).toEqual(one);
      one.forEach((loss, i) => {
        expect(Math.abs(loss - truth[i]!)).toBeLessThan(2e-4 * truth[i]!);
      });
    },
  );

  it('follows them on wasm', async () => {
    const losses = await train('wasm');
    losses.forEach((loss, i) => {
      expect(Math.abs(loss - truth[i]!)).toBeLessThan(2e-4 * truth[i]!);
    });
  });

  it.skipIf(cudaMissing !== undefined)(
    `follows them on native-cuda, without one fall-back, the same bits again${cudaMissing ? ` (SKIPPED: ${cudaMissing})` : ''}`,
    async () => {
      resetFallbackCounts();
      const losses = await train('native-cuda');
      expect(fallbackCounts()).toEqual({});
      losses.forEach((loss, i) => {
        expect(Math.abs(loss - truth[i]!)).toBeLessThan(2e-4 * truth[i]!);
      });
      expect(await train('native-cuda')).toEqual(losses);
    },
  );

  it.each(ENGINES)('keeps memory and tensor counts constant over steps on %s', async (engine) => {
    await selectEngine(engine);
    const device = currentDevice()!;
    const model = tinyModel(2);
    const state = new Map();
    const counts: [number, number, number][] = [];
    for (let step = 0; step < 60; step++) {
      trainStep(model, state, step);
      const { inUse, buffers } = device.memory();
      counts.push([tf.memory().numTensors, buffers, inUse]);
    }
    expect(counts[59]).toEqual(counts[5]);
    // With this variable, which the tests' shim sets, every buffer is taken from the driver.
    if (engine === 'native-cuda' && process.env.REASVQA_CUDA_NO_CACHE === '1') return;
    const { systemCalls } = device.memory();
    for (let step = 0; step < 20; step++) trainStep(model, state, step);
    expect(device.memory().systemCalls).toBe(systemCalls);
  });

  it.each(ENGINES)('decodes greedily and by sampling without one fall-back on %s', async (engine) => {
    await selectEngine(engine);
    resetFallbackCounts();
    const model = tinyModel(3);
    tf.tidy(() => {
      const [tokens] = tinyBatch(0);
      const logits = tf.matMul(
        tf.reshape(tf.gather(model.variables.embedding!, tokens), [-1, 24]),
        model.variables.embedding as tf.Tensor2D,
        false,
        true,
      ) as tf.Tensor2D;
      const best = tf.argMax(logits, -1);
      const { values, indices } = tf.topk(logits, 5);
      const nucleus = tf.cumsum(tf.softmax(values), -1, true);
      const filtered = tf.where(tf.less(nucleus, 0.9), values, tf.fill(values.shape, -1e9));
      const drawn = tf.multinomial(filtered as tf.Tensor2D, 1, 7);
      const done = tf.logicalOr(
        tf.equal(best, tf.scalar(1, 'int32')),
        tf.equal(tf.reshape(drawn, [-1]), best),
      );
      expect([...best.dataSync()]).toEqual([...tf.slice(indices, [0, 0], [28, 1]).dataSync()]);
      expect([0, 1]).toContain(tf.any(done).dataSync()[0]);
      expect([0, 1]).toContain(tf.all(done).dataSync()[0]);
    });
    expect(fallbackCounts()).toEqual({});
  });
});
