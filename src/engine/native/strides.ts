/**
 * Shapes and strides for native calls: dimensions of 1 are dropped and neighbours merged where every operand allows it,
 * so the inner loop is as long as it can be and most broadcasts have rank 1 or 2.
 */
import type { NativeDevice } from './addon.js';

const MAX_RANK = 8;
/** Largest number of a layout: native code reads them as 32-bit integers. */
export const MAX_SIZE = 2 ** 31 - 1;

/** Row-major strides in elements, one a dimension. */
export function denseStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= shape[i]!;
  }
  return strides;
}

/** Elements of a shape, or of its first `axes` axes alone. */
export function sizeOf(shape: readonly number[], axes = shape.length): number {
  let size = 1;
  for (let i = 0; i < axes; i++) size *= shape[i]!;
  return size;
}

/** Strides that read a tensor of `shape` as if it were broadcast to `out` (0 where it is repeated). */
export function broadcastStrides(shape: readonly number[], out: readonly number[]): number[] {
  const dense = denseStrides(shape);
  const lead = out.length - shape.length;
  const strides = new Array<number>(out.length);
  for (let i = 0; i < out.length; i++) strides[i] = i < lead || shape[i - lead] === 1 ? 0 : dense[i - lead]!;
  return strides;
}

const MAX_DIMS = 32;
/** Dims and strides of the layout being merged: a row of MAX_DIMS for dims, then one for each operand. */
const merged = new Float64Array(MAX_DIMS * 4);

/**
 * Writes dims and strides of the operands (at most 3) to the device's parameter block, merged.
 * @returns the merged rank (at least 1), or 0 when it is above MAX_RANK or a number does not fit 31 bits
 */
export function writeLayout(
  device: NativeDevice,
  dims: readonly number[],
  strides: readonly number[][],
): number {
  if (dims.length > MAX_DIMS) return 0;
  const operands = strides.length;
  let rank = 0;
  for (let i = 0; i < dims.length; i++) {
    const dim = dims[i]!;
    if (dim === 1) continue;
    if (rank > 0 && continues(strides, i, dim, rank - 1)) {
      merged[rank - 1]! *= dim;
    } else {
      merged[rank++] = dim;
    }
    for (let o = 0; o < operands; o++) merged[(o + 1) * MAX_DIMS + rank - 1] = strides[o]![i]!;
  }
  if (rank === 0) {
    rank = 1;
    for (let row = 0; row <= operands; row++) merged[row * MAX_DIMS] = 1;
  }
  if (rank > MAX_RANK) return 0;
  const { params } = device;
  let to = 0;
  for (let row = 0; row <= operands; row++) {
    for (let i = 0; i < rank; i++) {
      const value = merged[row * MAX_DIMS + i]!;
      if (value > MAX_SIZE || value < -MAX_SIZE) return 0;
      params[to++] = value;
    }
  }
  return rank;
}

/** True when dimension i follows the merged dimension `at` in memory for every operand. */
function continues(strides: readonly number[][], i: number, dim: number, at: number): boolean {
  for (let o = 0; o < strides.length; o++) {
    if (merged[(o + 1) * MAX_DIMS + at] !== strides[o]![i]! * dim) return false;
  }
  return true;
}
