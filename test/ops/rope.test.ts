/** Rotary positions against float64. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { rope, ropeTable } from '../../src/ops/rope.js';
import { compareWithReference, normal, onEveryForm, toTensor } from './support.js';

/** x (batch, length, heads * size) with the pairs (i, i + size / 2) turned as complex numbers. */
function turned(
  x: Float64Array,
  positions: number[],
  heads: number,
  size: number,
  theta: number,
): Float64Array {
  const y = Float64Array.from(x);
  const width = heads * size;
  for (let row = 0; row < x.length / width; row++)
    for (let head = 0; head < heads; head++)
      for (let i = 0; i < size / 2; i++) {
        const angle = positions[row % positions.length]! * theta ** ((-2 * i) / size);
        const [a, b] = [row * width + head * size + i, row * width + head * size + i + size / 2];
        y[a] = x[a]! * Math.cos(angle) - x[b]! * Math.sin(angle);
        y[b] = x[b]! * Math.cos(angle) + x[a]! * Math.sin(angle);
      }
  return y;
}

onEveryForm('rope', () => {
  it('equals float64 over random shapes, value and gradient', () => {
    const rng = new Rng('rope');
    for (const [batch, length, heads, size] of [
      [1, 1, 1, 2],
      [2, 3, 2, 6],
      [2, 2, 3, 72],
      [1, 5, 4, 34],
    ] as const) {
      const positions = Array.from({ length }, () => rng.int(3000));
      const table = ropeTable(positions, size, 1e6);
      const errors = compareWithReference({
        rng,
        inputs: { x: normal(rng, [batch, length, heads * size]) },
        op: ({ x }) => rope(x as tf.Tensor3D, table, heads),
        reference: ({ x }) => turned(x!, positions, heads, size, 1e6),
      });
      tf.dispose([table.cos, table.sin]);
      expect(errors.value, `${[batch, length, heads, size]}`).toBeLessThan(1e-6);
      expect(errors.gradients.x).toBeLessThan(1e-5);
    }
  });

  it('turns every item by positions of its own', () => {
    const rng = new Rng('own');
    const [batch, length, heads, size] = [3, 4, 2, 6];
    const positions = Array.from({ length: batch * length }, () => rng.int(9));
    const table = ropeTable(positions, size, 1e6);
    const errors = compareWithReference({
      rng,
      inputs: { x: normal(rng, [batch, length, heads * size]) },
      op: ({ x }) => rope(x as tf.Tensor3D, table, heads),
      reference: ({ x }) => turned(x!, positions, heads, size, 1e6),
    });
    tf.dispose([table.cos, table.sin]);
    expect(errors.value).toBeLessThan(1e-6);
    expect(errors.gradients.x).toBeLessThan(1e-5);
  });

  it('leaves scores to differences of positions: all positions may be shifted together', () => {
    const rng = new Rng('shift');
    const [q, k] = [
      toTensor<tf.Tensor3D>(normal(rng, [1, 2, 8])),
      toTensor<tf.Tensor3D>(normal(rng, [1, 2, 8])),
    ];
    const score = (from: number) =>
      tf.tidy(() => {
        const table = ropeTable([from, from + 7], 8, 1e4);
        return tf.matMul(rope(q, table, 1), rope(k, table, 1), false, true).dataSync();
      });
    const [near, far] = [score(0), score(900)];
    for (const [i, value] of near.entries()) expect(far[i]).toBeCloseTo(value, 4);
    tf.dispose([q, k]);
  });

  it('refuses a table of another length or width', () => {
    const x = tf.zeros<tf.Rank.R3>([1, 3, 8]);
    for (const table of [ropeTable([0, 1], 8, 10), ropeTable([0, 1, 2], 6, 10)])
      expect(() => rope(x, table, 1)).toThrow(/rope: got x \(1, 3, 8\).*expected/);
  });
});
