/** The table of kernels: what compiles against it, and what operations find of it. */
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, expect, it } from 'vitest';
import { selectEngine } from '../../src/engine/engine.js';
import {
  hasFused,
  hasKernel,
  type Implementations,
  KERNELS,
  type KernelName,
  NO_DROPOUT,
  registerKernels,
  runKernel,
  setFused,
} from '../../src/ops/kernels.js';

beforeAll(async () => {
  await selectEngine('native-cpu');
});
afterEach(() => {
  setFused(true);
});

it('does not compile without an operand, with an unknown one, or with an attribute of another type', () => {
  const x = tf.tensor1d([1]);
  const calls = [
    // @ts-expect-error weight is missing
    () => runKernel('ReasRmsNorm', { x }, { eps: 1, bf16: false, keepInverses: false }),
    // @ts-expect-error there is no operand z
    () => runKernel('ReasDropout', { x, z: x }, { dropout: NO_DROPOUT, bf16: false }),
    // @ts-expect-error eps is a number
    () => runKernel('ReasRmsNorm', { x, weight: x }, { eps: '1', bf16: false, keepInverses: false }),
    // @ts-expect-error bf16 is missing
    () => runKernel('ReasGelu', { x }, { form: 'erf' }),
    // @ts-expect-error relu is no form of GELU
    () => runKernel('ReasGelu', { x }, { form: 'relu', bf16: false }),
    // @ts-expect-error there is no such kernel
    () => runKernel('ReasGeluu', { x }, { form: 'erf', bf16: false }),
    // @ts-expect-error it gives two results
    (): tf.Tensor => runKernel('ReasLayerNormGradParameters', { dy: x, x }, { eps: 1 }),
    // @ts-expect-error a kernel of one result gives one
    (): Implementations<unknown> => ({ ReasGelu: ({ x: of }) => [of] }),
    // @ts-expect-error an engine's kernel reads what the table has
    (): Implementations<unknown> => ({ ReasGelu: ({ y }) => y }),
  ];
  expect(calls).toHaveLength(9);
  x.dispose();
});

it('every kernel is found on native-cpu but the one for results in bf16', () => {
  const missing = (Object.keys(KERNELS) as KernelName[]).filter((name) => !hasKernel(name));
  expect(missing).toEqual(['ReasRmsNormGradFromResult']);
});

it('an engine registers its kernels; operations find them, and no fused form when those are switched off', async () => {
  await tf.setBackend('cpu');
  expect(hasFused('ReasGelu')).toBe(false);
  registerKernels('cpu', {
    ReasGelu: ({ x }, { form }) => tf.tensor1d([x.shape[0]!, form === 'erf' ? 1 : 2]),
  });
  try {
    expect(hasFused('ReasGelu')).toBe(true);
    const y = runKernel('ReasGelu', { x: tf.zeros([7]) }, { form: 'tanh', bf16: false });
    expect([...y.dataSync()]).toEqual([7, 2]);
    setFused(false);
    expect(hasFused('ReasGelu')).toBe(false);
    expect(hasKernel('ReasGelu')).toBe(true);
  } finally {
    tf.unregisterKernel('ReasGelu', 'cpu');
    await tf.setBackend('native-cpu');
  }
});
