/**
 * Attention over a prompt and segments on the CUDA device against native-cpu: what the operation's own tests (test/ops) do
 * not reach, such as layouts that end inside a tile and past it, products in f16, and operands that are kept.
 */
import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { cudaMissing, gpu } from '../support/cuda.js';
import { callOn, compare, type Given, NO_DROPOUT, operand, result, roundToBf16, run } from './cudaSupport.js';
import { mismatch } from './support.js';

interface Case {
  heads: number;
  keyHeads: number;
  D: number;
  prefix: number;
  segments: number[];
  starts: number[];
}

const CASES: Case[] = [
  { heads: 2, keyHeads: 1, D: 64, prefix: 66, segments: [20, 50], starts: [0] },
  { heads: 2, keyHeads: 1, D: 72, prefix: 70, segments: [3, 8], starts: [65, 0] },
  { heads: 2, keyHeads: 2, D: 128, prefix: 0, segments: [64, 1, 5], starts: [0] },
  { heads: 7, keyHeads: 1, D: 6, prefix: 33, segments: [1, 0, 31, 2], starts: [33, 7] },
  { heads: 2, keyHeads: 1, D: 97, prefix: 66, segments: [], starts: [1] },
  { heads: 1, keyHeads: 1, D: 130, prefix: 20, segments: [50], starts: [19] },
  { heads: 2, keyHeads: 1, D: 5, prefix: 2, segments: [], starts: [0, 1, 0] },
  { heads: 4, keyHeads: 2, D: 8, prefix: 9, segments: [4], starts: [] },
];

function operandsOf(rng: Rng, { heads, keyHeads, D, prefix, segments, starts }: Case) {
  const begins = Array.from({ length: prefix }, (_, i) => i + 1);
  for (const length of segments) {
    const at = begins.length;
    begins.push(...Array.from({ length }, () => at));
  }
  const [batch, L] = [starts.length, begins.length];
  return {
    q: operand(rng, batch, L, heads * D),
    k: operand(rng, batch, L, keyHeads * D),
    v: operand(rng, batch, L, keyHeads * D),
    starts: { shape: [batch], values: Int32Array.from(starts) } as Given,
    begins: { shape: [L], values: Int32Array.from(begins) } as Given,
  };
}

const like = ({ shape }: Given) => result(...shape);

/** The layout of a case for plain attention: 0 where a column sees another, else -1e9, and 0 at the keys of padding. */
function denseOf({ prefix, starts }: Case, begins: Given) {
  const [batch, L] = [starts.length, begins.values.length];
  const sees = (i: number, j: number) => j <= i && (j < prefix || j >= begins.values[i]!);
  const cells = Float32Array.from({ length: L * L }, (_, at) =>
    sees(Math.floor(at / L), at % L) ? 0 : -1e9,
  );
  const keys = Float32Array.from({ length: batch * L }, (_, at) =>
    Number(at % L >= starts[Math.floor(at / L)]!),
  );
  return {
    bias: { shape: [1, L, L], values: cells } as Given,
    keyMask: { shape: [batch, L], values: keys } as Given,
  };
}

/** Each of `from` heads of (B, L, from * D) as often as the heads that read it. */
function repeated({ shape, values }: Given, from: number, heads: number): Given {
  const [batch, L, width] = shape as [number, number, number];
  const D = width / from;
  const copy = Float32Array.from({ length: batch * L * heads * D }, (_, at) => {
    const [row, head] = [Math.floor(at / (heads * D)), Math.floor(at / D) % heads];
    return values[row * width + Math.floor((head * from) / heads) * D + (at % D)]!;
  });
  return { shape: [batch, L, heads * D], values: copy };
}

/** The sums over the heads that read each of `to` heads: what {@link repeated} does to a gradient. */
function summed(values: Float32Array, D: number, to: number, heads: number): Float32Array {
  const out = new Float32Array((values.length / heads) * to);
  values.forEach((value, at) => {
    const [row, head] = [Math.floor(at / (heads * D)), Math.floor(at / D) % heads];
    out[(row * to + Math.floor((head * to) / heads)) * D + (at % D)]! += value;
  });
  return out;
}

describe.skipIf(cudaMissing !== undefined)(
  `causal attention of the CUDA device${cudaMissing ? ` (SKIPPED: ${cudaMissing})` : ''}`,
  () => {
    it.each(CASES.flatMap((c) => [[c, false] as const, [c, true] as const]))(
      'equals native-cpu, forward and backward: %j, half %s',
      (c, half) => {
        const rng = new Rng(JSON.stringify(c));
        const { heads, keyHeads, D } = c;
        const operands = operandsOf(rng, c);
        const { q, k, v } = operands;
        const attrs = { heads, keyHeads, scale: D ** -0.5, half };
        // Operands are rounded to 11 bits, 2^-12 of each at most; and errors of a score are errors of its exponential.
        const tolerance = half ? 1e-3 : 1e-5;
        compare('causalAttention', operands, attrs, { out: like(q), kept: undefined }, tolerance);
        const dy = operand(rng, ...q.shape);
        const wanted = { dq: like(q), dk: like(k), dv: like(v) };
        // Gradients meet the rounding twice: up to 1.4e-3 off, and to the bit what plain attention computes (below).
        compare('causalAttentionGrad', { dy, ...operands }, attrs, wanted, 2 * tolerance);
        if (!half || D > 128 || c.starts.length === 0) return;
        const of = (half: boolean) =>
          run(gpu(), 'causalAttention', operands, { ...attrs, half }, { out: like(q) })[0];
        if (q.shape[1]! > 1) expect(of(true), 'the tensor cores were used').not.toEqual(of(false));
      },
    );

    it.each(CASES.filter(({ D }) => D === 72 || D === 128 || D === 6))(
      'in f16 equals plain attention under a dense mask to the bit, key heads the sum over their group: %j',
      (c) => {
        const rng = new Rng(JSON.stringify(c));
        const { heads, keyHeads, D, starts } = c;
        const { q, k, v, begins, ...layout } = operandsOf(rng, c);
        const shared = { heads, scale: D ** -0.5, half: true };
        const L = q.shape[1]!;
        const isPadding = (at: number) => {
          const row = Math.floor(at / (heads * D));
          return row % L < starts[Math.floor(row / L)]!;
        };
        const unpadded = (values: Float32Array) => values.map((value, at) => (isPadding(at) ? 0 : value));
        const dense = denseOf(c, begins);
        const plain = { q, k: repeated(k, keyHeads, heads), v: repeated(v, keyHeads, heads), ...dense };
        const attrs = { ...shared, keys: L, dropout: NO_DROPOUT };
        const causal = { q, k, v, begins, ...layout };

        const [out] = run(gpu(), 'causalAttention', causal, { ...shared, keyHeads }, { out: like(q) });
        // A padded query of plain attention looks at something.
        expect(out).toEqual(unpadded(run(gpu(), 'attention', plain, attrs, { out: like(q) })[0]!));

        const dy = { shape: q.shape, values: unpadded(operand(rng, ...q.shape).values) };
        const wanted = { dq: like(q), dk: like(k), dv: like(v) };
        const [dq, ...own] = run(
          gpu(),
          'causalAttentionGrad',
          { dy, ...causal },
          { ...shared, keyHeads },
          wanted,
        );
        const grad = { ...attrs, queryWidth: heads * D, wantQkv: true, wantBias: false };
        const results = { dq: like(q), dk: like(plain.k), dv: like(plain.v) };
        const [first, ...each] = run(gpu(), 'attentionGrad', { ...plain, dy }, grad, results);
        expect(dq).toEqual(unpadded(first!));
        own.forEach((values, i) => {
          const expected = summed(each[i]!, D, keyHeads, heads);
          if (keyHeads === heads) expect(values).toEqual(expected);
          const largest = expected.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
          // The sum over a group is one sum over its heads' rows: another order of the same float32 terms.
          expect(mismatch(values, expected, 1e-6, 1e-6 * largest), ['dk', 'dv'][i]).toBeUndefined();
        });
      },
    );

    it.each(CASES.filter(({ D }) => D === 72 || D === 97 || D === 6))(
      'the backward pass from what was kept is the one from the operands, to the bit: %j',
      (c) => {
        const rng = new Rng(JSON.stringify(c));
        const { heads, keyHeads, D } = c;
        const operands = operandsOf(rng, c);
        const { q, k, v, starts, begins } = operands;
        const attrs = { heads, keyHeads, scale: D ** -0.5, half: true };
        const words = [q, k, v].reduce((sum, { values }) => sum + 4 * Math.ceil(values.length / 8), 0);
        const [out, kept] = run(gpu(), 'causalAttention', operands, attrs, {
          out: like(q),
          kept: result(words),
        });
        expect(out).toEqual(run(gpu(), 'causalAttention', operands, attrs, { out: like(q) })[0]);
        const dy = operand(rng, ...q.shape);
        const wanted = { dq: like(q), dk: like(k), dv: like(v) };
        const from = { dy, starts, begins, kept: { shape: [words], values: kept! } };
        expect(run(gpu(), 'causalAttentionGrad', from, attrs, wanted)).toEqual(
          run(gpu(), 'causalAttentionGrad', { dy, ...operands }, attrs, wanted),
        );
      },
    );

    it.each([false, true])('stores a result in bf16 as it would have rounded it, half %s', (half) => {
      const rng = new Rng('stored');
      for (const D of [20, 7, 100]) {
        const c = { heads: 2, keyHeads: 1, D, prefix: 5, segments: [3], starts: [2, 0] };
        const operands = operandsOf(rng, c);
        const attrs = { heads: 2, keyHeads: 1, scale: 0.3, half };
        const into = (bf16: boolean) =>
          run(gpu(), 'causalAttention', operands, attrs, { out: { shape: operands.q.shape, bf16 } })[0]!;
        expect(into(true)).toEqual(roundToBf16(into(false)));
        expect(into(true)).not.toEqual(into(false));
      }
    });

    it.each([false, true])('reads no tile that none of its queries sees, half %s', (half) => {
      const rng = new Rng('hidden');
      // Tiles of 64: padding, the rest of the prompt, and two segments.
      const c = { heads: 2, keyHeads: 1, D: 16, prefix: 128, segments: [64, 64], starts: [64] };
      const operands = operandsOf(rng, c);
      const { q, k, v } = operands;
      for (const { values, shape } of [k, v]) {
        values.fill(Number.NaN, 0, 64 * shape[2]!);
        values.fill(Number.NaN, 128 * shape[2]!, 192 * shape[2]!);
      }
      q.values.fill(Number.NaN, 0, 64 * 32);
      const attrs = { heads: 2, keyHeads: 1, scale: 0.25, half };
      const [out] = run(gpu(), 'causalAttention', operands, attrs, { out: like(q) });
      const dy = operand(rng, ...q.shape);
      const wanted = { dq: like(q), dk: like(k), dv: like(v) };
      const [dq, dk] = run(gpu(), 'causalAttentionGrad', { dy, ...operands }, attrs, wanted);
      const part = (values: Float32Array, width: number, from: number) =>
        Array.from(values.subarray(from * width, (from + 64) * width));
      for (const values of [out!, dq!]) {
        expect(part(values, 32, 0).every((x) => x === 0)).toBe(true);
        for (const from of [64, 192]) expect(part(values, 32, from).every(Number.isFinite)).toBe(true);
        expect(part(values, 32, 128).some(Number.isNaN)).toBe(true);
      }
      expect(part(dk!, 16, 0).every((x) => x === 0)).toBe(true);
      expect(part(dk!, 16, 192).every(Number.isFinite)).toBe(true);
    });

    it('keeps no operands that are not multiplied in f16', () => {
      const on = gpu();
      const id = on.allocate(4096);
      const of = (...shape: number[]) => ({ id, shape });
      const inputs = (D: number) => {
        const x = of(1, 1, D);
        return { q: x, k: x, v: x, starts: of(1), begins: of(1) };
      };
      const attrs = (half: boolean) => ({ heads: 1, keyHeads: 1, scale: 1, half });
      const words = (D: number, half: boolean) =>
        callOn(on, 'causalAttentionKept', inputs(D), attrs(half), { out: of(1, 1, D) });
      expect([words(128, true), words(129, true), words(8, false)]).toEqual([192, 0, 0]);
      const keeping = (D: number, half: boolean) => () =>
        callOn(on, 'causalAttention', inputs(D), attrs(half), { out: of(1, 1, D), kept: of(12) });
      expect(keeping(8, false)).toThrow(/only operands in f16 are kept/);
      expect(keeping(16, true)).toThrow(/kept has 12 elements, 24 expected/);
      const grad = (more: object) => () =>
        callOn(
          on,
          'causalAttentionGrad',
          { dy: of(1, 1, 8), starts: of(1), begins: of(1), ...more },
          attrs(true),
          {
            ...{ dq: of(1, 1, 8), dk: of(1, 1, 8), dv: of(1, 1, 8) },
          },
        );
      expect(grad({ ...inputs(8), kept: of(12) })).toThrow(/or what was kept of them/);
      expect(grad({ q: of(1, 1, 8) })).toThrow(/q, k and v/);
      on.release(id);
    });

    it.each([
      [4, 2, 6, 5],
      [14, 2, 64, 130],
      [3, 3, 2, 1],
    ])('a query of %i heads reads a cache of %i heads', (heads, keyHeads, D, keys) => {
      const rng = new Rng(heads);
      const cache = () => operand(rng, 1, keys + 3, keyHeads * D);
      const inputs = { q: operand(rng, 1, 1, heads * D), k: cache(), v: cache() };
      const attrs = { heads, keyHeads, scale: D ** -0.5, keys };
      for (const bias of [undefined, operand(rng, heads, 1, keys)])
        compare('groupedQuery', { ...inputs, bias }, attrs, { out: like(inputs.q) });
    });
  },
);
