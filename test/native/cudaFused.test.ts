/**
 * The fused functions of the CUDA device against those of native-cpu, called as the seam calls them: what the operations'
 * own tests (test/ops) do not reach, such as bf16 weights, heads wider than a tile, and lengths past every tile edge.
 */
import { describe, expect, it } from 'vitest';
import { type NativeDevice, nativeDevice } from '../../src/engine/native/addon.js';
import { Rng } from '../../src/random.js';
import type { AttentionCase } from '../ops/reference.js';
import { nearestBf16 } from '../support/bf16.js';
import { cudaMissing, gpu } from '../support/cuda.js';
import { mismatch, randomFloats } from './support.js';

/** An argument: a number, an operand (null: left out), or the size of a result. */
type Argument =
  | number
  | null
  | { values: Float32Array | Int32Array; bf16?: boolean }
  | { size: number; bf16?: boolean };

const NO_DROPOUT = [0, 0, 0, 0, 0];
const dropout = (rate: number): number[] => [rate, Math.round(rate * 2 ** 32), 0xfffffff0, 123, 7];
const operand = (rng: Rng, n: number): { values: Float32Array } => ({ values: randomFloats(rng, n) });
const roundToBf16 = (values: Float32Array): Float32Array => values.map(nearestBf16);
const result = (size: number): { size: number } => ({ size });

/** Calls a function of a device and returns its results; what is marked bf16 is stored so where the device can. */
function run(device: NativeDevice, name: string, args: Argument[]): Float32Array[] {
  const ids: number[] = [];
  const results: [id: number, size: number][] = [];
  const place = (argument: Argument): number => {
    if (argument === null) return -1;
    if (typeof argument === 'number') return argument;
    const size = 'size' in argument ? argument.size : argument.values.length;
    const stored = argument.bf16 && device === gpu();
    let id = stored && 'size' in argument ? gpu().allocateBf16(size) : device.allocate(4 * size);
    ids.push(id);
    if ('size' in argument) {
      results.push([id, size]);
      return id;
    }
    if (size > 0) device.write(id, argument.values);
    if (stored) {
      id = gpu().castStorage(id, size);
      ids.push(id);
    }
    return id;
  };
  const placed = args.map(place);
  (device.raw as Record<string, (...args: number[]) => void>)[name]!(...placed);
  const values = results.map(([id, size]) => {
    const into = new Float32Array(size);
    if (size > 0) device.read(id, into);
    return into;
  });
  for (const id of ids) device.release(id);
  return values;
}

/** Compares every result within relative error of its largest element; a second run must give the same bits. */
function compare(name: string, args: Argument[], tolerance = 1e-5, truth = args): void {
  const expected = run(nativeDevice(), name, truth);
  const actual = run(gpu(), name, args);
  const again = run(gpu(), name, args);
  expected.forEach((values, i) => {
    const largest = values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    expect(
      mismatch(actual[i]!, values, tolerance, tolerance * largest),
      `${name}, result ${i}`,
    ).toBeUndefined();
    expect(Buffer.from(again[i]!.buffer).equals(Buffer.from(actual[i]!.buffer)), `${name}, bits`).toBe(true);
  });
}

const ATTENTION: AttentionCase[] = [
  { batch: 1, heads: 2, Lq: 257, Lk: 257, D: 88, Dv: 88, biasHeads: 0, mask: false, rate: 0.1 },
  { batch: 2, heads: 2, Lq: 65, Lk: 129, D: 64, Dv: 64, biasHeads: 2, mask: true, rate: 0 },
  { batch: 3, heads: 2, Lq: 1, Lk: 66, D: 64, Dv: 64, biasHeads: 1, mask: true, rate: 0.2 },
  { batch: 1, heads: 1, Lq: 70, Lk: 130, D: 150, Dv: 20, biasHeads: 0, mask: false, rate: 0 },
  { batch: 1, heads: 1, Lq: 66, Lk: 67, D: 21, Dv: 170, biasHeads: 1, mask: false, rate: 0.5 },
  { batch: 2, heads: 2, Lq: 100, Lk: 45, D: 96, Dv: 80, biasHeads: 0, mask: true, rate: 0.3 },
  { batch: 1, heads: 3, Lq: 19, Lk: 33, D: 5, Dv: 7, biasHeads: 3, mask: false, rate: 0.1 },
  { batch: 2, heads: 3, Lq: 0, Lk: 5, D: 4, Dv: 4, biasHeads: 3, mask: false, rate: 0 },
];

describe.skipIf(cudaMissing !== undefined)(
  `fused functions of the CUDA device${cudaMissing ? ` (SKIPPED: ${cudaMissing})` : ''}`,
  () => {
    it.each(
      ATTENTION.flatMap((c) => [
        [c, false],
        [c, true],
      ]) as [AttentionCase, boolean][],
    )('attention and its gradients: %j, bf16 %s', (c, bf16) => {
      const rng = new Rng(JSON.stringify(c));
      const { batch, heads, Lq, Lk, D, Dv, biasHeads } = c;
      const queries = batch * Lq * heads;
      const keys = batch * Lk * heads;
      // The first item of a masked batch has no key left.
      const mask = Float32Array.from({ length: batch * Lk }, (_, i) =>
        i >= Lk && rng.float() < 0.7 ? 1 : 0,
      );
      const forward: Argument[] = [
        operand(rng, queries * D),
        operand(rng, keys * D),
        operand(rng, keys * Dv),
        biasHeads ? operand(rng, biasHeads * Lq * Lk) : null,
        c.mask ? { values: mask } : null,
        ...[batch, heads, Lq, Lk, D, Dv, biasHeads, D ** -0.5],
        ...(c.rate ? dropout(c.rate) : NO_DROPOUT),
        Number(bf16),
        ...[0, null],
      ];
      // Operands are rounded to 11 bits, 2^-12 of each at most; and errors of a score are errors of its exponential.
      const tolerance = bf16 ? 1e-3 : 1e-5;
      compare('fusedAttention', [...forward, result(queries * Dv)], tolerance);
      if (bf16 && Lq > 0 && Math.max(D, Dv) <= 96) {
        const [rounded] = run(gpu(), 'fusedAttention', [...forward, result(queries * Dv)]);
        const [exact] = run(gpu(), 'fusedAttention', [
          ...forward.slice(0, -3),
          0,
          0,
          null,
          result(queries * Dv),
        ]);
        expect(rounded, 'the tensor cores were used').not.toEqual(exact);
      }
      const dy = operand(rng, queries * Dv);
      const inputs = [result(queries * D), result(keys * D), result(keys * Dv)];
      const dbias = biasHeads ? result(biasHeads * Lq * Lk) : null;
      compare('fusedAttentionGrad', [...forward, dy, ...inputs, null], tolerance);
      if (!dbias) return;
      compare('fusedAttentionGrad', [...forward, dy, ...inputs, dbias]);
      compare('fusedAttentionGrad', [...forward, dy, null, null, null, dbias]);
    });

    it.each(ATTENTION.filter(({ D, Dv }) => Math.max(D, Dv) <= 96))(
      'attention keeps its operands in f16 for the backward pass: %j',
      (c) => {
        const rng = new Rng(JSON.stringify(c));
        const { batch, heads, Lq, Lk, D, Dv, biasHeads } = c;
        const [queries, keys] = [batch * Lq * heads, batch * Lk * heads];
        const operands = [operand(rng, queries * D), operand(rng, keys * D), operand(rng, keys * Dv)];
        const rest = [
          biasHeads ? operand(rng, biasHeads * Lq * Lk) : null,
          c.mask
            ? { values: Float32Array.from({ length: batch * Lk }, (_, i) => Number(i % 3 !== 0)) }
            : null,
          ...[batch, heads, Lq, Lk, D, Dv, biasHeads, D ** -0.5],
          ...(c.rate ? dropout(c.rate) : NO_DROPOUT),
          ...[1, 0],
        ];
        const kept = gpu().allocate(
          [queries * D, keys * D, keys * Dv].reduce((sum, n) => sum + 16 * Math.ceil(n / 8), 0),
        );
        const out = result(queries * Dv);
        const forward = run(gpu(), 'fusedAttention', [...operands, ...rest, kept, out]);
        expect(forward).toEqual(run(gpu(), 'fusedAttention', [...operands, ...rest, null, out]));

        const dy = operand(rng, queries * Dv);
        const gradients = [result(queries * D), result(keys * D), result(keys * Dv)];
        const from = (given: Argument[], dbias: Argument): Float32Array[] =>
          run(gpu(), 'fusedAttentionGrad', [...given, dy, ...gradients, dbias]);
        const fromKept = [null, null, null, ...rest, kept];
        expect(from(fromKept, null)).toEqual(from([...operands, ...rest, null], null));
        // The bias's gradient has f32 kernels alone: they get what was rounded to 11 bits.
        if (biasHeads > 0 && Lq > 0) {
          const dbias = result(biasHeads * Lq * Lk);
          const exact = from([...operands, ...rest, null], dbias);
          from(fromKept, dbias).forEach((values, i) => {
            const largest = exact[i]!.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
            expect(mismatch(values, exact[i]!, 1e-3, 1e-3 * largest), `result ${i}`).toBeUndefined();
          });
        }
        gpu().release(kept);
      },
    );

    it('refuses to keep what is not multiplied in f16', () => {
      const [x, wide] = [gpu().allocate(4096), gpu().allocate(4 * 400)];
      const raw = gpu().raw as Record<string, (...args: number[]) => void>;
      const attend = (bf16: number, packed: number, D: number, kept: number): void =>
        raw.fusedAttention!(x, x, x, -1, -1, 1, 1, 1, 1, D, D, 0, 1, 0, 0, 0, 0, 0, bf16, packed, kept, x);
      expect(() => attend(0, 0, 8, wide)).toThrow(/f16 are kept/);
      expect(() => attend(1, 0, 97, wide)).toThrow(/f16 are kept/);
      expect(() => attend(1, 0, 300, wide)).toThrow(/bytes/);
      const grad = (q: number): void =>
        raw.fusedAttentionGrad!(
          q,
          q,
          q,
          -1,
          -1,
          1,
          1,
          1,
          1,
          8,
          8,
          0,
          1,
          0,
          0,
          0,
          0,
          0,
          1,
          0,
          wide,
          x,
          x,
          x,
          x,
          -1,
        );
      expect(() => grad(x)).toThrow(/stand for q, k and v/);
      const onCpu = nativeDevice().raw as typeof raw;
      const buffer = nativeDevice().allocate(4096);
      expect(() =>
        onCpu.fusedAttention!(
          buffer,
          buffer,
          buffer,
          -1,
          -1,
          1,
          1,
          1,
          1,
          8,
          8,
          0,
          1,
          0,
          0,
          0,
          0,
          0,
          1,
          0,
          buffer,
          buffer,
        ),
      ).toThrow(/nothing is kept/);
      nativeDevice().release(buffer);
      for (const id of [x, wide]) gpu().release(id);
    });

    it.each([
      [3, 5, 2, 0, 0],
      [70, 64, 130, 8, 0.1],
      [33, 131, 65, 17, 0.5],
      [0, 5, 4, 2, 0.1],
    ])('linear with a bf16 weight: %i rows, %i to %i, r %i, dropout %d', (rows, inputs, outputs, r, rate) => {
      const rng = new Rng(rows + r);
      const x = { values: roundToBf16(randomFloats(rng, rows * inputs)) };
      const dy = { values: roundToBf16(randomFloats(rng, rows * outputs)) };
      const weight = { values: roundToBf16(randomFloats(rng, outputs * inputs)), bf16: true };
      const lora = r ? [operand(rng, r * inputs), operand(rng, outputs * r)] : [null, null];
      const sizes = [rows, inputs, outputs, r, 0.7, ...(rate ? dropout(rate) : NO_DROPOUT)];
      // With activations that bf16 holds exactly, the products differ from f32 ones by the order of their sums alone.
      compare('fusedLinear', [x, weight, operand(rng, outputs), ...lora, result(rows * outputs), ...sizes]);
      compare('fusedLinearGradInput', [dy, weight, ...lora, result(rows * inputs), ...sizes, 0]);
      if (r === 0) return;
      const lowRank = [result(r * inputs), result(outputs * r)];
      compare('fusedLinearGradLora', [dy, x, ...lora, ...lowRank, ...sizes]);
    });

    it('adds the bias itself where cuBLASLt has no epilogue for it (told so on the shim)', () => {
      const rng = new Rng('no epilogue');
      const args = (rows: number, inputs: number, outputs: number): Argument[] => [
        operand(rng, rows * inputs),
        operand(rng, outputs * inputs),
        operand(rng, outputs),
        null,
        null,
        result(rows * outputs),
        ...[rows, inputs, outputs, 0, 0],
        ...NO_DROPOUT,
      ];
      compare('fusedLinear', args(19, 7, 31));
      compare('fusedLinear', args(19, 0, 31));
      process.env.CUDA_SHIM_LT_NO_BIAS = '1';
      try {
        compare('fusedLinear', args(19, 8, 33));
      } finally {
        delete process.env.CUDA_SHIM_LT_NO_BIAS;
      }
    });

    it.each([0, 1])('attention to one tensor of queries, keys and values, bf16 %i', (bf16) => {
      const rng = new Rng('packed');
      const [batch, heads, L, D] = [2, 3, 70, 40];
      const qkv = randomFloats(rng, batch * L * 3 * heads * D);
      const options = [...dropout(0.2), bf16];
      // Calls take operands by buffer: the same one three times.
      const id = gpu().allocate(qkv.byteLength);
      gpu().write(id, qkv);
      const third = (part: number): Argument => ({
        values: qkv.filter((_, i) => Math.floor(i / (heads * D)) % 3 === part),
      });
      const sizes = [batch, heads, L, L, D, D, 0, 0.3];
      const out = result(batch * L * heads * D);
      const apart = [third(0), third(1), third(2), null, null, ...sizes, ...options, 0, null, out];
      const packed = [id, id, id, null, null, ...sizes, ...options, 1, null, out];
      expect(run(gpu(), 'fusedAttention', packed)).toEqual(run(gpu(), 'fusedAttention', apart));
      gpu().release(id);
    });

    it('attention on the tensor cores gives gradients of every size, and none for none', () => {
      const rng = new Rng('sizes');
      const [batch, heads, Lq, Lk, D] = [2, 2, 35, 20, 24];
      const forward: Argument[] = [
        operand(rng, batch * Lq * heads * D),
        operand(rng, batch * Lk * heads * D),
        operand(rng, batch * Lk * heads * D),
        ...[null, null, batch, heads, Lq, Lk, D, D, 0, 0.2],
        ...dropout(0.1),
        ...[1, 0, null],
      ];
      const inputs = [Lq, Lk, Lk].map((L) => result(batch * L * heads * D));
      const dy = randomFloats(rng, batch * Lq * heads * D);
      const gradients = (values: Float32Array): Float32Array[] =>
        run(gpu(), 'fusedAttentionGrad', [...forward, { values }, ...inputs, null]);
      const plain = gradients(dy);
      for (const factor of [2 ** -60, 2 ** 60]) {
        const scaled = gradients(dy.map((x) => x * factor));
        expect(scaled).toEqual(plain.map((values) => values.map((x) => x * factor)));
      }
      for (const values of gradients(new Float32Array(dy.length)))
        expect(values.every((x) => x === 0)).toBe(true);
      // A NaN in the gradient of the last item's last head: every key of it has one, the other heads none.
      dy.fill(Number.NaN, dy.length - 1);
      const [dq, dk] = gradients(dy) as [Float32Array, Float32Array];
      expect(dq.slice(0, -D).some(Number.isNaN)).toBe(false);
      expect(dq.slice(-D).every(Number.isNaN)).toBe(true);
      const head = (i: number): number => Math.floor(i / D) % heads;
      const hit = Array.from(dk, (x, i) => Number.isNaN(x) === (i >= dk.length / 2 && head(i) === heads - 1));
      expect(hit.every(Boolean)).toBe(true);
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
        ['fusedLinear', [x, weight, null, null, null], rows * 11, [rows, d, 11, 0, 0, ...NO_DROPOUT]],
      ];
      for (const [name, before, size, after] of cases) {
        const [wide] = run(gpu(), name, [...before, { size }, ...after]);
        const [stored] = run(gpu(), name, [...before, { size, bf16: true }, ...after]);
        expect(stored, name).toEqual(roundToBf16(wide!));
        expect(stored, name).not.toEqual(wide);
      }
    });

    it('linear with a bias, an update or an f32 weight gives no result in bf16', () => {
      const rng = new Rng('f32 results');
      const [x, w] = [operand(rng, 6), { values: randomFloats(rng, 12), bf16: true }];
      const into = { size: 8, bf16: true };
      const linear = (weight: Argument, bias: Argument, A: Argument, B: Argument, r: number) => () =>
        run(gpu(), 'fusedLinear', [x, weight, bias, A, B, into, 2, 3, 4, r, 1, ...NO_DROPOUT]);
      expect(linear(w, operand(rng, 4), null, null, 0)).toThrow(/the result is f32/);
      expect(linear(w, null, operand(rng, 3), operand(rng, 4), 1)).toThrow(/the result is f32/);
      expect(linear({ values: w.values }, null, null, null, 0)).toThrow(/cublasLt/i);
    });

    it.each([37, 2048])('RMSNorm keeps its operand in bf16 for the backward pass, width %i', (d) => {
      const rng = new Rng(d);
      const rows = 5;
      const n = rows * d;
      const [x, weight] = [operand(rng, n), operand(rng, d)];
      const rounded = roundToBf16(x.values);
      for (const bf16 of [false, true]) {
        const into = { size: n, bf16 };
        const [y, kept] = run(gpu(), 'fusedRmsNorm', [
          x,
          weight,
          into,
          { size: n, bf16: true },
          rows,
          d,
          1e-6,
        ]);
        expect(kept).toEqual(rounded);
        expect(y).toEqual(run(gpu(), 'fusedRmsNorm', [x, weight, into, null, rows, d, 1e-6])[0]);
      }
      const gradient = (values: Float32Array, bf16: boolean): Float32Array[] =>
        run(gpu(), 'fusedRmsNormGradInput', [
          ...[{ values: x.values }, { values, bf16 }, weight, x, result(n)],
          ...[rows, d, 1e-6],
        ]);
      expect(gradient(rounded, true)).toEqual(gradient(rounded, false));
      expect(() => run(gpu(), 'fusedRmsNorm', [x, weight, result(n), result(n), rows, d, 1e-6])).toThrow(
        /kept is stored in bf16/,
      );
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
          run(gpu(), 'fusedLinear', [from, weight, null, ...lora, result(rows * outputs), ...sizes]),
          run(gpu(), 'fusedLinearGradInput', [gradient, weight, ...lora, result(rows * inputs), ...sizes, 0]),
          r ? run(gpu(), 'fusedLinearGradLora', [gradient, from, ...lora, ...thin, ...sizes]) : [],
        ];
      };
      expect(all(true)).toEqual(all(false));
      const f32 = [{ values: x, bf16: true }, { values: weight.values }, null, ...lora];
      expect(() => run(gpu(), 'fusedLinear', [...f32, result(rows * outputs), ...sizes])).toThrow(
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
