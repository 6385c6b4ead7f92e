/**
 * The fused functions of the CUDA device against those of native-cpu, called as the seam calls them: what the operations'
 * own tests (test/ops) do not reach, such as bf16 weights and activations. Attention's are in cudaAttention.test.ts.
 */
import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/random.js';
import { cudaMissing, gpu, onGpu } from '../support/cuda.js';
import {
  type Argument,
  compare,
  dropout,
  NO_DROPOUT,
  operand,
  result,
  roundToBf16,
  run,
} from './cudaSupport.js';
import { mismatch, randomFloats } from './support.js';

describe.skipIf(cudaMissing !== undefined)(
  `fused functions of the CUDA device${cudaMissing ? ` (SKIPPED: ${cudaMissing})` : ''}`,
  () => {
    it.each([
      [3, 5, 2, 0, 0],
      [14, 9, 36, 0, 0],
      [70, 64, 130, 8, 0.1],
      [33, 131, 65, 17, 0.5],
      [0, 5, 4, 2, 0.1],
    ])('linear with a bf16 weight: %i rows, %i to %i, r %i, dropout %d', (rows, inputs, outputs, r, rate) => {
      const rng = new Rng(rows + r);
      const x = { values: roundToBf16(randomFloats(rng, rows * inputs)) };
      const dy = { values: roundToBf16(randomFloats(rng, rows * outputs)) };
      const weight = { values: roundToBf16(randomFloats(rng, outputs * inputs)), bf16: true };
      const lora = r ? [operand(rng, r * inputs), operand(rng, outputs * r)] : [null, null];
      const addend = rows % 2 === 0 ? operand(rng, rows * outputs) : null;
      const sizes = [rows, inputs, outputs, r, 0.7, ...(rate ? dropout(rate) : NO_DROPOUT)];
      // With activations that bf16 holds exactly, the products differ from f32 ones by the order of their sums alone.
      compare('fusedLinear', [
        x,
        weight,
        operand(rng, outputs),
        ...lora,
        result(rows * outputs),
        ...sizes,
        addend,
      ]);
      const before = rows % 2 === 0 ? operand(rng, rows * inputs) : null;
      compare('fusedLinearGradInput', [dy, weight, ...lora, result(rows * inputs), ...sizes, before]);
      if (r === 0) return;
      const lowRank = [result(r * inputs), result(outputs * r)];
      compare('fusedLinearGradLora', [dy, x, ...lora, ...lowRank, ...sizes]);
    });

    it('adds bias and addend itself where cuBLASLt cannot (told so on the shim)', () => {
      const rng = new Rng('no epilogue');
      const args = (rows: number, inputs: number, outputs: number, adds = false): Argument[] => [
        operand(rng, rows * inputs),
        operand(rng, outputs * inputs),
        operand(rng, outputs),
        null,
        null,
        result(rows * outputs),
        ...[rows, inputs, outputs, 0, 0],
        ...NO_DROPOUT,
        adds ? operand(rng, rows * outputs) : null,
      ];
      compare('fusedLinear', args(19, 7, 31));
      compare('fusedLinear', args(19, 0, 31));
      compare('fusedLinear', args(19, 0, 31, true));
      for (const cannot of ['CUDA_SHIM_LT_NO_BIAS', 'CUDA_SHIM_LT_IN_PLACE']) {
        process.env[cannot] = '1';
        try {
          compare('fusedLinear', args(19, 8, 33));
          compare('fusedLinear', args(19, 8, 33, true));
        } finally {
          delete process.env[cannot];
        }
      }
    });

    it('operations store a result in bf16 as they would have rounded it', () => {
      const rng = new Rng('stored');
      const [rows, d] = [5, 37];
      const x = operand(rng, rows * d);
      const [batch, heads, Lq, Lk] = [2, 3, 4, 9];
      const attention = (D: number, bf16: number): Argument[] => [
        operand(rng, batch * Lq * heads * D),
        operand(rng, batch * Lk * heads * D),
        operand(rng, batch * Lk * heads * D),
        ...[null, null, batch, heads, Lq, Lk, D, D, 0, 0.5],
        ...dropout(0.2),
        ...[bf16, 0, null],
      ];
      const weight = { values: roundToBf16(randomFloats(rng, 11 * d)), bf16: true };
      const cases: [name: string, before: Argument[], size: number, after: Argument[]][] = [
        ['fusedLayerNorm', [x, operand(rng, d), operand(rng, d)], rows * d, [rows, d, 1e-6]],
        ['fusedRmsNorm', [x, operand(rng, d)], rows * d, [null, rows, d, 1e-6]],
        ['fusedGelu', [0, x], rows * d, [rows * d]],
        ['fusedGatedGelu', [1, x, operand(rng, rows * d)], rows * d, [rows, d, ...dropout(0.2)]],
        ['fusedDropout', [x, null], rows * d, [rows, d, ...dropout(0.3)]],
        ['fusedAttention', attention(20, 1), batch * Lq * heads * 20, []],
        ['fusedAttention', attention(7, 1), batch * Lq * heads * 7, []],
        ['fusedAttention', attention(100, 1), batch * Lq * heads * 100, []],
        ['fusedAttention', attention(20, 0), batch * Lq * heads * 20, []],
        ['fusedLinear', [x, weight, null, null, null], rows * 11, [rows, d, 11, 0, 0, ...NO_DROPOUT, null]],
      ];
      for (const [name, before, size, after] of cases) {
        const [wide] = run(gpu(), name, [...before, { size }, ...after]);
        const [stored] = run(gpu(), name, [...before, { size, bf16: true }, ...after]);
        // For products of bf16 cuBLASLt may add in another order than for those of f32.
        if (name === 'fusedLinear' && onGpu)
          expect(mismatch(stored!, wide!, 2 ** -7, 1e-3), name).toBeUndefined();
        else expect(stored, name).toEqual(roundToBf16(wide!));
        expect(stored, name).not.toEqual(wide);
      }
    });

    it('linear with a bias, an update, an addend or an f32 weight gives no result in bf16', () => {
      const rng = new Rng('f32 results');
      const [x, w] = [operand(rng, 6), { values: randomFloats(rng, 12), bf16: true }];
      const into = { size: 8, bf16: true };
      const linear =
        (weight: Argument, bias: Argument, lora: Argument[], r: number, addend: Argument) => () =>
          run(gpu(), 'fusedLinear', [x, weight, bias, ...lora, into, 2, 3, 4, r, 1, ...NO_DROPOUT, addend]);
      const none = [null, null];
      expect(linear(w, operand(rng, 4), none, 0, null)).toThrow(/the result is f32/);
      expect(linear(w, null, [operand(rng, 3), operand(rng, 4)], 1, null)).toThrow(/the result is f32/);
      expect(linear(w, null, none, 0, operand(rng, 8))).toThrow(/the result is f32/);
      expect(linear({ values: w.values }, null, none, 0, null)).toThrow(/product of f32 stored in bf16/);
    });

    it.each([37, 2048])("RMSNorm's gradient needs its result in bf16 alone, width %i", (d) => {
      const rng = new Rng(d);
      const [rows, eps] = [5, 1e-6];
      const n = rows * d;
      const [x, dy, addend] = [operand(rng, n), operand(rng, n), operand(rng, n)];
      const weight = { values: randomFloats(rng, d).map((value) => value + Math.sign(value) * 1e-3) };
      const inBf16 = { size: n, bf16: true };
      const [y, inverses] = run(gpu(), 'fusedRmsNorm', [x, weight, inBf16, result(rows), rows, d, eps]);
      expect(y).toEqual(run(gpu(), 'fusedRmsNorm', [x, weight, inBf16, null, rows, d, eps])[0]);
      for (let row = 0; row < rows; row++) {
        const squares = x.values.subarray(row * d, (row + 1) * d).reduce((sum, value) => sum + value ** 2, 0);
        expect(inverses![row]! * Math.sqrt(squares / d + eps)).toBeCloseTo(1, 5);
      }
      for (const added of [addend, null]) {
        const [exact] = run(gpu(), 'fusedRmsNormGradInput', [dy, x, weight, added, result(n), rows, d, eps]);
        const kept = [{ values: y!, bf16: true }, weight, { values: inverses! }];
        const [from] = run(gpu(), 'fusedRmsNormGradFromResult', [dy, ...kept, added, result(n), rows, d]);
        // A bit of bf16 in each element of the normalised operand, which are up to 3 times the gradients' mean along it.
        expect(mismatch(from!, exact!, 0, 2 ** -7)).toBeUndefined();
        expect(from).not.toEqual(exact);
      }
    });

    it('GELU takes operands stored in bf16, gate and up alike', () => {
      const rng = new Rng('gelu from bf16');
      const [rows, d] = [7, 21];
      const n = rows * d;
      const [x, up] = [roundToBf16(randomFloats(rng, n)), roundToBf16(randomFloats(rng, n))];
      const dy = operand(rng, n);
      const sizes = [rows, d, ...dropout(0.2)];
      for (const into of [{ size: n }, { size: n, bf16: true }]) {
        const all = (bf16: boolean): Float32Array[][] => {
          const [gate, other] = [
            { values: x, bf16 },
            { values: up, bf16 },
          ];
          return [
            run(gpu(), 'fusedGelu', [0, gate, into, n]),
            run(gpu(), 'fusedGeluGrad', [1, dy, gate, into, n]),
            run(gpu(), 'fusedGatedGelu', [0, gate, other, into, ...sizes]),
            run(gpu(), 'fusedGatedGeluGrad', [1, dy, gate, other, into, into, ...sizes]),
          ];
        };
        expect(all(true)).toEqual(all(false));
      }
      const mixed = [{ values: x, bf16: true }, { values: up }, { size: n }, ...sizes];
      expect(() => run(gpu(), 'fusedGatedGelu', [0, ...mixed])).toThrow(/stored alike/);
    });

    it.each([0, 5])('linear takes activations stored in bf16, r %i', (r) => {
      const rng = new Rng(r);
      const [rows, inputs, outputs] = [33, 70, 41];
      const weight = { values: roundToBf16(randomFloats(rng, outputs * inputs)), bf16: true };
      const lora = r ? [operand(rng, r * inputs), operand(rng, outputs * r)] : [null, null];
      const sizes = [rows, inputs, outputs, r, 0.7, ...(r ? dropout(0.2) : NO_DROPOUT)];
      const x = roundToBf16(randomFloats(rng, rows * inputs));
      const dy = roundToBf16(randomFloats(rng, rows * outputs));
      const all = (bf16: boolean): Float32Array[][] => {
        const from = { values: x, bf16 };
        const gradient = { values: dy, bf16 };
        const thin = [result(r * inputs), result(outputs * r)];
        return [
          run(gpu(), 'fusedLinear', [from, weight, null, ...lora, result(rows * outputs), ...sizes, null]),
          run(gpu(), 'fusedLinearGradInput', [
            gradient,
            weight,
            ...lora,
            result(rows * inputs),
            ...sizes,
            null,
          ]),
          r ? run(gpu(), 'fusedLinearGradLora', [gradient, from, ...lora, ...thin, ...sizes]) : [],
        ];
      };
      expect(all(true)).toEqual(all(false));
      const f32 = [{ values: x, bf16: true }, { values: weight.values }, null, ...lora];
      expect(() => run(gpu(), 'fusedLinear', [...f32, result(rows * outputs), ...sizes, null])).toThrow(
        /an activation stored in bf16 with a weight in f32/,
      );
    });

    it('linear rounds activations to bf16 for a bf16 weight, to nearest even', () => {
      const rng = new Rng('rounding');
      const [rows, inputs, outputs] = [5, 37, 11];
      const x = randomFloats(rng, rows * inputs);
      const weight = { values: roundToBf16(randomFloats(rng, outputs * inputs)), bf16: true };
      const rest: Argument[] = [
        null,
        null,
        null,
        result(rows * outputs),
        ...[rows, inputs, outputs, 0, 0],
        ...NO_DROPOUT,
        null,
      ];
      compare('fusedLinear', [{ values: x }, weight, ...rest], 1e-5, [
        { values: roundToBf16(x) },
        weight,
        ...rest,
      ]);
    });

    it.each([
      [7, 33, 30, 256],
      [90, 517, 37, 32],
      [5, 3, 1, 1],
    ])(
      'cross-entropy with a bf16 weight: %i rows, vocabulary %i, width %i, chunks of %i',
      (N, V, d, chunk) => {
        const rng = new Rng(N * V);
        const hidden = { values: roundToBf16(randomFloats(rng, N * d)) };
        const weight = { values: roundToBf16(randomFloats(rng, V * d)), bf16: true };
        const labels = {
          values: Int32Array.from({ length: N }, (_, i) => (i % 4 === 1 ? -100 : (i * 31) % V)),
        };
        const sizes = [N, V, d, chunk];
        compare('fusedCrossEntropy', [hidden, weight, labels, result(N), null, ...sizes]);
        // softmax - onehot is rounded to bf16, 2^-9 of each term.
        compare('fusedCrossEntropy', [hidden, weight, labels, result(N), result(N * d), ...sizes], 4e-3);
      },
    );

    it('cross-entropy keeps what is in ignored rows out of loss and gradients, NaN included', () => {
      const rng = new Rng('ignored');
      const [N, V, d] = [3, 9, 4];
      const hidden = randomFloats(rng, N * d);
      hidden.fill(Number.NaN, d, 2 * d);
      const labels = { values: Int32Array.of(2, -100, 8) };
      const weight = operand(rng, V * d);
      const sizes = [N, V, d, 2];
      compare('fusedCrossEntropy', [{ values: hidden }, weight, labels, result(N), result(N * d), ...sizes]);
      const gradient: Argument[] = [
        operand(rng, N),
        { values: hidden },
        weight,
        labels,
        result(V * d),
        ...sizes,
      ];
      compare('fusedCrossEntropyGradWeight', gradient);
    });

    it.each([
      [50, 33, 300],
      [20, 1030, 400],
      [5, 3, 0],
    ])('embedding: table (%i, %i), %i ids, many of them repeated', (rows, d, n) => {
      const rng = new Rng(n);
      const ids = { values: Int32Array.from({ length: n }, () => rng.int(1 + rng.int(rows))) };
      const table = roundToBf16(randomFloats(rng, rows * d));
      for (const bf16 of [false, true]) {
        compare('fusedEmbedding', [{ values: table, bf16 }, ids, result(n * d), n, rows, d], 0);
      }
      compare('fusedEmbeddingGrad', [operand(rng, n * d), ids, result(rows * d), n, rows, d]);
    });

    it('names the first id outside the table at the next read, once', () => {
      const ids = { values: Int32Array.of(0, 3, -1, 9) };
      const call = (): Float32Array[] =>
        run(gpu(), 'fusedEmbedding', [operand(new Rng(1), 12), ids, result(12), 4, 4, 3]);
      expect(call).toThrow('embedding: id -1 at position 2; expected 0 to 3 (rows of the table)');
      compare('fusedGelu', [0, operand(new Rng(2), 5), result(5), 5]);
    });

    it.each([
      [1, 2050],
      [300, 64],
      [131, 40],
    ])('norms of %i rows of %i: parameter gradients over many rows', (rows, d) => {
      const rng = new Rng(rows);
      const [dy, x] = [operand(rng, rows * d), operand(rng, rows * d)];
      compare('fusedLayerNormGradParameters', [dy, x, result(d), result(d), rows, d, 1e-6], 3e-5);
      compare('fusedRmsNormGradWeight', [dy, x, result(d), rows, d, 1e-6], 3e-5);
    });
  },
);
