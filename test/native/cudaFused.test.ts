/**
 * The fused functions of the CUDA device against those of native-cpu, called as the seam calls them: what the operations'
 * own tests (test/ops) do not reach, such as bf16 weights and activations. Attention's are in cudaAttention.test.ts.
 */
import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { cudaMissing, gpu, onGpu } from '../support/cuda.js';
import {
  compare,
  dropout,
  type Given,
  NO_DROPOUT,
  operand,
  result,
  rounded,
  roundToBf16,
  run,
  type Wanted,
} from './cudaSupport.js';
import { mismatch } from './support.js';

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
      const x = rounded(rng, rows, inputs);
      const dy = rounded(rng, rows, outputs);
      const weight = { ...rounded(rng, outputs, inputs), bf16: true };
      const lora = r ? { loraA: operand(rng, r, inputs), loraB: operand(rng, outputs, r) } : undefined;
      const addend = rows % 2 === 0 ? operand(rng, rows, outputs) : undefined;
      const attrs = { scale: 0.7, dropout: dropout(rate) };
      // With activations that bf16 holds exactly, the products differ from f32 ones by the order of their sums alone.
      const bias = operand(rng, outputs);
      compare('linear', { x, weight, bias, ...lora, addend }, attrs, { y: result(rows, outputs) });
      const before = rows % 2 === 0 ? operand(rng, rows, inputs) : undefined;
      const dx = result(rows, inputs);
      compare('linearGradInput', { dy, weight, ...lora, addend: before }, attrs, { dx });
      if (!lora) return;
      const lowRank = { dA: result(r, inputs), dB: result(outputs, r) };
      compare('linearGradLora', { dy, x, ...lora }, attrs, lowRank);
    });

    it('adds bias and addend itself where cuBLASLt cannot (told so on the shim)', () => {
      const rng = new Rng('no epilogue');
      const compared = (rows: number, inputs: number, outputs: number, adds = false): void =>
        compare(
          'linear',
          {
            x: operand(rng, rows, inputs),
            weight: operand(rng, outputs, inputs),
            bias: operand(rng, outputs),
            addend: adds ? operand(rng, rows, outputs) : undefined,
          },
          { scale: 0, dropout: NO_DROPOUT },
          { y: result(rows, outputs) },
        );
      compared(19, 7, 31);
      compared(19, 0, 31);
      compared(19, 0, 31, true);
      for (const cannot of ['CUDA_SHIM_LT_NO_BIAS', 'CUDA_SHIM_LT_IN_PLACE']) {
        process.env[cannot] = '1';
        try {
          compared(19, 8, 33);
          compared(19, 8, 33, true);
        } finally {
          delete process.env[cannot];
        }
      }
    });

    it('operations store a result in bf16 as they would have rounded it', () => {
      const rng = new Rng('stored');
      const [rows, d] = [5, 37];
      const [x, w, bias] = [operand(rng, rows, d), operand(rng, d), operand(rng, d)];
      const [batch, heads, Lq, Lk] = [2, 3, 4, 9];
      const on = gpu();
      type Case = [name: string, shape: number[], run: (into: Wanted) => Float32Array[]];
      const attention = (D: number, half: boolean): Case => {
        const q = operand(rng, batch, Lq, heads * D);
        const [k, v] = [operand(rng, batch, Lk, heads * D), operand(rng, batch, Lk, heads * D)];
        const attrs = { heads, keys: Lk, scale: 0.5, half, dropout: dropout(0.2) };
        return ['attention', q.shape, (out) => run(on, 'attention', { q, k, v }, attrs, { out })];
      };
      const weight = { ...rounded(rng, 11, d), bf16: true };
      const [gate, up] = [x, operand(rng, rows, d)];
      const plain = { scale: 0, dropout: NO_DROPOUT };
      const tanh = { form: 'tanh' as const, dropout: dropout(0.2) };
      const cases: Case[] = [
        ['layerNorm', x.shape, (y) => run(on, 'layerNorm', { x, weight: w, bias }, { eps: 1e-6 }, { y })],
        ['rmsNorm', x.shape, (y) => run(on, 'rmsNorm', { x, weight: w }, { eps: 1e-6 }, { y })],
        ['gelu', x.shape, (y) => run(on, 'gelu', { x }, { form: 'erf' }, { y })],
        ['gatedGelu', x.shape, (y) => run(on, 'gatedGelu', { gate, up }, tanh, { y })],
        ['gatedSilu', x.shape, (y) => run(on, 'gatedSilu', { gate, up }, { dropout: dropout(0.2) }, { y })],
        ['dropout', x.shape, (y) => run(on, 'dropout', { x }, { dropout: dropout(0.3) }, { y })],
        attention(20, true),
        attention(7, true),
        attention(100, true),
        attention(20, false),
        ['linear', [rows, 11], (y) => run(on, 'linear', { x, weight }, plain, { y })],
      ];
      for (const [name, shape, into] of cases) {
        const [wide] = into({ shape });
        const [stored] = into({ shape, bf16: true });
        // For products of bf16 cuBLASLt may add in another order than for those of f32.
        if (name === 'linear' && onGpu) expect(mismatch(stored!, wide!, 2 ** -7, 1e-3), name).toBeUndefined();
        else expect(stored, name).toEqual(roundToBf16(wide!));
        expect(stored, name).not.toEqual(wide);
      }
    });

    it('linear with an update, an addend or an f32 weight gives no result in bf16', () => {
      const rng = new Rng('f32 results');
      const [x, w] = [operand(rng, 2, 3), { ...operand(rng, 4, 3), bf16: true }];
      const y = { shape: [2, 4], bf16: true };
      const attrs = { scale: 1, dropout: NO_DROPOUT };
      const linear = (weight: Given, more: Partial<Record<'loraA' | 'loraB' | 'addend', Given>>) => () =>
        run(gpu(), 'linear', { x, weight, ...more }, attrs, { y });
      expect(linear(w, { loraA: operand(rng, 1, 3), loraB: operand(rng, 4, 1) })).toThrow(
        /the result is f32/,
      );
      expect(linear(w, { addend: operand(rng, 2, 4) })).toThrow(/the result is f32/);
      expect(linear({ ...w, bf16: false }, {})).toThrow(/product of f32 stored in bf16/);
    });

    it('linear rounds its bias to bf16 where its result is stored so, and once where cuBLASLt cannot', () => {
      const rng = new Rng('bias in bf16');
      const [rows, inputs, outputs] = [19, 8, 33];
      const x = operand(rng, rows, inputs);
      const weight = { ...rounded(rng, outputs, inputs), bf16: true };
      const bias = operand(rng, outputs);
      const attrs = { scale: 0, dropout: NO_DROPOUT };
      const of = (given: { x: Given; weight: Given; bias: Given }, bf16: boolean) =>
        run(gpu(), 'linear', given, attrs, { y: { shape: [given.x.shape[0]!, outputs], bf16 } })[0]!;
      const roundedBias = { ...bias, values: roundToBf16(bias.values) };
      const stored = of({ x, weight, bias }, true);
      const expected = roundToBf16(of({ x, weight, bias: roundedBias }, false));
      // For products of bf16 cuBLASLt may add in another order than for those of f32.
      if (onGpu) expect(mismatch(stored, expected, 2 ** -7, 1e-3)).toBeUndefined();
      else expect(stored).toEqual(expected);
      process.env.CUDA_SHIM_LT_NO_BIAS = '1';
      try {
        const other = { ...operand(rng, rows + 1, inputs) };
        const without = of({ x: other, weight, bias }, true);
        if (!onGpu) expect(without).toEqual(roundToBf16(of({ x: other, weight, bias }, false)));
        const empty = { x: operand(rng, 3, 0), weight: { ...rounded(rng, outputs, 0), bf16: true }, bias };
        const rows3 = [0, 1, 2].flatMap(() => [...roundToBf16(bias.values)]);
        expect([...of(empty, true)]).toEqual(rows3);
      } finally {
        delete process.env.CUDA_SHIM_LT_NO_BIAS;
      }
    });

    it.each([37, 2048])("RMSNorm's gradient needs its result in bf16 alone, width %i", (d) => {
      const rng = new Rng(d);
      const [rows, eps] = [5, 1e-6];
      const n = rows * d;
      const [x, dy, addend] = [operand(rng, rows, d), operand(rng, rows, d), operand(rng, rows, d)];
      const plain = operand(rng, d);
      const weight = { ...plain, values: plain.values.map((value) => value + Math.sign(value) * 1e-3) };
      const inBf16 = { shape: [rows, d], bf16: true };
      const norm = (inverses?: Wanted): Float32Array[] =>
        run(gpu(), 'rmsNorm', { x, weight }, { eps }, { y: inBf16, inverses });
      const [y, inverses] = norm(result(rows));
      expect(y).toEqual(norm()[0]);
      for (let row = 0; row < rows; row++) {
        const squares = x.values.subarray(row * d, (row + 1) * d).reduce((sum, value) => sum + value ** 2, 0);
        expect(inverses![row]! * Math.sqrt(squares / d + eps)).toBeCloseTo(1, 5);
      }
      const kept = { y: { ...inBf16, values: y! }, inverses: { shape: [rows], values: inverses! } };
      const dx = result(rows, d);
      for (const added of [addend, undefined]) {
        const [exact] = run(gpu(), 'rmsNormGradInput', { dy, x, weight, addend: added }, { eps }, { dx });
        const operands = { dy, ...kept, weight, addend: added };
        const [from] = run(gpu(), 'rmsNormGradFromResult', operands, {}, { dx });
        expect(from).toHaveLength(n);
        // A bit of bf16 in each element of the normalised operand, which are up to 3 times the gradients' mean along it.
        expect(mismatch(from!, exact!, 0, 2 ** -7)).toBeUndefined();
        expect(from).not.toEqual(exact);
      }
    });

    it('GELU and gated SiLU take operands stored in bf16, gate and up alike', () => {
      const rng = new Rng('gelu from bf16');
      const shape = [7, 21];
      const [x, up, dy] = [rounded(rng, ...shape), rounded(rng, ...shape), operand(rng, ...shape)];
      const attrs = (form: 'erf' | 'tanh') => ({ form, dropout: dropout(0.2) });
      for (const y of [{ shape }, { shape, bf16: true }]) {
        const all = (bf16: boolean): Float32Array[][] => {
          const [gate, other] = [
            { ...x, bf16 },
            { ...up, bf16 },
          ];
          return [
            run(gpu(), 'gelu', { x: gate }, { form: 'erf' }, { y }),
            run(gpu(), 'geluGrad', { dy, x: gate }, { form: 'tanh' }, { dx: y }),
            run(gpu(), 'gatedGelu', { gate, up: other }, attrs('erf'), { y }),
            run(gpu(), 'gatedGeluGrad', { dy, gate, up: other }, attrs('tanh'), { dgate: y, dup: y }),
            run(gpu(), 'gatedSilu', { gate, up: other }, { dropout: dropout(0.2) }, { y }),
            run(
              gpu(),
              'gatedSiluGrad',
              { dy, gate, up: other },
              { dropout: dropout(0.2) },
              { dgate: y, dup: y },
            ),
          ];
        };
        expect(all(true)).toEqual(all(false));
      }
      const mixed = { gate: { ...x, bf16: true }, up };
      expect(() => run(gpu(), 'gatedGelu', mixed, attrs('erf'), { y: { shape } })).toThrow(/stored alike/);
    });

    it.each([0, 5])('linear takes activations stored in bf16, r %i', (r) => {
      const rng = new Rng(r);
      const [rows, inputs, outputs] = [33, 70, 41];
      const weight = { ...rounded(rng, outputs, inputs), bf16: true };
      const lora = r ? { loraA: operand(rng, r, inputs), loraB: operand(rng, outputs, r) } : undefined;
      const attrs = { scale: 0.7, dropout: dropout(r ? 0.2 : 0) };
      const x = rounded(rng, rows, inputs);
      const dy = rounded(rng, rows, outputs);
      const [y, dx] = [result(rows, outputs), result(rows, inputs)];
      const all = (bf16: boolean): Float32Array[][] => {
        const from = { ...x, bf16 };
        const gradient = { ...dy, bf16 };
        const thin = { dA: result(r, inputs), dB: result(outputs, r) };
        return [
          run(gpu(), 'linear', { x: from, weight, ...lora }, attrs, { y }),
          run(gpu(), 'linearGradInput', { dy: gradient, weight, ...lora }, attrs, { dx }),
          lora ? run(gpu(), 'linearGradLora', { dy: gradient, x: from, ...lora }, attrs, thin) : [],
        ];
      };
      expect(all(true)).toEqual(all(false));
      const f32 = { x: { ...x, bf16: true }, weight: { ...weight, bf16: false }, ...lora };
      expect(() => run(gpu(), 'linear', f32, attrs, { y })).toThrow(
        /an activation stored in bf16 with a weight in f32/,
      );
    });

    it('linear rounds activations to bf16 for a bf16 weight, to nearest even', () => {
      const rng = new Rng('rounding');
      const [rows, inputs, outputs] = [5, 37, 11];
      const x = operand(rng, rows, inputs);
      const weight = { ...rounded(rng, outputs, inputs), bf16: true };
      const attrs = { scale: 0, dropout: NO_DROPOUT };
      compare('linear', { x, weight }, attrs, { y: result(rows, outputs) }, 1e-5, {
        x: { ...x, values: roundToBf16(x.values) },
        weight,
      });
    });

    it.each([
      [7, 33, 30, 256],
      [90, 517, 37, 32],
      [5, 3, 1, 1],
    ])(
      'cross-entropy with a bf16 weight: %i rows, vocabulary %i, width %i, chunks of %i',
      (N, V, d, chunk) => {
        const rng = new Rng(N * V);
        const hidden = rounded(rng, N, d);
        const weight = { ...rounded(rng, V, d), bf16: true };
        const labels = {
          shape: [N],
          values: Int32Array.from({ length: N }, (_, i) => (i % 4 === 1 ? -100 : (i * 31) % V)),
        };
        const inputs = { hidden, weight, labels };
        const loss = result(N);
        const attrs = { chunkRows: chunk, wantGradient: false };
        compare('linearCrossEntropy', inputs, attrs, { loss });
        // softmax - onehot is rounded to bf16, 2^-9 of each term.
        compare('linearCrossEntropy', inputs, attrs, { loss, gradient: result(N, d) }, 4e-3);
      },
    );

    it('cross-entropy keeps what is in ignored rows out of loss and gradients, NaN included', () => {
      const rng = new Rng('ignored');
      const [N, V, d] = [3, 9, 4];
      const hidden = operand(rng, N, d);
      hidden.values.fill(Number.NaN, d, 2 * d);
      const labels = { shape: [N], values: Int32Array.of(2, -100, 8) };
      const inputs = { hidden, weight: operand(rng, V, d), labels };
      const attrs = { chunkRows: 2, wantGradient: true };
      compare('linearCrossEntropy', inputs, attrs, { loss: result(N), gradient: result(N, d) });
      const dy = operand(rng, N);
      const dweight = result(V, d);
      compare('linearCrossEntropyGradWeight', { dy, ...inputs }, { chunkRows: 2 }, { dweight });
    });

    it.each([
      [50, 33, 300],
      [20, 1030, 400],
      [5, 3, 0],
    ])('embedding: table (%i, %i), %i ids, many of them repeated', (rows, d, n) => {
      const rng = new Rng(n);
      const ids = { shape: [n], values: Int32Array.from({ length: n }, () => rng.int(1 + rng.int(rows))) };
      const table = rounded(rng, rows, d);
      for (const bf16 of [false, true]) {
        compare('embedding', { table: { ...table, bf16 }, ids }, {}, { y: result(n, d) }, 0);
      }
      compare('embeddingGrad', { dy: operand(rng, n, d), ids }, { rows }, { dtable: result(rows, d) });
    });

    it('names the first id outside the table at the next read, once', () => {
      const ids = { shape: [4], values: Int32Array.of(0, 3, -1, 9) };
      const call = (): Float32Array[] =>
        run(gpu(), 'embedding', { table: operand(new Rng(1), 4, 3), ids }, {}, { y: result(4, 3) });
      expect(call).toThrow('embedding: id -1 at position 2; expected 0 to 3 (rows of the table)');
      compare('gelu', { x: operand(new Rng(2), 5) }, { form: 'erf' }, { y: result(5) });
    });

    it.each([
      [1, 2050],
      [300, 64],
      [131, 40],
    ])('norms of %i rows of %i: parameter gradients over many rows', (rows, d) => {
      const rng = new Rng(rows);
      const inputs = { dy: operand(rng, rows, d), x: operand(rng, rows, d) };
      const attrs = { eps: 1e-6 };
      compare('layerNormGradParameters', inputs, attrs, { dweight: result(d), dbias: result(d) }, 3e-5);
      compare('rmsNormGradWeight', inputs, attrs, { dweight: result(d) }, 3e-5);
    });
  },
);
