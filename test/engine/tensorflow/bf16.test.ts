/** bf16 storage and products, each value against float64 arithmetic on operands rounded by bits. */
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { Rng } from '../../../src/base/random.js';
import { loadAdapter } from '../../../src/model/adapter.js';
import { loadStudent } from '../../../src/model/load.js';
import { bf16Parameters } from '../../../src/model/precision.js';
import { selectTrainable } from '../../../src/model/trainable.js';
import { hasBf16, isBf16, linearCrossEntropy, toBf16 } from '../../../src/ops/index.js';
import { runKernel } from '../../../src/ops/kernels.js';
import { linear } from '../../../src/ops/linear.js';
import { weightsCheck } from '../../../src/parity/check.js';
import { onEngines } from '../../model/support.js';
import { nearestBf16 } from '../../support/bf16.js';
import { handles } from './support.js';

const REFERENCE = fileURLToPath(new URL('../../fixtures/reference', import.meta.url));

function normal(rng: Rng, rows: number, columns: number): Float32Array {
  return Float32Array.from({ length: rows * columns }, () => rng.normal());
}

function frozen(values: Float32Array, shape: [number, number]): tf.Variable<tf.Rank.R2> {
  return tf.tidy(() => tf.variable(tf.tensor2d(values, shape), false));
}

function storeAsBf16(weight: tf.Variable): void {
  tf.tidy(() => weight.assign(toBf16(weight)));
}

onEngines('bf16', ['tensorflow'], () => {
  it('rounds to the nearest, ties to even; clones share it, reads widen it', () => {
    expect(hasBf16()).toBe(true);
    const values = [1, -1, 0, 2.6, 1 + 2 ** -8, 1 + 3 * 2 ** -8, -(1 + 2 ** -9), 3e38, 1e-30];
    const weight = frozen(Float32Array.from(values), [3, 3]);
    storeAsBf16(weight);
    expect(isBf16(weight)).toBe(true);
    const copy = weight.clone();
    expect(isBf16(copy)).toBe(true);
    expect(weight.dtype).toBe('float32');
    expect([...weight.dataSync()]).toEqual(values.map(nearestBf16));
    expect(weight.dataSync()[3]).toBe(2.59375);
    expect(weight.dataSync()[4]).toBe(1);
    weight.dispose();
    expect([...copy.dataSync()]).toEqual(values.map(nearestBf16));
    copy.dispose();
  });

  it.each([
    [1, 1, 1],
    [3, 5, 7],
    [17, 129, 33],
    [2, 4096, 3],
  ])('product and gradient, %i x %i by %i outputs, accumulate in float32', (rows, inputs, outputs) => {
    const rng = new Rng(`${rows}/${inputs}/${outputs}`);
    const [x, w, dy] = [normal(rng, rows, inputs), normal(rng, outputs, inputs), normal(rng, rows, outputs)];
    const weight = frozen(w, [outputs, inputs]);
    storeAsBf16(weight);
    const [y, dx] = tf.tidy(() => {
      const { value, grad } = tf.valueAndGrad((t: tf.Tensor2D) => linear(t, weight))(
        tf.tensor2d(x, [rows, inputs]),
        tf.tensor2d(dy, [rows, outputs]),
      );
      return [value.dataSync(), grad.dataSync()] as unknown as tf.Tensor[];
    }) as unknown as [Float32Array, Float32Array];
    const product = (i: number, j: number) => {
      let sum = 0;
      let size = 0;
      for (let k = 0; k < inputs; k++) {
        const term = nearestBf16(x[i * inputs + k]!) * nearestBf16(w[j * inputs + k]!);
        sum += term;
        size += Math.abs(term);
      }
      return { sum, size };
    };
    const gradient = (i: number, k: number) => {
      let sum = 0;
      let size = 0;
      for (let j = 0; j < outputs; j++) {
        const term = nearestBf16(dy[i * outputs + j]!) * nearestBf16(w[j * inputs + k]!);
        sum += term;
        size += Math.abs(term);
      }
      return { sum, size };
    };
    // One rounding of the result to bf16, and float32 rounding of every partial sum.
    const near = (actual: number, { sum, size }: { sum: number; size: number }) =>
      expect(Math.abs(actual - sum)).toBeLessThanOrEqual(2 ** -8 * Math.abs(sum) + 1e-6 * size);
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < outputs; j++) near(y[i * outputs + j]!, product(i, j));
      for (let k = 0; k < inputs; k++) near(dx[i * inputs + k]!, gradient(i, k));
    }
    weight.dispose();
  });

  it('every other operation gets it as float32 and gives float32', () => {
    const rng = new Rng('mixed');
    const w = normal(rng, 4, 6);
    const r = w.map(nearestBf16);
    const weight = frozen(w, [4, 6]);
    const plain = frozen(r, [4, 6]);
    storeAsBf16(weight);
    const operations: Record<string, (t: tf.Tensor2D) => tf.Tensor> = {
      add: (t) => tf.add(t, 1),
      both: (t) => tf.mul(t, t),
      cast: (t) => tf.cast(t, 'float32'),
      reshape: (t) => tf.reshape(t, [24]),
      transpose: (t) => tf.transpose(t),
      concat: (t) => tf.concat([t, t], 0),
      split: (t) => tf.split(t, 2, 1)[1]!,
      gather: (t) => tf.gather(t, tf.tensor1d([3, 0], 'int32')),
      sum: (t) => tf.sum(t, 1),
      softmax: (t) => tf.softmax(t),
      matMul: (t) => tf.matMul(t, t, false, true),
      greater: (t) => tf.cast(tf.greater(t, 0), 'float32'),
    };
    for (const [name, operation] of Object.entries(operations)) {
      const before = handles();
      tf.tidy(() => {
        const y = operation(weight as unknown as tf.Tensor2D);
        expect(isBf16(y), name).toBe(false);
        expect([...y.dataSync()], name).toEqual([...operation(plain as unknown as tf.Tensor2D).dataSync()]);
      });
      // The plain weight's values are handed to TensorFlow at its first use.
      expect(handles() - before, name).toBeLessThanOrEqual(1);
    }
    tf.dispose([weight, plain]);
  });

  it('leaves no handle behind, whatever fails', () => {
    const weight = frozen(new Float32Array(6).fill(1), [2, 3]);
    storeAsBf16(weight);
    const before = [handles(), tf.memory().numTensors];
    for (let i = 0; i < 5; i++) {
      tf.tidy(() => linear(tf.ones([4, 3]), weight).dataSync());
      tf.tidy(() =>
        tf
          .grad((x) => tf.sum(linear(x, weight)))(tf.ones([4, 3]))
          .dataSync(),
      );
      expect(() => runKernel('ReasBf16MatMul', { a: weight, b: weight }, { transposeB: false })).toThrow();
      weight.dataSync();
    }
    expect([handles(), tf.memory().numTensors]).toEqual(before);
    weight.dispose();
  });

  it('becomes float32 on an engine that has none, and stays so when it comes back', async () => {
    const weight = frozen(Float32Array.of(2.6, 1), [1, 2]);
    storeAsBf16(weight);
    await tf.setBackend('cpu');
    expect([...tf.tidy(() => tf.mul(weight, 1).dataSync())]).toEqual([2.59375, 1]);
    await tf.setBackend('tensorflow');
    expect([...tf.tidy(() => tf.mul(weight, 1).dataSync())]).toEqual([2.59375, 1]);
    expect(isBf16(weight)).toBe(false);
    weight.dispose();
  });

  it('serves the cross-entropy of a frozen head, value and gradient', () => {
    const rng = new Rng('head');
    const w = normal(rng, 11, 8);
    const [narrow, plain] = [frozen(w, [11, 8]), frozen(w.map(nearestBf16), [11, 8])];
    storeAsBf16(narrow);
    const hidden = tf.tensor2d(normal(rng, 5, 8), [5, 8]);
    const labels = Int32Array.of(3, -100, 0, 10, 7);
    const values = (head: tf.Variable<tf.Rank.R2>) => {
      const { value, grad } = tf.valueAndGrad((h: tf.Tensor2D) =>
        tf.sum(linearCrossEntropy(h, head, labels)),
      )(hidden);
      const read = [...value.dataSync(), ...grad.dataSync()];
      tf.dispose([value, grad]);
      return read;
    };
    const expected = values(plain);
    values(narrow).forEach((value, i) => {
      expect(Math.abs(value - expected[i]!)).toBeLessThan(3e-2 * (1 + Math.abs(expected[i]!)));
    });
    tf.dispose([narrow, plain, hidden]);
  });

  it('holds the frozen linear weights of a model loaded in bf16, and nothing that is trained', async () => {
    const groups = ['qformer', 'lora'] as const;
    const { student } = await loadStudent(REFERENCE, { precision: 'bf16', groups });
    await loadAdapter(student, REFERENCE);
    const trained = new Set(selectTrainable(student, groups));
    const narrow = bf16Parameters(student, groups);
    for (const parameter of student.module.parameters()) {
      expect(isBf16(parameter.value), parameter.name).toBe(narrow.has(parameter));
      if (narrow.has(parameter)) expect(trained.has(parameter), parameter.name).toBe(false);
    }
    const names = [...narrow].map(({ name }) => name);
    expect(names).toContain('language_model.lm_head.weight');
    expect(names).toContain('language_projection.weight');
    expect(names.some((name) => name.startsWith('qformer.'))).toBe(false);
    student.dispose();
  });

  // Rounding the weights alone moves gradients of this random model by up to 0.096 of their largest magnitude.
  it('weights check in bf16: losses inside 1 %, and other numbers than in f32', async () => {
    const { rows } = await weightsCheck(REFERENCE, 'bf16');
    const error = (name: string) => rows.find((row) => row.name === name)!.error;
    expect(error('expect.vision')).toBeGreaterThan(1e-4);
    expect(error('expect.loss')).toBeLessThan(1e-2);
    expect(error('expect.adamw_losses')).toBeLessThan(1e-2);
  });
});
