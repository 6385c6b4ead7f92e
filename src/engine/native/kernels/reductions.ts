/**
 * Reductions over any axes, softmax, running sums and the k largest.
 *
 * Axes that are neighbours make the tensor (outer, reduced, inner), which native code reduces in place; others are
 * brought to the end by a transpose first.
 */
import { backend_util, type TensorInfo, util } from '@tensorflow/tfjs-core';
import { DTYPE, type NumericDtype, type ReduceOp } from '../addon.js';
import type { NativeBackend } from '../backend.js';
import { sizeOf } from '../strides.js';
import { type Call, native } from './kernel.js';
import { cast, transpose } from './movement.js';

type X = { x: TensorInfo };
type Axes = { axis?: number | number[]; reductionIndices?: number | number[]; keepDims?: boolean };

/** Reduces x over the axes with an operation; undefined when a transpose is beyond native code. */
function reduce(
  backend: NativeBackend,
  op: ReduceOp,
  x: TensorInfo,
  axes: number[],
  dtype: NumericDtype,
  keepDims = false,
  scale = 1,
): TensorInfo | undefined {
  const rank = x.shape.length;
  const shape: number[] = [];
  let first = rank;
  let last = -1;
  let outer = 1;
  let reduced = 1;
  let inner = 1;
  for (let i = 0; i < rank; i++) {
    const dim = x.shape[i]!;
    if (axes.includes(i)) {
      first = Math.min(first, i);
      last = i;
      reduced *= dim;
      // Axes that are not neighbours are brought together by a transpose below.
      outer *= inner;
      inner = 1;
      if (keepDims) shape.push(1);
      continue;
    }
    if (last < 0) outer *= dim;
    else inner *= dim;
    shape.push(dim);
  }
  const split = last - first + 1 > axes.length;
  const source = split ? axesLast(backend, x, axes) : x;
  if (!source) return undefined;
  if (split) {
    outer *= inner;
    inner = 1;
  }
  const y = backend.output(shape, dtype);
  const from = DTYPE[x.dtype as NumericDtype];
  const input = backend.bufferOf(source);
  backend.device.reduce(
    backend.device.codes.reduce[op],
    from,
    input,
    backend.bufferOf(y),
    outer,
    reduced,
    inner,
    scale,
  );
  if (split) backend.disposeData(source.dataId);
  return y;
}

/** x with the axes moved behind the others. */
function axesLast(backend: NativeBackend, x: TensorInfo, axes: number[]): TensorInfo | undefined {
  const kept = x.shape.map((_, i) => i).filter((i) => !axes.includes(i));
  return transpose(backend, x, [...kept, ...[...axes].sort((a, b) => a - b)]);
}

/** Sum and product take bool as int32, as tfjs does. */
function withIntegers(
  backend: NativeBackend,
  x: TensorInfo,
  run: (x: TensorInfo, dtype: NumericDtype) => TensorInfo | undefined,
): TensorInfo | undefined {
  if (x.dtype === 'float32' || x.dtype === 'int32') return run(x, x.dtype);
  if (x.dtype !== 'bool') return undefined;
  const whole = cast(backend, x, 'int32');
  const result = run(whole, 'int32');
  backend.disposeData(whole.dataId);
  return result;
}

function mean({ inputs: { x }, attrs, backend }: Call<X, Axes>): TensorInfo | undefined {
  if (x.dtype !== 'float32' && x.dtype !== 'int32' && x.dtype !== 'bool') return undefined;
  const axes = util.parseAxisParam(attrs.axis as number, x.shape);
  const count = sizeOf(axes.map((axis) => x.shape[axis]!));
  const float = cast(backend, x, 'float32');
  const result = reduce(backend, 'sum', float, axes, 'float32', attrs.keepDims, 1 / count);
  backend.disposeData(float.dataId);
  return result;
}

function registerReductions(): void {
  for (const [name, op] of Object.entries({ Sum: 'sum', Prod: 'prod' } as const)) {
    native(name, ({ inputs: { x }, attrs, backend }: Call<X, Axes>) =>
      withIntegers(backend, x, (source, dtype) =>
        reduce(
          backend,
          op,
          source,
          util.parseAxisParam(attrs.axis as number, x.shape),
          dtype,
          attrs.keepDims,
        ),
      ),
    );
  }
  native('Mean', mean);
  for (const [name, op] of Object.entries({ Max: 'max', Min: 'min' } as const)) {
    native(name, ({ inputs: { x }, attrs, backend }: Call<X, Axes>) => {
      if (x.dtype !== 'float32' && x.dtype !== 'int32') return undefined;
      const axes = util.parseAxisParam((attrs.reductionIndices ?? attrs.axis) as number, x.shape);
      // The maximum of no elements is left to tfjs.
      if (axes.some((axis) => x.shape[axis] === 0)) return undefined;
      return reduce(backend, op, x, axes, x.dtype, attrs.keepDims);
    });
  }
  for (const [name, op] of Object.entries({ Any: 'any', All: 'all' } as const)) {
    native(name, ({ inputs: { x }, attrs, backend }: Call<X, Axes>) =>
      x.dtype === 'bool'
        ? reduce(backend, op, x, util.parseAxisParam(attrs.axis as number, x.shape), 'bool', attrs.keepDims)
        : undefined,
    );
  }
  for (const [name, op] of Object.entries({ ArgMax: 'argMax', ArgMin: 'argMin' } as const)) {
    native(name, ({ inputs: { x }, attrs, backend }: Call<X, { axis: number }>) => {
      const axis = util.parseAxisParam(attrs.axis, x.shape)[0] ?? 0;
      if ((x.dtype !== 'float32' && x.dtype !== 'int32') || !x.shape[axis]) return undefined;
      return reduce(backend, op, x, [axis], 'int32');
    });
  }
}

/** x as rows along its last dimension: [how many, how long]. */
function rowsOf(x: TensorInfo): [rows: number, length: number] {
  const length = x.shape[x.shape.length - 1] ?? 1;
  return [length === 0 ? 0 : sizeOf(x.shape) / length, length];
}

export function softmax(backend: NativeBackend, logits: TensorInfo): TensorInfo {
  const y = backend.output(logits.shape, 'float32');
  const [rows, length] = rowsOf(logits);
  if (rows > 0) backend.device.softmax(backend.bufferOf(logits), backend.bufferOf(y), rows, length);
  return y;
}

type CumsumAttrs = { axis: number; exclusive: boolean; reverse: boolean };

/** Running sum along an axis, which is brought to the end and back. */
function cumsum({ inputs: { x }, attrs, backend }: Call<X, CumsumAttrs>): TensorInfo | undefined {
  if (x.dtype !== 'float32' && x.dtype !== 'int32') return undefined;
  const rank = x.shape.length;
  const axis = attrs.axis < 0 ? attrs.axis + rank : attrs.axis;
  const permutation = backend_util.getAxesPermutation([axis], rank);
  const source = permutation ? transpose(backend, x, permutation) : x;
  if (!source) return undefined;
  const y = backend.output(source.shape, x.dtype);
  const [rows, length] = rowsOf(source);
  const from = backend.bufferOf(source);
  const to = backend.bufferOf(y);
  const exclusive = Number(attrs.exclusive ?? false);
  backend.device.cumsum(DTYPE[x.dtype], from, to, rows, length, exclusive, Number(attrs.reverse ?? false));
  if (!permutation) return y;
  const result = transpose(backend, y, backend_util.getUndoAxesPermutation(permutation));
  backend.disposeData(source.dataId);
  backend.disposeData(y.dataId);
  return result;
}

function topK({ inputs: { x }, attrs, backend }: Call<X, { k: number }>): TensorInfo[] | undefined {
  const [rows, length] = rowsOf(x);
  const { k } = attrs;
  if (x.dtype !== 'float32' || x.shape.length === 0 || k > length) return undefined;
  const shape = [...x.shape.slice(0, -1), k];
  const values = backend.output(shape, 'float32');
  const indices = backend.output(shape, 'int32');
  const input = backend.bufferOf(x);
  backend.device.topK(input, backend.bufferOf(values), backend.bufferOf(indices), rows, length, k);
  return [values, indices];
}

export function registerReducing(): void {
  registerReductions();
  native(
    'Softmax',
    ({ inputs: { logits }, attrs, backend }: Call<{ logits: TensorInfo }, { dim: number }>) => {
      const rank = logits.shape.length;
      const dim = attrs.dim < 0 ? attrs.dim + rank : attrs.dim;
      return logits.dtype === 'float32' && dim === rank - 1 ? softmax(backend, logits) : undefined;
    },
  );
  native('Cumsum', cumsum);
  native('TopK', topK);
}
