/**
 * Attention on the CUDA device against native-cpu: what the operation's own tests (test/ops) do not reach, such as heads
 * wider than a tile, lengths past every tile edge, and operands that the forward pass keeps.
 */
import { describe, expect, it } from 'vitest';
import { type NativeDevice, nativeDevice } from '../../src/engine/native/addon.js';
import { Rng } from '../../src/random.js';
import type { AttentionCase } from '../ops/reference.js';
import { cudaMissing, gpu } from '../support/cuda.js';
import { type Argument, compare, dropout, NO_DROPOUT, operand, result, run } from './cudaSupport.js';
import { mismatch, randomFloats } from './support.js';

const ATTENTION: AttentionCase[] = [
  { batch: 1, heads: 2, Lq: 257, Lk: 257, D: 88, Dv: 88, biasHeads: 0, mask: false, rate: 0.1 },
  { batch: 2, heads: 2, Lq: 65, Lk: 129, D: 64, Dv: 64, biasHeads: 2, mask: true, rate: 0 },
  { batch: 3, heads: 2, Lq: 1, Lk: 66, D: 64, Dv: 64, biasHeads: 1, mask: true, rate: 0.2 },
  { batch: 1, heads: 1, Lq: 70, Lk: 130, D: 150, Dv: 20, biasHeads: 0, mask: false, rate: 0 },
  { batch: 1, heads: 1, Lq: 66, Lk: 67, D: 21, Dv: 170, biasHeads: 1, mask: false, rate: 0.5 },
  { batch: 2, heads: 2, Lq: 100, Lk: 45, D: 96, Dv: 80, biasHeads: 0, mask: true, rate: 0.3 },
  { batch: 1, heads: 3, Lq: 19, Lk: 33, D: 5, Dv: 7, biasHeads: 3, mask: false, rate: 0.1 },
  // Rows of an even number of elements, of which a head's own begin at an odd one.
  { batch: 2, heads: 2, Lq: 19, Lk: 33, D: 5, Dv: 7, biasHeads: 0, mask: false, rate: 0.1 },
  { batch: 2, heads: 3, Lq: 0, Lk: 5, D: 4, Dv: 4, biasHeads: 3, mask: false, rate: 0 },
];

describe.skipIf(cudaMissing !== undefined)(
  `attention of the CUDA device${cudaMissing ? ` (SKIPPED: ${cudaMissing})` : ''}`,
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
      /** Arguments of one query and one key of one head, D wide, up to what is kept. */
      const call = (id: number, D: number, bf16: number): number[] => [
        ...[id, id, id, -1, -1, 1, 1, 1, 1, D, D, 0, 1],
        ...NO_DROPOUT,
        ...[bf16, 0],
      ];
      const on = (device: NativeDevice, name: string, args: number[]): void =>
        (device.raw as Record<string, (...args: number[]) => void>)[name]!(...args);
      const [x, kept] = [gpu().allocate(4096), gpu().allocate(1600)];
      const attend = (D: number, bf16: number) => () =>
        on(gpu(), 'fusedAttention', [...call(x, D, bf16), kept, x]);
      expect(attend(8, 0)).toThrow(/f16 are kept/);
      expect(attend(97, 1)).toThrow(/f16 are kept/);
      expect(attend(300, 1)).toThrow(/bytes/);
      const both = [...call(x, 8, 1), kept, x, x, x, x, -1];
      expect(() => on(gpu(), 'fusedAttentionGrad', both)).toThrow(/stand for q, k and v/);
      for (const id of [x, kept]) gpu().release(id);
      const cpu = nativeDevice();
      const buffer = cpu.allocate(4096);
      expect(() => on(cpu, 'fusedAttention', [...call(buffer, 8, 1), buffer, buffer])).toThrow(
        /nothing is kept/,
      );
      cpu.release(buffer);
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
  },
);
