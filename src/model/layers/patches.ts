/** Square patches of pictures, as the rows that a patch embedding multiplies. */
import * as tf from '@tensorflow/tfjs-core';

/**
 * A convolution with stride = kernel is a product of these rows with its flattened kernel. It drops the pixels beyond
 * the last whole patch.
 *
 * @param pixels (n, 3, image, image). @returns (n, grid^2, 3 * patch * patch), grid = floor(image / patch)
 */
export function patchesOf(pixels: tf.Tensor4D, patch: number): tf.Tensor3D {
  const [n, , image] = pixels.shape;
  const grid = Math.floor(image / patch);
  const side = grid * patch;
  const whole = side === image ? pixels : tf.slice(pixels, [0, 0, 0, 0], [n, 3, side, side]);
  // Two rank-4 transposes (rank 6 is slow or missing on some backends): (c, y, py, x, px) -> (y, x, c, py, px).
  const rows = tf.transpose(tf.reshape(whole, [n * 3 * grid, patch, grid, patch]), [0, 2, 1, 3]);
  const patches = tf.transpose(tf.reshape(rows, [n, 3, grid ** 2, patch * patch]), [0, 2, 1, 3]);
  return tf.reshape(patches, [n, grid ** 2, 3 * patch * patch]);
}
