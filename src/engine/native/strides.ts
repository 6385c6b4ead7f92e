/**
 * Shapes and strides for native calls: dimensions of 1 are dropped and neighbours merged where every operand allows it,
 * so the inner loop is as long as it can be and most broadcasts have rank 1 or 2.
 */
import type { NativeDevice } from './addon.js';

export const MAX_RANK = 8;
const MAX_SIZE = 2 ** 31 - 1;

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

export function sizeOf(shape: readonly number[]): number {
  let size = 1;
  for (let i = 0; i < shape.length; i++) size *= shape[i]!;
  return size;
}

/** Strides that read a tensor of `shape` as if it were broadcast to `out` (0 where it is repeated). */
export function broadcastStrides(shape: readonly number[], out: readonly number[]): number[] {
  const dense = denseStrides(shape);
  const lead = out.length - shape.length;
  return out.map((_, i) => (i < lead || shape[i - lead] === 1 ? 0 : dense[i - lead]!));
}

/**
 * Writes dims and strides of the operands to the device's parameter block, merged.
 * @returns the merged rank (at least 1), or 0 when it is above MAX_RANK or a number does not fit 31 bits
 */
export function writeLayout(
  device: NativeDevice,
  dims: readonly number[],
  strides: readonly number[][],
): number {
  const mergedDims: number[] = [];
  const merged: number[][] = strides.map(() => []);
  for (let i = 0; i < dims.length; i++) {
    const dim = dims[i]!;
    if (dim === 1) continue;
    const last = mergedDims.length - 1;
    if (last >= 0 && strides.every((s, o) => merged[o]![last] === s[i]! * dim)) {
      mergedDims[last]! *= dim;
      for (let o = 0; o < strides.length; o++) merged[o]![last] = strides[o]![i]!;
    } else {
      mergedDims.push(dim);
      for (let o = 0; o < strides.length; o++) merged[o]!.push(strides[o]![i]!);
    }
  }
  if (mergedDims.length === 0) {
    mergedDims.push(1);
    for (const m of merged) m.push(1);
  }
  const rank = mergedDims.length;
  if (rank > MAX_RANK) return 0;
  let at = 0;
  for (const row of [mergedDims, ...merged]) {
    for (const value of row) {
      if (Math.abs(value) > MAX_SIZE) return 0;
      device.params[at++] = value;
    }
  }
  return rank;
}
