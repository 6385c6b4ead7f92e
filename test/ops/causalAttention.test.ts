/** Attention over a prompt and segments against float64, and what its layout hides. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import {
  type CausalLayout,
  causalAttention,
  causalMask,
  groupedQuery,
} from '../../src/ops/causalAttention.js';
import { compareWithReference, normal, onEveryForm, toTensor } from './support.js';

/** Whether column i of a row sees column j, from the definition: prompt, own segment, not later, no padding. */
function sees({ prefix, segments }: CausalLayout, start: number, i: number, j: number): boolean {
  const segmentOf = (column: number) => {
    const ends = segments.map((_, s) => segments.slice(0, s + 1).reduce((a, b) => a + b, prefix));
    return column < prefix ? -1 : ends.findIndex((end) => column < end);
  };
  const own = j < prefix || segmentOf(i) === segmentOf(j);
  return j <= i && j >= start && own;
}

interface Sizes {
  heads: number;
  keyHeads: number;
  size: number;
}

function inFloat64(
  { q, k, v }: Record<string, Float64Array>,
  layout: CausalLayout,
  { heads, keyHeads, size }: Sizes,
): Float64Array {
  const length = layout.prefix + layout.segments.reduce((a, b) => a + b, 0);
  const out = new Float64Array(q!.length);
  for (let b = 0; b < layout.starts.length; b++)
    for (let h = 0; h < heads; h++) {
      const keyHead = Math.floor((h * keyHeads) / heads);
      const key = (j: number, d: number) => ((b * length + j) * keyHeads + keyHead) * size + d;
      for (let i = 0; i < length; i++) {
        const at = ((b * length + i) * heads + h) * size;
        const keys = [...Array(length).keys()].filter((j) => sees(layout, layout.starts[b]!, i, j));
        const scores = keys.map((j) => {
          let sum = 0;
          for (let d = 0; d < size; d++) sum += q![at + d]! * k![key(j, d)]!;
          return sum * size ** -0.5;
        });
        const most = Math.max(...scores);
        const weights = scores.map((score) => Math.exp(score - most));
        const total = weights.reduce((a, w) => a + w, 0);
        keys.forEach((j, n) => {
          for (let d = 0; d < size; d++) out[at + d]! += (weights[n]! / total) * v![key(j, d)]!;
        });
      }
    }
  return out;
}

const LAYOUTS: [CausalLayout, Sizes][] = [
  [
    { prefix: 4, segments: [], starts: [0, 2] },
    { heads: 2, keyHeads: 1, size: 4 },
  ],
  [
    { prefix: 3, segments: [2, 3], starts: [1, 0] },
    { heads: 4, keyHeads: 2, size: 2 },
  ],
  [
    { prefix: 3, segments: [1, 0, 2], starts: [0] },
    { heads: 3, keyHeads: 3, size: 6 },
  ],
  [
    { prefix: 2, segments: [3], starts: [2, 1] },
    { heads: 7, keyHeads: 1, size: 2 },
  ],
];

onEveryForm('causalAttention', () => {
  it('equals float64 for every layout, value and gradient', () => {
    const rng = new Rng('causal');
    for (const [layout, sizes] of LAYOUTS) {
      const { heads, keyHeads, size } = sizes;
      const rows = layout.starts.length;
      const length = layout.prefix + layout.segments.reduce((a, b) => a + b, 0);
      const mask = causalMask(layout);
      const errors = compareWithReference({
        rng,
        inputs: {
          q: normal(rng, [rows, length, heads * size]),
          k: normal(rng, [rows, length, keyHeads * size]),
          v: normal(rng, [rows, length, keyHeads * size]),
        },
        op: ({ q, k, v }) =>
          causalAttention(q as tf.Tensor3D, k as tf.Tensor3D, v as tf.Tensor3D, {
            ...{ heads, keyHeads, scale: size ** -0.5, mask },
          }),
        reference: (inputs) => inFloat64(inputs, layout, sizes),
      });
      tf.dispose(mask as tf.TensorContainerObject);
      expect(errors.value, JSON.stringify(layout)).toBeLessThan(2e-6);
      for (const error of Object.values(errors.gradients)) expect(error).toBeLessThan(2e-5);
    }
  });

  it('gives the same over many tiles of rows, with segments and padding that end inside one', () => {
    const rng = new Rng('long');
    const layout = { prefix: 310, segments: [45, 130], starts: [0, 37] };
    const sizes = { heads: 2, keyHeads: 1, size: 8 };
    const values = {
      q: normal(rng, [2, 485, 16]),
      k: normal(rng, [2, 485, 8]),
      v: normal(rng, [2, 485, 8]),
    };
    const data = Object.fromEntries(Object.entries(values).map(([name, { data }]) => [name, data]));
    const expected = inFloat64(data, layout, sizes);
    const actual = tf.tidy(() =>
      causalAttention(toTensor(values.q), toTensor(values.k), toTensor(values.v), {
        ...{ heads: 2, keyHeads: 1, scale: 8 ** -0.5, mask: causalMask(layout) },
      }).dataSync(),
    );
    let worst = 0;
    for (const [i, value] of expected.entries()) worst = Math.max(worst, Math.abs(actual[i]! - value));
    expect(worst).toBeLessThan(5e-6);
  });

  it('gives zeros at padding, and its keys and values no gradient', () => {
    const rng = new Rng('padding');
    const layout = { prefix: 4, segments: [2], starts: [3] };
    const tensors = [4, 2, 2].map((width) => toTensor<tf.Tensor3D>(normal(rng, [1, 6, width])));
    const [q, k, v] = tensors as [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D];
    const mask = causalMask(layout);
    const run = (q: tf.Tensor3D, k: tf.Tensor3D, v: tf.Tensor3D) =>
      causalAttention(q, k, v, { heads: 2, keyHeads: 1, scale: 1, mask });
    const rows = (x: tf.Tensor) => Array.from(tf.slice(x, [0, 0, 0], [1, 3, -1]).dataSync());
    expect(rows(run(q, k, v)).every((value) => value === 0)).toBe(true);
    const grads = tf.grads((q, k, v) =>
      tf.sum(tf.square(run(q as tf.Tensor3D, k as tf.Tensor3D, v as tf.Tensor3D))),
    )([q, k, v]);
    for (const grad of grads) expect(rows(grad).every((value) => value === 0)).toBe(true);
    tf.dispose([tensors, grads, mask as tf.TensorContainerObject]);
  });

  it('reads a cache with a query as causalAttention reads a sequence with its last column', () => {
    const rng = new Rng('query');
    for (const [heads, keyHeads, size, keys] of [
      [4, 2, 6, 5],
      [14, 2, 64, 37],
      [3, 3, 2, 1],
    ] as const) {
      const cache = [0, 1].map(() => toTensor<tf.Tensor3D>(normal(rng, [1, keys, keyHeads * size])));
      const [k, v] = cache as [tf.Tensor3D, tf.Tensor3D];
      const q = toTensor<tf.Tensor3D>(normal(rng, [1, keys, heads * size]));
      const mask = causalMask({ prefix: keys, segments: [], starts: [Math.min(2, keys - 1)] });
      const scale = size ** -0.5;
      const bias = tf.tidy(() => {
        const row = Float32Array.from({ length: keys }, (_, i) => (i < Math.min(2, keys - 1) ? -1e9 : 0));
        return tf.tile(tf.tensor3d(row, [1, 1, keys]), [heads, 1, 1]) as tf.Tensor3D;
      });
      const expected = tf.tidy(() => {
        const all = causalAttention(q, k, v, { heads, keyHeads, scale, mask });
        return tf.slice(all, [0, keys - 1, 0], [1, 1, -1]).dataSync();
      });
      // Room behind the keys is not read.
      const actual = tf.tidy(() => {
        const roomy = (x: tf.Tensor3D) =>
          tf.concat([x, tf.fill([1, 3, x.shape[2]], Number.NaN)], 1) as tf.Tensor3D;
        const last = tf.slice(q, [0, keys - 1, 0], [1, 1, heads * size]);
        return groupedQuery(last, roomy(k), roomy(v), { heads, keyHeads, scale, bias, keys }).dataSync();
      });
      for (const [i, value] of expected.entries()) expect(actual[i]).toBeCloseTo(value, 5);
      tf.dispose([cache, q, bias, mask as tf.TensorContainerObject]);
    }
  });

  it('refuses a start outside the prompt, and heads that do not fit', () => {
    expect(() => causalMask({ prefix: 2, segments: [], starts: [3] })).toThrow(
      'causalMask: row 0 starts at 3; expected 0 to 2',
    );
    const x = tf.zeros<tf.Rank.R3>([1, 2, 6]);
    const mask = causalMask({ prefix: 2, segments: [], starts: [0] });
    expect(() => causalAttention(x, x, x, { heads: 3, keyHeads: 2, scale: 1, mask })).toThrow(
      /causalAttention: got q \(1, 2, 6\)/,
    );
  });
});
