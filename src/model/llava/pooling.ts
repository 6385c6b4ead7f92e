/** Bilinear pooling of a frame's tokens to half the side, as one constant matrix. */
import * as tf from '@tensorflow/tfjs-core';

/** Side of the pooled grid of a grid of `side` tokens. */
export const pooledSide = (side: number): number => Math.ceil(side / 2);

/** The two source rows of an output row, and their weights. */
interface Taps {
  first: number;
  second: number;
  weight: number;
}

/**
 * Sources of each output of a line of `side`, as torch's interpolate takes them (bilinear, align_corners false, no
 * antialias): output i lies at (i + 0.5) * side / out - 0.5, below 0 at the first token.
 */
function tapsOf(side: number): Taps[] {
  const out = pooledSide(side);
  return Array.from({ length: out }, (_, i) => {
    const at = Math.max(0, ((i + 0.5) * side) / out - 0.5);
    const first = Math.min(side - 1, Math.floor(at));
    return { first, second: Math.min(side - 1, first + 1), weight: at - first };
  });
}

/** (out * out, side * side), row major both ways; the entries of a row have the sum 1. */
export function poolingMatrix(side: number): Float32Array {
  const taps = tapsOf(side);
  const tokens = side * side;
  const matrix = new Float32Array(taps.length ** 2 * tokens);
  taps.forEach((y, i) => {
    taps.forEach((x, j) => {
      const row = (i * taps.length + j) * tokens;
      const add = (line: number, column: number, weight: number) => {
        matrix[row + line * side + column]! += weight;
      };
      add(y.first, x.first, (1 - y.weight) * (1 - x.weight));
      add(y.first, x.second, (1 - y.weight) * x.weight);
      add(y.second, x.first, y.weight * (1 - x.weight));
      add(y.second, x.second, y.weight * x.weight);
    });
  });
  return matrix;
}

/**
 * Pools every frame. Differentiable.
 *
 * @param x (n, side * side, d). @returns (n, pooledSide(side)^2, d)
 */
export function pool(x: tf.Tensor3D, side: number): tf.Tensor3D {
  const [n, tokens, width] = x.shape;
  if (tokens !== side * side) throw new Error(`pool: got ${tokens} tokens a frame, expected ${side * side}`);
  const matrix = tf.tensor3d(poolingMatrix(side), [1, pooledSide(side) ** 2, tokens]);
  // One product over all frames and columns would need a transpose; frames are a batch of products instead.
  const each = n === 1 ? matrix : tf.tile(matrix, [n, 1, 1]);
  return tf.matMul(each, tf.reshape(x, [n, tokens, width])) as tf.Tensor3D;
}
