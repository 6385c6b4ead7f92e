/**
 * Attention on the CUDA device against native-cpu: what the operation's own tests (test/ops) do not reach, such as heads
 * wider than a tile, lengths past every tile edge, and operands that the forward pass keeps.
 */
import { describe, expect, it } from 'vitest';
import { messageOf } from '../../src/base/errors.js';
import { Rng } from '../../src/base/random.js';
import type { NativeDevice } from '../../src/engine/native/addon.js';
import { nativeDevice } from '../../src/engine/native/load.js';
import type { AttentionCase } from '../ops/reference.js';
import { cudaMissing, gpu } from '../support/cuda.js';
import {
  callOn,
  compare,
  dropout,
  type Given,
  NO_DROPOUT,
  operand,
  type Results,
  result,
  run,
} from './cudaSupport.js';
import { mismatch } from './support.js';

const ATTENTION: AttentionCase[] = [
  { batch: 1, heads: 2, Lq: 257, Lk: 257, D: 88, Dv: 88, biasHeads: 0, mask: false, rate: 0.1 },
  { batch: 2, heads: 2, Lq: 65, Lk: 129, D: 64, Dv: 64, biasHeads: 2, mask: true, rate: 0 },
  { batch: 3, heads: 2, Lq: 1, Lk: 66, D: 64, Dv: 64, biasHeads: 1, mask: true, rate: 0.2 },
  { batch: 1, heads: 1, Lq: 70, Lk: 130, D: 150, Dv: 20, biasHeads: 0, mask: false, rate: 0 },
  { batch: 1, heads: 1, Lq: 66, Lk: 67, D: 21, Dv: 170, biasHeads: 1, mask: false, rate: 0.5 },
  { batch: 2, heads: 2, Lq: 100, Lk: 45, D: 96, Dv: 80, biasHeads: 0, mask: true, rate: 0.3 },
  { batch: 1, heads: 2, Lq: 34, Lk: 65, D: 97, Dv: 128, biasHeads: 1, mask: false, rate: 0.1 },
  { batch: 1, heads: 3, Lq: 19, Lk: 33, D: 5, Dv: 7, biasHeads: 3, mask: false, rate: 0.1 },
  // Rows of an even number of elements, of which a head's own begin at an odd one.
  { batch: 2, heads: 2, Lq: 19, Lk: 33, D: 5, Dv: 7, biasHeads: 0, mask: false, rate: 0.1 },
  { batch: 2, heads: 3, Lq: 0, Lk: 5, D: 4, Dv: 4, biasHeads: 3, mask: false, rate: 0 },
];

/** Results shaped as tensors are. */
const shapesOf = (named: Record<string, Given>): Results =>
  Object.fromEntries(Object.entries(named).map(([name, { shape }]) => [name, { shape }]));

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
      // The first item of a masked batch has no key left.
      const mask = Float32Array.from({ length: batch * Lk }, (_, i) =>
        i >= Lk && rng.float() < 0.7 ? 1 : 0,
      );
      const operands = {
        q: operand(rng, batch, Lq, heads * D),
        k: operand(rng, batch, Lk, heads * D),
        v: operand(rng, batch, Lk, heads * Dv),
        bias: biasHeads ? operand(rng, biasHeads, Lq, Lk) : undefined,
        keyMask: c.mask ? { shape: [batch, Lk], values: mask } : undefined,
      };
      const attrs = { heads, keys: Lk, scale: D ** -0.5, half: bf16, dropout: dropout(c.rate) };
      const out = result(batch, Lq, heads * Dv);
      // Operands are rounded to 11 bits, 2^-12 of each at most; and errors of a score are errors of its exponential.
      const tolerance = bf16 ? 1e-3 : 1e-5;
      compare('attention', operands, attrs, { out }, tolerance);
      if (bf16 && Lq > 0 && Math.max(D, Dv) <= 128) {
        const [rounded] = run(gpu(), 'attention', operands, attrs, { out });
        const [exact] = run(gpu(), 'attention', operands, { ...attrs, half: false }, { out });
        expect(rounded, 'the tensor cores were used').not.toEqual(exact);
      }
      const inputs = { ...operands, dy: operand(rng, ...out.shape) };
      const grad = { ...attrs, queryWidth: heads * D, wantQkv: true, wantBias: true };
      const wanted = { dq: operands.q, dk: operands.k, dv: operands.v };
      const dbias = operands.bias;
      compare('attentionGrad', inputs, grad, shapesOf(wanted), tolerance);
      if (!dbias) return;
      compare('attentionGrad', inputs, grad, shapesOf({ ...wanted, dbias }));
      compare('attentionGrad', inputs, grad, shapesOf({ dbias }));
    });

    it.each(ATTENTION.filter(({ D, Dv }) => Math.max(D, Dv) <= 128))(
      'attention keeps its operands in f16 for the backward pass: %j',
      (c) => {
        const rng = new Rng(JSON.stringify(c));
        const { batch, heads, Lq, Lk, D, Dv, biasHeads } = c;
        const operands = {
          q: operand(rng, batch, Lq, heads * D),
          k: operand(rng, batch, Lk, heads * D),
          v: operand(rng, batch, Lk, heads * Dv),
        };
        const more = {
          bias: biasHeads ? operand(rng, biasHeads, Lq, Lk) : undefined,
          keyMask: c.mask
            ? {
                shape: [batch, Lk],
                values: Float32Array.from({ length: batch * Lk }, (_, i) => Number(i % 3 !== 0)),
              }
            : undefined,
        };
        const attrs = { heads, keys: Lk, scale: D ** -0.5, half: true, dropout: dropout(c.rate) };
        const out = result(batch, Lq, heads * Dv);
        const words = Object.values(operands).reduce(
          (sum, { values }) => sum + 4 * Math.ceil(values.length / 8),
          0,
        );
        const [plain, kept] = run(gpu(), 'attention', { ...operands, ...more }, attrs, {
          out,
          kept: result(words),
        });
        expect(plain).toEqual(run(gpu(), 'attention', { ...operands, ...more }, attrs, { out })[0]);

        const dy = operand(rng, ...out.shape);
        const grad = { ...attrs, queryWidth: heads * D, wantQkv: true, wantBias: true };
        const from = (given: object, dbias?: Given): Float32Array[] => {
          const wanted = { dq: operands.q, dk: operands.k, dv: operands.v, ...(dbias && { dbias }) };
          return run(gpu(), 'attentionGrad', { dy, ...more, ...given }, grad, shapesOf(wanted));
        };
        const fromKept = { kept: { shape: [words], values: kept! } };
        expect(from(fromKept)).toEqual(from(operands));
        // The bias's gradient has f32 kernels alone: they get what was rounded to 11 bits.
        if (more.bias && Lq > 0) {
          const exact = from(operands, more.bias);
          from(fromKept, more.bias).forEach((values, i) => {
            const largest = exact[i]!.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
            expect(mismatch(values, exact[i]!, 1e-3, 1e-3 * largest), `result ${i}`).toBeUndefined();
          });
        }
      },
    );

    it('refuses to save f16 operands of products in f32', () => {
      const attrs = { heads: 1, keys: 1, scale: 1, dropout: NO_DROPOUT };
      /** One query and one key of one head, D wide. */
      const attend = (on: NativeDevice, D: number, half: boolean, words: number | undefined) => {
        const id = on.allocate(4096);
        const of = (...shape: number[]) => ({ id, shape });
        const x = of(1, 1, D);
        const kept = words === undefined ? undefined : of(words);
        const keeps = { q: x, k: x, v: x };
        return {
          kept: () => callOn(on, 'attentionKept', keeps, { ...attrs, half }, { out: x }),
          forward: () => callOn(on, 'attention', keeps, { ...attrs, half }, { out: x, kept }),
          grad: (inputs: object) => () =>
            callOn(
              on,
              'attentionGrad',
              { dy: x, ...inputs },
              { ...attrs, half, queryWidth: D, wantQkv: true, wantBias: false },
              { dq: x, dk: x, dv: x },
            ),
          keeps,
          release: () => on.release(id),
        };
      };
      const refused = (on: NativeDevice, D: number, half: boolean, words: number): string => {
        const call = attend(on, D, half, words);
        try {
          call.forward();
          return 'nothing';
        } catch (error) {
          return messageOf(error);
        } finally {
          call.release();
        }
      };
      expect(refused(gpu(), 8, false, 12)).toMatch(/f16 are kept/);
      expect(refused(gpu(), 129, true, 204)).toMatch(/f16 are kept/);
      expect(refused(gpu(), 8, true, 11)).toMatch(/kept has 11 elements, 12 expected/);
      expect(refused(gpu(), 8, true, 12)).toBe('nothing');
      expect(refused(nativeDevice(), 8, true, 12)).toMatch(/nothing is kept/);
      const widths = [8, 129] as const;
      expect(widths.map((D) => attend(gpu(), D, true, undefined).kept())).toEqual([12, 0]);
      expect(attend(gpu(), 8, false, undefined).kept()).toBe(0);
      const call = attend(gpu(), 8, true, undefined);
      const kept = { id: call.keeps.q.id, shape: [12] };
      expect(call.grad({ ...call.keeps, kept })).toThrow(/or what was kept of them/);
      expect(call.grad({ q: call.keeps.q })).toThrow(/q, k and v/);
    });

    it.each([false, true])('attention to one tensor of queries, keys and values, half %s', (half) => {
      const rng = new Rng('packed');
      const [batch, heads, L, D] = [2, 3, 70, 40];
      const qkv = operand(rng, batch, L, 3 * heads * D);
      const third = (part: number): Given => ({
        shape: [batch, L, heads * D],
        values: qkv.values.filter((_, i) => Math.floor(i / (heads * D)) % 3 === part),
      });
      const attrs = { heads, keys: L, scale: 0.3, half, dropout: dropout(0.2) };
      const out = result(batch, L, heads * D);
      const apart = run(gpu(), 'attention', { q: third(0), k: third(1), v: third(2) }, attrs, { out });
      expect(run(gpu(), 'attention', { q: qkv }, attrs, { out })).toEqual(apart);
    });

    it('attention on the tensor cores gives gradients of every size, and none for none', () => {
      const rng = new Rng('sizes');
      const [batch, heads, Lq, Lk, D] = [2, 2, 35, 20, 24];
      const operands = {
        q: operand(rng, batch, Lq, heads * D),
        k: operand(rng, batch, Lk, heads * D),
        v: operand(rng, batch, Lk, heads * D),
      };
      const attrs = { heads, keys: Lk, scale: 0.2, half: true, dropout: dropout(0.1) };
      const grad = { ...attrs, queryWidth: heads * D, wantQkv: true, wantBias: false };
      const shape = operands.q.shape;
      const dy = operand(rng, ...shape).values;
      const wanted = shapesOf({ dq: operands.q, dk: operands.k, dv: operands.v });
      const gradients = (values: Float32Array): Float32Array[] =>
        run(gpu(), 'attentionGrad', { ...operands, dy: { shape, values } }, grad, wanted);
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
