/** Runs one test body on every engine and form, and compares with float64. */
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-layers';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { messageOf } from '../../src/base/errors.js';
import type { Rng } from '../../src/base/random.js';
import { BACKEND_NAME, CUDA_BACKEND_NAME } from '../../src/engine/native/backend.js';
import { nativeDevice } from '../../src/engine/native/load.js';
import { registerNativeBackend } from '../../src/engine/native/register.js';
import { startTensorflow } from '../../src/engine/tensorflow.js';
import { setFused } from '../../src/ops/kernels.js';
import { tidied } from '../../src/ops/tidied.js';
import { cudaMissing } from '../support/cuda.js';

/** One way to run the same test body: an engine, with its fused kernels or with the composed forms. */
export interface Form {
  title: string;
  backend: string;
  fused: boolean;
}

export const COMPOSED_CPU: Form = { title: 'composed on cpu', backend: 'cpu', fused: false };
export const COMPOSED_WASM: Form = { title: 'composed on wasm', backend: 'wasm', fused: false };
export const FUSED_NATIVE: Form = { title: 'fused on native-cpu', backend: BACKEND_NAME, fused: true };
export const COMPOSED_NATIVE: Form = { title: 'composed on native-cpu', backend: BACKEND_NAME, fused: false };
export const FUSED_CUDA: Form = { title: 'fused on native-cuda', backend: CUDA_BACKEND_NAME, fused: true };
export const COMPOSED_CUDA: Form = {
  title: 'composed on native-cuda',
  backend: CUDA_BACKEND_NAME,
  fused: false,
};
export const COMPOSED_TENSORFLOW: Form = {
  title: 'composed on tensorflow',
  backend: 'tensorflow',
  fused: false,
};
export const FUSED_TENSORFLOW: Form = { title: 'fused on tensorflow', backend: 'tensorflow', fused: true };

/** Why the native engine cannot run here, or undefined when it can. */
export const nativeMissing = reasonOf(startNative);
/** The same for the tensorflow engine. */
export const tensorflowMissing = reasonOf(() => startTensorflow());
export const FORMS: Form[] = [
  COMPOSED_CPU,
  COMPOSED_WASM,
  ...(nativeMissing === undefined ? [COMPOSED_NATIVE, FUSED_NATIVE] : []),
  ...(cudaMissing === undefined ? [COMPOSED_CUDA, FUSED_CUDA] : []),
  ...(tensorflowMissing === undefined ? [COMPOSED_TENSORFLOW, FUSED_TENSORFLOW] : []),
];

function startNative(): void {
  nativeDevice();
  registerNativeBackend();
}

/** Why `start` fails, or undefined when it does not. */
function reasonOf(start: () => unknown): string | undefined {
  try {
    start();
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

export async function use(form: Form): Promise<void> {
  if (!(await tf.setBackend(form.backend))) throw new Error(`the ${form.backend} engine did not start`);
  setFused(form.fused);
}

/** Numbers in row-major order with their shape; float64, but every value is exactly a float32. */
export interface Values {
  shape: number[];
  data: Float64Array;
}

export function normal(rng: Rng, shape: number[], scale = 1): Values {
  const size = shape.reduce((a, b) => a * b, 1);
  return { shape, data: Float64Array.from({ length: size }, () => Math.fround(rng.normal() * scale)) };
}

export function toTensor<T extends tf.Tensor = tf.Tensor>(values: Values): T {
  return tf.tensor(Float32Array.from(values.data), values.shape, 'float32') as T;
}

/** Largest |actual - expected| / (1 + |expected|); NaN must meet NaN. */
export function largestError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) {
    throw new Error(`${actual.length} values, ${expected.length} expected`);
  }
  let worst = 0;
  for (let i = 0; i < actual.length; i++) {
    const a = actual[i]!;
    const e = expected[i]!;
    if (Number.isNaN(a) && Number.isNaN(e)) continue;
    if (a === e) continue;
    const error = Math.abs(a - e) / (1 + Math.abs(e));
    worst = Number.isNaN(error) ? Number.POSITIVE_INFINITY : Math.max(worst, error);
  }
  return worst;
}

type Inputs = Record<string, Values>;
type Reference = (inputs: Record<string, Float64Array>) => ArrayLike<number>;

export interface GradientCheck {
  rng: Rng;
  inputs: Inputs;
  /** Inputs whose gradient is checked; all unless given. */
  wrt?: string[];
  op: (tensors: Record<string, tf.Tensor>) => tf.Tensor;
  reference: Reference;
}

/**
 * Runs `op` and its gradients on the engine in use and returns the largest errors against a float64 reference: the
 * values directly, the gradients of sum(r * op) for a random r against central differences of the reference.
 */
export function compareWithReference(check: GradientCheck): {
  value: number;
  gradients: Record<string, number>;
} {
  const names = check.wrt ?? Object.keys(check.inputs);
  const data = Object.fromEntries(Object.entries(check.inputs).map(([name, v]) => [name, v.data]));
  const expected = check.reference(data);
  const r = normal(check.rng, [expected.length]);
  const tensors = Object.fromEntries(Object.entries(check.inputs).map(([name, v]) => [name, toTensor(v)]));

  const actual = tidied(() => check.op(tensors).dataSync());
  const value = largestError(actual, expected);
  const grads = gradientsOf(check.op, tensors, names, r);
  const gradients: Record<string, number> = {};
  names.forEach((name) => {
    const numeric = differences(check.reference, data, name, r.data);
    gradients[name] = largestError(grads[name]!.dataSync(), numeric);
  });
  tf.dispose([tensors, grads]);
  return { value, gradients };
}

/** Gradients of sum(r * op(tensors)) with respect to the named tensors. */
export function gradientsOf(
  op: (tensors: Record<string, tf.Tensor>) => tf.Tensor,
  tensors: Record<string, tf.Tensor>,
  names: string[],
  r: Values,
): Record<string, tf.Tensor> {
  const grads = tf.grads((...xs: tf.Tensor[]) => {
    const changed = { ...tensors };
    names.forEach((name, i) => {
      changed[name] = xs[i]!;
    });
    const y = op(changed);
    return tf.sum(tf.mul(tf.reshape(y, [y.size]), toTensor(r)));
  })(names.map((name) => tensors[name]!));
  return Object.fromEntries(names.map((name, i) => [name, grads[i]!]));
}

function differences(
  reference: Reference,
  data: Record<string, Float64Array>,
  name: string,
  r: Float64Array,
): Float64Array {
  const h = 1e-5;
  const moved = Float64Array.from(data[name]!);
  const loss = (): number => {
    const y = reference({ ...data, [name]: moved });
    let sum = 0;
    for (let i = 0; i < y.length; i++) sum += y[i]! * r[i]!;
    return sum;
  };
  return moved.map((x, i) => {
    moved[i] = x + h;
    const above = loss();
    moved[i] = x - h;
    const below = loss();
    moved[i] = x;
    return (above - below) / (2 * h);
  });
}

/** Declares the same tests for every form, each run on its engine. */
export function onEveryForm(title: string, body: (form: Form) => void): void {
  for (const form of FORMS) {
    describe(`${title}, ${form.title}`, () => {
      beforeAll(() => use(form));
      afterAll(() => {
        setFused(true);
      });
      body(form);
    });
  }
  skipLoudly(`${title}, on native-cpu`, nativeMissing);
  skipLoudly(`${title}, on native-cuda`, cudaMissing);
  skipLoudly(`${title}, on tensorflow`, tensorflowMissing);
}

/** A skipped test that says why, when there is a reason. */
export function skipLoudly(title: string, reason: string | undefined): void {
  if (reason === undefined) return;
  describe(title, () => {
    it.skip(`SKIPPED, the engine cannot run: ${reason}`, () => undefined);
  });
}
