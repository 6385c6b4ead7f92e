/** Attention against float64. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { attention, selfAttention } from '../../src/ops/index.js';
import { type AttentionCase, attentionReference } from './reference.js';
import { compareWithReference, normal, onEveryForm, toTensor, type Values } from './support.js';

const CASES: AttentionCase[] = [
  { batch: 1, heads: 1, Lq: 1, Lk: 1, D: 1, Dv: 1, biasHeads: 0, mask: false, rate: 0 },
  { batch: 2, heads: 3, Lq: 5, Lk: 7, D: 4, Dv: 6, biasHeads: 0, mask: false, rate: 0 },
  { batch: 2, heads: 2, Lq: 9, Lk: 5, D: 8, Dv: 8, biasHeads: 2, mask: true, rate: 0 },
  { batch: 3, heads: 2, Lq: 6, Lk: 19, D: 3, Dv: 5, biasHeads: 1, mask: true, rate: 0.25 },
  { batch: 1, heads: 2, Lq: 9, Lk: 18, D: 5, Dv: 2, biasHeads: 2, mask: false, rate: 0.1 },
  { batch: 2, heads: 3, Lq: 1, Lk: 18, D: 3, Dv: 2, biasHeads: 3, mask: true, rate: 0 },
];

function someMask(rng: Rng, batch: number, Lk: number): Values {
  const data = new Float64Array(batch * Lk).map(() => (rng.float() < 0.7 ? 1 : 0));
  for (let b = 0; b < batch; b++) data[b * Lk + rng.int(Lk)] = 1;
  return { shape: [batch, Lk], data };
}

onEveryForm('attention', () => {
  it.each(CASES)('equals float64, values and gradients of q, k, v, bias: %j', (c) => {
    const rng = new Rng(JSON.stringify(c));
    const { batch, heads, Lq, Lk, D, Dv } = c;
    const key = c.rate > 0 ? { rate: c.rate, seed: 3, step: 1, call: 9 } : undefined;
    const mask = c.mask ? someMask(rng, batch, Lk) : undefined;
    const errors = compareWithReference({
      rng,
      inputs: {
        q: normal(rng, [batch, Lq, heads * D]),
        k: normal(rng, [batch, Lk, heads * D]),
        v: normal(rng, [batch, Lk, heads * Dv]),
        ...(c.biasHeads ? { bias: normal(rng, [c.biasHeads, Lq, Lk]) } : {}),
      },
      op: (t) =>
        attention(t.q as tf.Tensor3D, t.k as tf.Tensor3D, t.v as tf.Tensor3D, {
          heads,
          scale: 0.7,
          bias: t.bias as tf.Tensor3D | undefined,
          keyMask: mask && toTensor<tf.Tensor2D>(mask),
          dropout: key,
        }),
      reference: (t) => attentionReference(mask ? { ...t, keyMask: mask.data } : t, c, 0.7, key),
    });
    expect(errors.value).toBeLessThan(1e-5);
    for (const [name, error] of Object.entries(errors.gradients)) expect(error, name).toBeLessThan(1e-5);
  });

  // One query, as in decoding, has a kernel of its own: blocks of 16 keys, groups of heads when the batch is small.
  it.each([
    [3, 5, 37, 19, 33],
    [1, 5, 70, 64, 16],
    [8, 6, 132, 64, 64],
    [1, 1, 16, 1, 1],
  ])('gives one query alone what it gives it among others: B %i, H %i, Lk %i, D %i, Dv %i', (...sizes) => {
    const [batch, heads, Lk, D, Dv] = sizes as [number, number, number, number, number];
    const rng = new Rng(sizes.join());
    const Lq = 3;
    const q = toTensor<tf.Tensor3D>(normal(rng, [batch, Lq, heads * D]));
    const k = toTensor<tf.Tensor3D>(normal(rng, [batch, Lk, heads * D]));
    const v = toTensor<tf.Tensor3D>(normal(rng, [batch, Lk, heads * Dv]));
    const bias = toTensor<tf.Tensor3D>(normal(rng, [heads, Lq, Lk]));
    const options = { heads, scale: D ** -0.5, keyMask: toTensor<tf.Tensor2D>(someMask(rng, batch, Lk)) };
    const all = attention(q, k, v, { ...options, bias });
    for (let row = 0; row < Lq; row++) {
      const one = attention(tf.slice(q, [0, row, 0], [batch, 1, heads * D]), k, v, {
        ...options,
        bias: tf.slice(bias, [0, row, 0], [heads, 1, Lk]),
      });
      const among = tf.slice(all, [0, row, 0], [batch, 1, heads * Dv]);
      expect(tf.max(tf.abs(tf.sub(one, among))).dataSync()[0]!).toBeLessThan(1e-5);
    }
  });

  it.each([1, 3])('reads only the first keys when told so, B %i, values and gradients', (batch) => {
    const rng = new Rng('keys');
    const [heads, Lq, room, keys, D] = [3, 2, 9, 5, 4];
    const [q, k, v] = [Lq, room, room].map((L) => toTensor<tf.Tensor3D>(normal(rng, [batch, L, heads * D])));
    const bias = toTensor<tf.Tensor3D>(normal(rng, [heads, Lq, keys]));
    const cut = (x: tf.Tensor3D): tf.Tensor3D => tf.slice(x, [0, 0, 0], [batch, keys, heads * D]);
    const options = { heads, scale: 0.7, bias };
    const some = (a: tf.Tensor, b: tf.Tensor, c: tf.Tensor): tf.Tensor3D =>
      attention(a as tf.Tensor3D, b as tf.Tensor3D, c as tf.Tensor3D, { ...options, keys });
    const expected = attention(q!, cut(k!), cut(v!), options);
    expect(tf.max(tf.abs(tf.sub(some(q!, k!, v!), expected))).dataSync()[0]!).toBeLessThan(1e-6);
    const [, dk] = tf.grads(some)([q!, k!, v!]);
    expect(dk!.shape).toEqual([batch, room, heads * D]);
    const rest = tf.slice(dk!, [0, keys, 0], [batch, room - keys, heads * D]);
    expect(tf.max(tf.abs(rest)).dataSync()[0]!).toBe(0);
    expect(tf.max(tf.abs(dk!)).dataSync()[0]!).toBeGreaterThan(0);
    expect(() => attention(q!, k!, v!, { ...options, keys: room + 1 })).toThrow(/attention: got/);
  });

  it.each([
    [2, 3, 7, 5, 0],
    [1, 2, 1, 4, 0],
    [2, 2, 70, 16, 0.2],
  ])(
    'takes queries, keys and values as thirds of one tensor: B %i, H %i, L %i, D %i, rate %d',
    (...sizes) => {
      const [batch, heads, L, D, rate] = sizes as [number, number, number, number, number];
      const rng = new Rng(sizes.join());
      const qkv = toTensor<tf.Tensor3D>(normal(rng, [batch, L, 3 * heads * D]));
      const [q, k, v] = tf.split(qkv, 3, 2) as [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D];
      const options = { heads, scale: 0.4, dropout: rate ? { rate, seed: 3, step: 1, call: 9 } : undefined };
      const expected = attention(q, k, v, options);
      const difference = (a: tf.Tensor, b: tf.Tensor) => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0]!;
      const all = (x: tf.Tensor): tf.Tensor3D => selfAttention(x as tf.Tensor3D, options);
      expect(difference(all(qkv), expected)).toBeLessThan(1e-5);
      const apart = (x: tf.Tensor): tf.Tensor3D => {
        const [a, b, c] = tf.split(x, 3, 2) as [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D];
        return attention(a, b, c, options);
      };
      expect(difference(tf.grad(all)(qkv), tf.grad(apart)(qkv))).toBeLessThan(1e-5);
      const wrong = tf.zeros<tf.Rank.R3>([batch, L, 3 * heads * D + 3]);
      expect(() => selfAttention(wrong, { ...options, heads: 3 * heads })).toThrow(/^selfAttention: got qkv/);
    },
  );

  it('masks by a large negative bias: a causal row attends to no later key', () => {
    const rng = new Rng(5);
    const [batch, heads, L, D] = [2, 2, 6, 4];
    const [q, k, v] = [0, 1, 2].map(() => toTensor<tf.Tensor3D>(normal(rng, [batch, L, heads * D])));
    const future = new Float32Array(L * L).map((_, at) => (at % L > Math.floor(at / L) ? -1e9 : 0));
    const bias = tf.tensor3d(future, [1, L, L]);
    const full = attention(q!, k!, v!, { heads, scale: 1, bias });
    for (let length = 1; length < L; length++) {
      const cut = (x: tf.Tensor3D): tf.Tensor3D => tf.slice(x, [0, 0, 0], [batch, length, heads * D]);
      const part = attention(cut(q!), cut(k!), cut(v!), {
        heads,
        scale: 1,
        bias: tf.slice(bias, [0, 0, 0], [1, length, length]),
      });
      const difference = tf.max(tf.abs(tf.sub(part, cut(full)))).dataSync()[0]!;
      expect(difference).toBeLessThan(1e-6);
    }
  });

  it('gives zeros, and zero gradients, to a query whose keys are all masked', () => {
    const rng = new Rng(6);
    const [q, k, v] = [0, 1, 2].map(() => toTensor<tf.Tensor3D>(normal(rng, [2, 3, 4])));
    const keyMask = tf.tensor2d([0, 0, 0, 1, 0, 1], [2, 3]);
    const run = (a: tf.Tensor, b: tf.Tensor, c: tf.Tensor): tf.Tensor3D =>
      attention(a as tf.Tensor3D, b as tf.Tensor3D, c as tf.Tensor3D, { heads: 2, scale: 1, keyMask });
    const y = run(q!, k!, v!).dataSync();
    expect([...y.slice(0, 12)]).toEqual(new Array(12).fill(0));
    expect(y.slice(12).every((x) => x !== 0)).toBe(true);
    for (const gradient of tf.grads(run)([q!, k!, v!])) {
      const values = gradient.dataSync();
      expect(values.slice(0, 12).every((x) => Math.abs(x) === 0)).toBe(true);
    }
  });

  it('passes a NaN on to the rows that read it and to no other', () => {
    const rng = new Rng(7);
    const values = [0, 1, 2].map(() => normal(rng, [2, 5, 6]));
    values[0]!.data[2 * 6 + 1] = Number.NaN; // query 2 of batch 0, head 0 (D = 3)
    const [q, k, v] = values.map((x) => toTensor<tf.Tensor3D>(x));
    const y = attention(q!, k!, v!, { heads: 2, scale: 1 }).dataSync();
    const hit = [...y.keys()].filter((i) => Number.isNaN(y[i]!));
    expect(hit).toEqual([12, 13, 14]);
  });

  it('names operation, shapes and expectation when shapes do not fit', () => {
    const t = (...shape: [number, number, number]): tf.Tensor3D => tf.zeros(shape);
    const options = { heads: 2, scale: 1 };
    const expected = /attention: got q \(1, 3, 4\), k \(1, 5, 6\).*expected q \(B, Lq, 2 D\)/;
    expect(() => attention(t(1, 3, 4), t(1, 5, 6), t(1, 5, 4), options)).toThrow(expected);
    expect(() => attention(t(1, 3, 5), t(1, 5, 5), t(1, 5, 4), options)).toThrow(/attention/);
    const q = t(1, 3, 4);
    expect(() => attention(q, q, q, { ...options, bias: t(3, 3, 3) })).toThrow(/bias \(3, 3, 3\)/);
    const keyMask = tf.zeros([1, 4]) as tf.Tensor2D;
    expect(() => attention(q, q, q, { ...options, keyMask })).toThrow(/keyMask \(1, 4\)/);
  });
});
