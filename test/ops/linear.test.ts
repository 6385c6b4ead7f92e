/** Linear layers with low-rank updates. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import {
  attention,
  causalAttention,
  causalMask,
  type DropoutKey,
  dropout,
  gatedGelu,
  gatedSilu,
  gelu,
  hasBf16,
  isBf16,
  type LinearLayer,
  layerNorm,
  linear,
  linears,
  residual,
  rmsNorm,
  toBf16,
} from '../../src/ops/index.js';
import { hasFused } from '../../src/ops/kernels.js';
import { taped } from '../../src/ops/tape.js';
import { linearReference } from './reference.js';
import { compareWithReference, largestError, normal, onEveryForm, toTensor, type Values } from './support.js';

const DROP: DropoutKey = { rate: 0.3, seed: 11, step: 5, call: 2 };
const CASES = [
  { rows: 1, inputs: 1, outputs: 1, r: 0, bias: false, addend: false, key: undefined },
  { rows: 7, inputs: 13, outputs: 5, r: 0, bias: true, addend: false, key: undefined },
  { rows: 6, inputs: 12, outputs: 9, r: 0, bias: false, addend: true, key: undefined },
  { rows: 70, inputs: 40, outputs: 36, r: 0, bias: true, addend: true, key: undefined },
  { rows: 9, inputs: 33, outputs: 17, r: 3, bias: false, addend: false, key: undefined },
  { rows: 5, inputs: 19, outputs: 35, r: 8, bias: true, addend: false, key: DROP },
  { rows: 33, inputs: 16, outputs: 1, r: 1, bias: true, addend: true, key: DROP },
  { rows: 67, inputs: 8, outputs: 20, r: 9, bias: false, addend: true, key: undefined },
];

onEveryForm('linear', () => {
  it.each(CASES)('equals float64, values and gradients: %j', (c) => {
    const rng = new Rng(`linear ${c.rows} ${c.inputs}`);
    const inputs = {
      x: normal(rng, [c.rows, c.inputs]),
      weight: normal(rng, [c.outputs, c.inputs]),
      ...(c.bias ? { bias: normal(rng, [c.outputs]) } : {}),
      ...(c.r ? { A: normal(rng, [c.r, c.inputs]), B: normal(rng, [c.outputs, c.r]) } : {}),
      ...(c.addend ? { addend: normal(rng, [c.rows, c.outputs]) } : {}),
    };
    const errors = compareWithReference({
      rng,
      inputs,
      op: (t) => {
        const lora = c.r
          ? { A: t.A as tf.Tensor2D, B: t.B as tf.Tensor2D, scale: 0.5, dropout: c.key }
          : undefined;
        return linear(t.x!, t.weight as tf.Tensor2D, t.bias as tf.Tensor1D | undefined, lora, t.addend);
      },
      reference: (t) => linearReference(t, c, 0.5, c.key).map((y, i) => y + (t.addend?.[i] ?? 0)),
    });
    expect(errors.value).toBeLessThan(1e-5);
    for (const [name, error] of Object.entries(errors.gradients)) expect(error, name).toBeLessThan(1e-5);
  });

  // Several depths, dot products, columns in turn, the transposed problem, beside a low-rank update.
  it.each([
    [40, 1100, 37, 0],
    [3, 700, 70, 0],
    [30, 90, 333, 0],
    [90, 600, 7, 0],
    [70, 40, 50, 2],
  ])('adds the bias in every way of the product: %i x %i to %i, r %i', (rows, inputs, outputs, r) => {
    const rng = new Rng(`bias ${rows}`);
    const x = toTensor(normal(rng, [rows, inputs]));
    const weight = toTensor<tf.Tensor2D>(normal(rng, [outputs, inputs]));
    const bias = toTensor<tf.Tensor1D>(normal(rng, [outputs]));
    const lora = r
      ? {
          A: toTensor<tf.Tensor2D>(normal(rng, [r, inputs])),
          B: toTensor<tf.Tensor2D>(normal(rng, [outputs, r])),
          scale: 0.5,
        }
      : undefined;
    const expected = tf.add(linear(x, weight, undefined, lora), bias);
    const difference = tf.max(tf.abs(tf.sub(linear(x, weight, bias, lora), expected))).dataSync()[0]!;
    expect(difference).toBeLessThan(1e-4);
  });

  it('makes the same of an input that may be stored in bf16, values and gradients', () => {
    const rng = new Rng('stored in bf16');
    const random = <T extends tf.Tensor>(...shape: number[]): T => toTensor<T>(normal(rng, shape));
    const [scale, shift] = [random<tf.Tensor1D>(6), random<tf.Tensor1D>(6)];
    const weight = random<tf.Tensor2D>(5, 6);
    const inBf16 = multipliesBf16();
    const stored = inBf16 ? toBf16(weight) : weight;
    const frozen = tf.variable(stored, false) as unknown as tf.Tensor2D;
    const x = random<tf.Tensor3D>(2, 4, 6);
    const mask = causalMask({ prefix: 2, segments: [2], starts: [0, 1] });
    const grouped = { heads: 3, keyHeads: 3, scale: 1 };
    const inputs: [string, (x: tf.Tensor3D, bf16: boolean) => tf.Tensor][] = [
      ['layerNorm', (x, bf16) => layerNorm(x, scale, shift, 1e-6, bf16)],
      ['rmsNorm', (x, bf16) => rmsNorm(x, scale, 1e-6, bf16)],
      ['gelu', (x, bf16) => gelu(x, 'erf', { bf16 })],
      ['gatedGelu', (x, bf16) => gatedGelu(x, x, 'tanh', { bf16 })],
      ['gatedSilu', (x, bf16) => gatedSilu(x, x, { bf16 })],
      ['dropout', (x, bf16) => dropout(x, DROP, bf16)],
      ['attention', (x, bf16) => attention(x, x, x, { heads: 2, scale: 1, bf16 })],
      ['causalAttention', (x, bf16) => causalAttention(x, x, x, { ...grouped, mask, bf16 })],
    ];
    for (const [name, op] of inputs) {
      // native-cuda stores what may be stored so; native-cpu and tensorflow have bf16 for weights, the others not at all.
      expect(isBf16(op(x, true)), name).toBe(tf.getBackend() === 'native-cuda' && inBf16);
      const run = (bf16: boolean) => tf.valueAndGrad((t) => linear(op(t as tf.Tensor3D, bf16), frozen))(x);
      const [may, plain] = [run(true), run(false)];
      // Attention's operands are rounded too: its result can then be the next bf16 number.
      const limit = name.toLowerCase().endsWith('attention') ? 3e-2 : 0;
      for (const of of ['value', 'grad'] as const) {
        const difference = tf.max(tf.abs(tf.sub(may[of], plain[of]))).dataSync()[0]!;
        expect(difference, `${name}, ${of}`).toBeLessThanOrEqual(limit);
      }
    }
  });

  it('stores the result with a bias in bf16 as one without, of a bias rounded too', () => {
    const rng = new Rng('biased in bf16');
    const random = <T extends tf.Tensor>(...shape: number[]): T => toTensor<T>(normal(rng, shape));
    const inBf16 = multipliesBf16();
    const matrix = random<tf.Tensor2D>(5, 6);
    const weight = tf.variable(inBf16 ? toBf16(matrix) : matrix, false) as unknown as tf.Tensor2D;
    const bias = random<tf.Tensor1D>(5);
    const x = random<tf.Tensor3D>(2, 4, 6);
    const [stored] = linears(x, [{ weight, bias }], true);
    const [plain] = linears(x, [{ weight, bias }]);
    const stores = tf.getBackend() === 'native-cuda' && inBf16;
    expect(isBf16(stored!)).toBe(stores);
    const [actual, expected] = [stored!.dataSync(), plain!.dataSync()];
    const most = Math.max(...expected.map(Math.abs));
    // The bias and the sum are rounded to 8 bits each.
    for (const [i, value] of expected.entries())
      expect(Math.abs(actual[i]! - value)).toBeLessThanOrEqual(stores ? 2 ** -7 * most : 0);
    tf.dispose(weight);
  });

  it('makes the same of gradients that may be stored in bf16, and the gradients are stored so', () => {
    const rng = new Rng('gradients in bf16');
    const random = <T extends tf.Tensor>(...shape: number[]): T => toTensor<T>(normal(rng, shape));
    const inBf16 = multipliesBf16();
    const weights = Array.from({ length: 3 }, () => {
      const weight = random<tf.Tensor2D>(8, 6);
      return tf.variable(inBf16 ? toBf16(weight) : weight, false) as unknown as tf.Tensor2D;
    });
    const [A, B] = [random<tf.Tensor2D>(2, 6), random<tf.Tensor2D>(8, 2)];
    const x = random<tf.Tensor3D>(2, 4, 6);
    const beside = random<tf.Tensor3D>(2, 4, 8);
    type Op = (parts: tf.Tensor3D[], gradientBf16: boolean) => tf.Tensor;
    const ops: [string, Op][] = [
      ['gelu', ([a], gradientBf16) => gelu(a!, 'erf', { gradientBf16 })],
      ['gatedGelu', ([a, b], gradientBf16) => gatedGelu(a!, b!, 'erf', { gradientBf16 })],
      ['gatedSilu', ([a, b], gradientBf16) => gatedSilu(a!, b!, { gradientBf16 })],
      ['residual', ([a], gradientBf16) => residual(beside, a!, DROP, gradientBf16)],
    ];
    for (const [name, op] of ops) {
      const run = (gradientBf16: boolean, low: boolean) => {
        const stored: boolean[] = [];
        const grads = tf.grads((...t: tf.Tensor[]) => {
          const [input, a, b] = t as [tf.Tensor3D, tf.Tensor2D, tf.Tensor2D];
          const lora = low ? { A: a, B: b, scale: 0.5, dropout: DROP } : undefined;
          const layers = weights.map((weight, i) => ({ weight, lora: i === 0 ? lora : undefined }));
          const parts = linears(input, layers) as tf.Tensor3D[];
          return op(
            parts.map((part) => spied(part, stored)),
            gradientBf16,
          );
        })(low ? [x, A, B] : [x]);
        return { grads: grads.map((grad) => grad.dataSync()), stored: new Set(stored) };
      };
      const stores = tf.getBackend() === 'native-cuda' && inBf16;
      for (const low of [false, true]) {
        const [may, plain] = [run(true, low), run(false, low)];
        expect(may.stored, name).toEqual(new Set([stores]));
        expect(plain.stored, name).toEqual(new Set([false]));
        may.grads.forEach((grad, i) => {
          const size = Math.max(...plain.grads[i]!.map(Math.abs));
          const error = Math.max(...grad.map((value, k) => Math.abs(value - plain.grads[i]![k]!))) / size;
          // A low-rank update would read the gradient unrounded.
          expect(error, `${name}, gradient ${i}`).toBeLessThanOrEqual(low && stores ? 2 ** -8 : 0);
        });
      }
    }
    tf.dispose(weights);
  });

  it('computes several layers of one input, values and gradients equal to float64', () => {
    const rng = new Rng('several layers');
    const [rows, inputs] = [9, 13];
    const cases = [
      { outputs: 5, r: 0, bias: true, key: undefined },
      { outputs: 7, r: 11, bias: false, key: DROP },
      { outputs: 1, r: 2, bias: true, key: undefined },
      { outputs: 6, r: 0, bias: false, key: undefined },
    ];
    const values: Record<string, Values> = { x: normal(rng, [rows, inputs]) };
    cases.forEach(({ outputs, r, bias }, i) => {
      values[`weight${i}`] = normal(rng, [outputs, inputs]);
      if (bias) values[`bias${i}`] = normal(rng, [outputs]);
      if (r)
        Object.assign(values, { [`A${i}`]: normal(rng, [r, inputs]), [`B${i}`]: normal(rng, [outputs, r]) });
    });
    const layer = (t: Record<string, tf.Tensor>, i: number): LinearLayer => ({
      weight: t[`weight${i}`] as tf.Tensor2D,
      bias: t[`bias${i}`] as tf.Tensor1D | undefined,
      lora: t[`A${i}`] && {
        A: t[`A${i}`] as tf.Tensor2D,
        B: t[`B${i}`] as tf.Tensor2D,
        scale: 0.5,
        dropout: cases[i]!.key,
      },
    });
    // Results of each layer, one layer after the other.
    const errors = compareWithReference({
      rng,
      inputs: values,
      op: (t) => {
        const all = linears(
          t.x!,
          cases.map((_, i) => layer(t, i)),
        );
        return tf.concat(all.map((y) => tf.reshape(y, [y.size])));
      },
      reference: (t) =>
        cases.flatMap(({ outputs, r, key }, i) => {
          const names = ['weight', 'bias', 'A', 'B'].filter((name) => t[`${name}${i}`]);
          const of = { x: t.x!, ...Object.fromEntries(names.map((name) => [name, t[`${name}${i}`]!])) };
          return [...linearReference(of, { rows, inputs, outputs, r }, 0.5, key)];
        }),
    });
    expect(errors.value).toBeLessThan(1e-5);
    for (const [name, error] of Object.entries(errors.gradients)) expect(error, name).toBeLessThan(1e-5);
  });

  it('gives each of several layers its own gradient when results are left unused or weights are frozen', () => {
    const rng = new Rng('unused');
    const [x, first, second] = [
      toTensor<tf.Tensor2D>(normal(rng, [4, 6])),
      toTensor<tf.Tensor2D>(normal(rng, [3, 6])),
      toTensor<tf.Tensor2D>(normal(rng, [5, 6])),
    ];
    const frozen = tf.variable(first, false) as unknown as tf.Tensor2D;
    const both = (x: tf.Tensor, weight: tf.Tensor) =>
      linears(x, [{ weight: frozen }, { weight: weight as tf.Tensor2D }]);
    const alone = tf.grads((x, weight) => tf.square(linear(x, weight as tf.Tensor2D)))([x, second]);
    const unused = tf.grads((x, weight) => tf.square(both(x, weight)[1]!))([x, second]);
    unused.forEach((grad, i) => {
      expect(largestError(grad.dataSync(), alone[i]!.dataSync())).toBeLessThan(1e-5);
    });
    const before = tf.memory().numTensors;
    const used = tf.grads((x, weight) => tf.add(tf.sum(both(x, weight)[0]!), tf.sum(both(x, weight)[1]!)))([
      x,
      second,
    ]);
    expect(tf.memory().numTensors - before).toBe(2);
    const expected = tf.add(tf.sum(first, 0), tf.sum(second, 0));
    const rows = tf.add(tf.zeros([4, 1]), expected);
    expect(largestError(used[0]!.dataSync(), rows.dataSync())).toBeLessThan(1e-5);
    tf.dispose(frozen);
  });

  it('keeps the leading axes', () => {
    const rng = new Rng(2);
    const x = toTensor(normal(rng, [2, 3, 4, 5]));
    const weight = toTensor<tf.Tensor2D>(normal(rng, [6, 5]));
    const y = linear(x, weight);
    expect(y.shape).toEqual([2, 3, 4, 6]);
    const flat = linear(tf.reshape(x, [24, 5]), weight);
    expect([...y.dataSync()]).toEqual([...flat.dataSync()]);
  });

  it('gives gradients to LoRA and the input through a frozen weight', () => {
    const rng = new Rng(3);
    const values = { x: normal(rng, [4, 6]), weight: normal(rng, [5, 6]), bias: normal(rng, [5]) };
    const weight = tf.variable(toTensor<tf.Tensor2D>(values.weight), false) as unknown as tf.Tensor2D;
    const bias = tf.variable(toTensor<tf.Tensor1D>(values.bias), false) as unknown as tf.Tensor1D;
    const errors = compareWithReference({
      rng,
      inputs: { x: values.x, A: normal(rng, [2, 6]), B: normal(rng, [5, 2]) },
      op: (t) => linear(t.x!, weight, bias, { A: t.A as tf.Tensor2D, B: t.B as tf.Tensor2D, scale: 4 }),
      reference: (t) =>
        linearReference(
          { ...t, weight: values.weight.data, bias: values.bias.data },
          { rows: 4, inputs: 6, outputs: 5, r: 2 },
          4,
        ),
    });
    expect(errors.value).toBeLessThan(1e-5);
    for (const [name, error] of Object.entries(errors.gradients)) expect(error, name).toBeLessThan(1e-5);
    tf.dispose([weight, bias]);
  });

  it('names operation, shapes and expectation when shapes do not fit', () => {
    const x = tf.zeros([2, 3]);
    const weight = tf.zeros([4, 5]) as tf.Tensor2D;
    expect(() => linear(x, weight)).toThrow(
      /linear: got x \(2, 3\), weight \(4, 5\); expected x \(\.\.\., in\)/,
    );
    const fitting = tf.zeros([2, 5]);
    expect(() => linear(fitting, weight, tf.zeros([3]) as tf.Tensor1D)).toThrow(/bias \(3\)/);
    const lora = { A: tf.zeros([2, 5]) as tf.Tensor2D, B: tf.zeros([4, 3]) as tf.Tensor2D, scale: 1 };
    expect(() => linear(fitting, weight, undefined, lora)).toThrow(/lora\.A \(2, 5\), lora\.B \(4, 3\)/);
    expect(() => linear(fitting, weight, undefined, undefined, tf.zeros([4]))).toThrow(
      /got .*addend \(4\); expected .*addend \(\.\.\., out\)/,
    );
    expect(() => linear(tf.zeros([2, 5], 'int32'), weight)).toThrow(/x \(2, 5\) is int32; expected float32/);
  });
});

/** Whether `linear` takes a weight stored in bf16: native-cuda multiplies with it in its kernel alone. */
function multipliesBf16(): boolean {
  return hasBf16() && (tf.getBackend() !== 'native-cuda' || hasFused('ReasLinear'));
}

/** x; notes of its gradient whether it is stored in bf16. */
function spied<T extends tf.Tensor>(x: T, stored: boolean[]): T {
  return taped(
    'spied',
    { x: x as tf.Tensor },
    () => tf.clone(x as tf.Tensor),
    (dy) => {
      stored.push(isBf16(dy));
      return { x: () => tf.clone(dy) };
    },
  ) as T;
}
