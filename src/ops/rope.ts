/** Rotary positions (Su et al. 2021). */
import * as tf from '@tensorflow/tfjs-core';
import { check, checkFloat } from './check.js';
import { hasFused, runKernel } from './kernels.js';
import { taped } from './tape.js';

/** Cosines and sines of the angles of positions, (positions, D / 2) each. */
export interface RopeTable {
  cos: tf.Tensor2D;
  sin: tf.Tensor2D;
}

/**
 * The table of positions: angle position * theta^(-2i / D) for pair i, computed in float64 and rounded once.
 *
 * @param size D, the width of a head, even
 */
export function ropeTable(positions: ArrayLike<number>, size: number, theta: number): RopeTable {
  const pairs = size / 2;
  const frequencies = Array.from({ length: pairs }, (_, pair) => theta ** ((-2 * pair) / size));
  const cos = new Float32Array(positions.length * pairs);
  const sin = new Float32Array(positions.length * pairs);
  // Rows of a batch have the same positions again and again, and angles are dear.
  const known = new Map<number, number>();
  for (let i = 0; i < positions.length; i++) {
    const position = positions[i]!;
    const at = known.get(position);
    if (at !== undefined) {
      for (const values of [cos, sin]) values.copyWithin(i * pairs, at * pairs, (at + 1) * pairs);
      continue;
    }
    known.set(position, i);
    frequencies.forEach((frequency, pair) => {
      cos[i * pairs + pair] = Math.cos(position * frequency);
      sin[i * pairs + pair] = Math.sin(position * frequency);
    });
  }
  const shape: [number, number] = [positions.length, pairs];
  return { cos: tf.tensor2d(cos, shape), sin: tf.tensor2d(sin, shape) };
}

/**
 * Turns the pair (x_i, x_{i + D/2}) of every head by the angle of its row: (x1 cos - x2 sin, x2 cos + x1 sin). The pairs are
 * halves of a head, as in GPT-NeoX and Llama's files, not neighbours. The gradient turns back.
 *
 * @param x (B, L, heads * D). @param table of L positions, which all items share, or of B * L. @returns (B, L, heads * D)
 */
export function rope(x: tf.Tensor3D, { cos, sin }: RopeTable, heads: number): tf.Tensor3D {
  checkFloat('rope', { x, cos, sin });
  const [batch, length, width] = x.shape;
  const size = width / heads;
  const rows = cos.shape[0] === length ? length : batch * length;
  const fits = (t: tf.Tensor) => t.rank === 2 && t.shape[0] === rows && t.shape[1] === size / 2;
  const shapes = `x (B, L, ${heads} D), cos and sin (L, D / 2) or (B L, D / 2)`;
  check(x.rank === 3 && fits(cos) && fits(sin), 'rope', shapes, { x, cos, sin });
  if (rows === length) return turned(x, { cos, sin }, heads);
  // Positions of their own for every item are those of one long item.
  const line = tf.reshape(x, [1, rows, width]) as tf.Tensor3D;
  return tf.reshape(turned(line, { cos, sin }, heads), x.shape);
}

function turned(x: tf.Tensor3D, { cos, sin }: RopeTable, heads: number): tf.Tensor3D {
  const turn = (x: tf.Tensor3D, cos: tf.Tensor, sin: tf.Tensor, back: boolean): tf.Tensor3D =>
    hasFused('ReasRope')
      ? (runKernel('ReasRope', { x, cos, sin }, { heads, back }) as tf.Tensor3D)
      : tf.tidy(() => composed(x, cos, sin, heads, back));
  return taped(
    'rope',
    { x },
    (save) => {
      save([cos, sin]);
      return turn(x, cos, sin, false);
    },
    (dy, [savedCos, savedSin]) => ({ x: () => turn(dy, savedCos!, savedSin!, true) }),
  );
}

function composed(x: tf.Tensor3D, cos: tf.Tensor, sin: tf.Tensor, heads: number, back: boolean): tf.Tensor3D {
  const [batch, length, width] = x.shape;
  const half = width / heads / 2;
  const halves = tf.reshape(x, [batch, length, heads, 2 * half]);
  const first = tf.slice(halves, [0, 0, 0, 0], [batch, length, heads, half]);
  const second = tf.slice(halves, [0, 0, 0, half], [batch, length, heads, half]);
  const c = tf.reshape(cos, [1, length, 1, half]);
  const s = tf.reshape(back ? tf.neg(sin) : sin, [1, length, 1, half]);
  const joined = tf.concat(
    [tf.sub(tf.mul(first, c), tf.mul(second, s)), tf.add(tf.mul(second, c), tf.mul(first, s))],
    3,
  );
  return tf.reshape(joined, [batch, length, width]);
}
