/** Checks of operands: shapes and types, with the operation's name in the error. */
import type * as tf from '@tensorflow/tfjs-core';

/**
 * Throws an Error naming the operation when `ok` is false. Shapes are checked here, in TypeScript, so that a wrong
 * call fails with its shapes before any engine (and any native code) sees it.
 */
export function check(ok: boolean, op: string, expected: string, tensors: Record<string, tf.Tensor>): void {
  if (ok) return;
  const shapes = Object.entries(tensors).map(([name, t]) => `${name} ${shapeText(t)}`);
  throw new Error(`${op}: got ${shapes.join(', ')}; expected ${expected}`);
}

export const isFloat = (x: tf.Tensor): boolean => x.dtype === 'float32';

/** Throws unless every tensor is float32. */
export function checkFloat(op: string, tensors: Record<string, tf.Tensor | undefined>): void {
  for (const name in tensors) {
    const tensor = tensors[name];
    if (tensor !== undefined && !isFloat(tensor)) {
      throw new Error(`${op}: ${name} ${shapeText(tensor)} is ${tensor.dtype}; expected float32`);
    }
  }
}

/** Number of rows and columns of a tensor seen as (rows, last axis); a scalar is an error. */
export function rowsAndColumns(op: string, x: tf.Tensor): [rows: number, columns: number] {
  const columns = x.shape[x.shape.length - 1];
  if (columns === undefined) throw new Error(`${op}: got a scalar; expected at least one axis`);
  return [columns === 0 ? 0 : x.size / columns, columns];
}

export function sameShape(a: tf.Tensor, b: tf.Tensor): boolean {
  return a.shape.length === b.shape.length && a.shape.every((size, i) => size === b.shape[i]);
}

function shapeText(t: tf.Tensor): string {
  return `(${t.shape.join(', ')})`;
}
