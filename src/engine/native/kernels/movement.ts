/**
 * Kernels that move elements and compute nothing: permutations, slices, padding, tiling, joining and splitting are
 * strided copies; Identity, Reshape and ExpandDims only make another name for the same data.
 */
import { backend_util, type DataType, slice_util, type TensorInfo, util } from '@tensorflow/tfjs-core';
import { EngineError } from '../../../base/errors.js';
import { BYTES, DTYPE, type NumericDtype } from '../addon.js';
import type { NativeBackend } from '../backend.js';
import { broadcastStrides, denseStrides, MAX_SIZE, sizeOf, writeLayout } from '../strides.js';
import { type Call, isNumeric, native } from './kernel.js';

type X = { x: TensorInfo };

/** Part of a tensor's buffer: an offset and a stride for each dimension of the copy. */
interface View {
  tensor: TensorInfo;
  offset: number;
  strides: number[];
}

/** Copies dims elements between two views of the same dtype; false when the layout is beyond native code. */
function copyView(backend: NativeBackend, dims: readonly number[], from: View, to: View): boolean {
  const rank = writeLayout(backend.device, dims, [from.strides, to.strides]);
  if (rank === 0) return false;
  const bytes = BYTES[from.tensor.dtype as NumericDtype];
  const source = backend.bufferOf(from.tensor);
  backend.device.copyStrided(bytes, source, from.offset, backend.bufferOf(to.tensor), to.offset, rank);
  return true;
}

/** A dense tensor of `shape` filled through strides over x; undefined when the layout is beyond native code. */
function readView(
  backend: NativeBackend,
  x: TensorInfo,
  shape: number[],
  strides: number[],
  offset = 0,
  dims: readonly number[] = shape,
): TensorInfo | undefined {
  if (!isNumeric(x.dtype)) return undefined;
  const out = backend.output(shape, x.dtype);
  const target = { tensor: out, offset: 0, strides: denseStrides(dims) };
  if (copyView(backend, dims, { tensor: x, offset, strides }, target)) return out;
  backend.disposeData(out.dataId);
  return undefined;
}

/** x repeated along its dimensions of 1 (and new leading ones) to a larger shape. */
export function broadcast(backend: NativeBackend, x: TensorInfo, shape: number[]): TensorInfo | undefined {
  return readView(backend, x, shape, broadcastStrides(x.shape, shape));
}

/** x with its dimensions permuted. */
export function transpose(
  backend: NativeBackend,
  x: TensorInfo,
  perm: readonly number[],
): TensorInfo | undefined {
  const strides = denseStrides(x.shape);
  return readView(
    backend,
    x,
    perm.map((axis) => x.shape[axis]!),
    perm.map((axis) => strides[axis]!),
  );
}

/** x[begin : begin + size], a copy. */
function slice(
  backend: NativeBackend,
  x: TensorInfo,
  begin: readonly number[],
  size: number[],
): TensorInfo | undefined {
  const strides = denseStrides(x.shape);
  const offset = begin.reduce((sum, at, i) => sum + at * strides[i]!, 0);
  return readView(backend, x, size, strides, offset);
}

/** x converted to a dtype; the same data under another name when it has it already. */
export function cast(backend: NativeBackend, x: TensorInfo, dtype: NumericDtype): TensorInfo {
  if (x.dtype === dtype) return backend.alias(x, x.shape);
  const y = backend.output(x.shape, dtype);
  const from = DTYPE[x.dtype as NumericDtype];
  backend.device.cast(from, DTYPE[dtype], backend.bufferOf(x), backend.bufferOf(y), sizeOf(x.shape));
  return y;
}

/** A tensor with every element set to a value. */
function filled(backend: NativeBackend, shape: number[], dtype: NumericDtype, value: number): TensorInfo {
  const y = backend.output(shape, dtype);
  backend.device.fill(DTYPE[dtype], backend.bufferOf(y), sizeOf(shape), value);
  return y;
}

/**
 * Writes a row into its place in storage (1, capacity, width), which nothing else may read meanwhile (ops/rowCache.ts).
 */
export function appendRow(backend: NativeBackend, storage: TensorInfo, row: TensorInfo, at: number): void {
  const [, capacity, width] = storage.shape as [number, number, number];
  const fits = at < capacity && sizeOf(row.shape) === width;
  util.assert(fits, () => `no place ${at} for a row [${row.shape}] in [${storage.shape}]`);
  copyRows(backend, 1, width, row, 0, width, storage, at * width, width);
}

function registerAliases(): void {
  native('Identity', ({ inputs: { x }, backend }: Call<X>) => backend.alias(x, x.shape));
  native('Reshape', ({ inputs: { x }, attrs, backend }: Call<X, { shape: number[] }>) => {
    const size = sizeOf(x.shape);
    const shape = util.inferFromImplicitShape(attrs.shape, size);
    util.assert(
      size === sizeOf(shape),
      () =>
        `The new shape (${shape}) has ${sizeOf(shape)} elements and the old shape (${x.shape}) has ${size} elements. ` +
        'The new shape and old shape must have the same number of elements.',
    );
    return backend.alias(x, shape);
  });
  native(
    'ExpandDims',
    ({ inputs: { input }, attrs, backend }: Call<{ input: TensorInfo }, { dim: number }>) => {
      const rank = input.shape.length;
      const { dim } = attrs;
      util.assert(
        dim >= -(rank + 1) && dim <= rank,
        () => `Axis must be in the interval [${-(rank + 1)}, ${rank}]`,
      );
      const shape = input.shape.slice();
      shape.splice(dim < 0 ? rank + dim + 1 : dim, 0, 1);
      return backend.alias(input, shape);
    },
  );
  native('Cast', ({ inputs: { x }, attrs, backend }: Call<X, { dtype: DataType }>) => {
    if (x.dtype === attrs.dtype) return backend.alias(x, x.shape);
    return isNumeric(x.dtype) && isNumeric(attrs.dtype) ? cast(backend, x, attrs.dtype) : undefined;
  });
}

function registerCreation(): void {
  native(
    'Fill',
    ({ attrs, backend }: Call<unknown, { shape: number[]; value: number; dtype?: DataType }>) => {
      const dtype = attrs.dtype ?? util.inferDtype(attrs.value as never);
      if (!isNumeric(dtype)) return undefined;
      return filled(backend, attrs.shape, dtype, dtype === 'float32' ? attrs.value : Number(attrs.value) | 0);
    },
  );
  for (const [name, value] of Object.entries({ ZerosLike: 0, OnesLike: 1 })) {
    native(name, ({ inputs: { x }, backend }: Call<X>) =>
      isNumeric(x.dtype) ? filled(backend, x.shape, x.dtype, value) : undefined,
    );
  }
  type RangeAttrs = { start: number; stop: number; step: number; dtype?: DataType };
  native('Range', ({ attrs, backend }: Call<unknown, RangeAttrs>) => {
    const { start, stop, step, dtype = 'float32' } = attrs;
    if (dtype !== 'float32' && dtype !== 'int32') return undefined;
    const wrongWay = (start < stop && step < 0) || (stop < start && step > 1);
    const count = start === stop || wrongWay ? 0 : Math.abs(Math.ceil((stop - start) / step));
    // tfjs flips a step of 1 when it counts down.
    const stride = stop < start && step === 1 ? -1 : step;
    const y = backend.output([count], dtype);
    backend.device.range(DTYPE[dtype], backend.bufferOf(y), count, start, stride);
    return y;
  });
}

function registerViews(): void {
  native('Transpose', ({ inputs: { x }, attrs, backend }: Call<X, { perm: number[] }>) =>
    transpose(backend, x, attrs.perm),
  );
  native('Slice', ({ inputs: { x }, attrs, backend }: Call<X, { begin: number[]; size: number[] }>) => {
    const [begin, size] = slice_util.parseSliceParams(x as never, attrs.begin, attrs.size);
    slice_util.assertParamsValid(x as never, begin!, size!);
    return slice(backend, x, begin!, size!);
  });
  native('Reverse', ({ inputs: { x }, attrs, backend }: Call<X, { dims: number | number[] }>) => {
    if (x.shape.length === 0) return backend.alias(x, x.shape);
    const strides = denseStrides(x.shape);
    let offset = 0;
    for (const axis of util.parseAxisParam(attrs.dims, x.shape)) {
      offset += Math.max(0, x.shape[axis]! - 1) * strides[axis]!;
      strides[axis]! *= -1;
    }
    return readView(backend, x, x.shape, strides, offset);
  });
  native('Tile', ({ inputs: { x }, attrs, backend }: Call<X, { reps: number[] }>) => {
    const { reps } = attrs;
    const dense = denseStrides(x.shape);
    const shape = x.shape.map((dim, i) => dim * reps[i]!);
    // Every dimension becomes two: the repetition, with stride 0 in x, and the dimension itself.
    const dims = x.shape.flatMap((dim, i) => [reps[i]!, dim]);
    return readView(
      backend,
      x,
      shape,
      dense.flatMap((stride) => [0, stride]),
      0,
      dims,
    );
  });
  type PadAttrs = { paddings: [number, number][]; constantValue: number };
  native('PadV2', ({ inputs: { x }, attrs, backend }: Call<X, PadAttrs>) => {
    const { paddings, constantValue } = attrs;
    if (!isNumeric(x.dtype)) return undefined;
    const shape = x.shape.map((dim, i) => dim + paddings[i]![0] + paddings[i]![1]);
    const out = filled(backend, shape, x.dtype, x.dtype === 'float32' ? constantValue : constantValue | 0);
    const strides = denseStrides(shape);
    const offset = paddings.reduce((sum, [before], i) => sum + before * strides[i]!, 0);
    const from = { tensor: x, offset: 0, strides: denseStrides(x.shape) };
    if (sizeOf(x.shape) === 0 || copyView(backend, x.shape, from, { tensor: out, offset, strides }))
      return out;
    backend.disposeData(out.dataId);
    return undefined;
  });
}

/** Copies `rows` rows of `width` elements; the rows of either tensor begin `step` elements apart, the first at `offset`. */
function copyRows(
  backend: NativeBackend,
  rows: number,
  width: number,
  from: TensorInfo,
  fromOffset: number,
  fromStep: number,
  to: TensorInfo,
  toOffset: number,
  toStep: number,
): void {
  const { device } = backend;
  const { params } = device;
  if (Math.max(rows, width, fromStep, toStep) > MAX_SIZE)
    throw new EngineError(
      `${rows} rows of ${width} elements cannot be copied: a dimension is above ${MAX_SIZE}`,
    );
  let rank = 0;
  if (rows > 1) {
    params[0] = rows;
    params[2] = fromStep;
    params[4] = toStep;
    rank = 1;
  }
  params[rank] = width;
  // Strides follow the dims: a row of them for `from`, one for `to`.
  params[2 * rank + 1] = 1;
  params[3 * rank + 2] = 1;
  const bytes = BYTES[from.dtype as NumericDtype];
  device.copyStrided(bytes, backend.bufferOf(from), fromOffset, backend.bufferOf(to), toOffset, rank + 1);
}

/** Dense tensors side by side along one dimension: each is (outer, its part of the dimension * inner). */
function join(backend: NativeBackend, inputs: TensorInfo[], shape: number[], outer: number): TensorInfo {
  const out = backend.output(shape, inputs[0]!.dtype as NumericDtype);
  const size = sizeOf(shape);
  if (size === 0) return out;
  let offset = 0;
  for (const x of inputs) {
    const width = sizeOf(x.shape) / outer;
    if (width > 0) copyRows(backend, outer, width, x, 0, width, out, offset, size / outer);
    offset += width;
  }
  return out;
}

/** The parts of a dense tensor of `outer` rows, each as wide as its shape asks. */
function split(backend: NativeBackend, x: TensorInfo, shapes: number[][], outer: number): TensorInfo[] {
  const total = sizeOf(x.shape) / outer;
  let offset = 0;
  return shapes.map((shape) => {
    const out = backend.output(shape, x.dtype as NumericDtype);
    const size = sizeOf(shape);
    if (size === 0) return out;
    const width = size / outer;
    copyRows(backend, outer, width, x, offset, total, out, 0, width);
    offset += width;
    return out;
  });
}

function registerJoining(): void {
  native('Concat', ({ inputs, attrs, backend }: Call<TensorInfo[], { axis: number }>) => {
    const axis = attrs.axis < 0 ? attrs.axis + inputs[0]!.shape.length : attrs.axis;
    const shapes = inputs.map((x) => x.shape);
    backend_util.assertParamsConsistent(shapes, axis);
    const shape = backend_util.computeOutShape(shapes, axis);
    const dtype = inputs[0]!.dtype;
    if (sizeOf(shape) === 0 || !isNumeric(dtype) || inputs.some((x) => x.dtype !== dtype)) return undefined;
    const given = inputs.filter((x) => sizeOf(x.shape) > 0);
    if (given.length === 1) return backend.alias(given[0]!, shape);
    return join(backend, given, shape, sizeOf(shape, axis));
  });
  native('Pack', ({ inputs, attrs, backend }: Call<TensorInfo[], { axis: number }>) => {
    const [first] = inputs;
    if (!first || !isNumeric(first.dtype)) return undefined;
    for (const x of inputs) {
      util.assertShapesMatch(first.shape, x.shape, 'All tensors passed to stack must have matching shapes');
      util.assert(first.dtype === x.dtype, () => 'All tensors passed to stack must have matching dtypes');
    }
    const axis = attrs.axis < 0 ? attrs.axis + first.shape.length + 1 : attrs.axis;
    const shape = first.shape.slice();
    shape.splice(axis, 0, inputs.length);
    return join(backend, inputs, shape, sizeOf(shape, axis));
  });
  native('Unpack', ({ inputs: { value }, attrs, backend }: Call<{ value: TensorInfo }, { axis: number }>) => {
    if (!isNumeric(value.dtype)) return undefined;
    const axis = attrs.axis < 0 ? attrs.axis + value.shape.length : attrs.axis;
    const count = value.shape[axis]!;
    const shape = value.shape.filter((_, i) => i !== axis);
    const parts = Array.from({ length: count }, () => shape);
    return split(backend, value, parts, sizeOf(shape, axis));
  });
  type SplitAttrs = { numOrSizeSplits: number | number[]; axis: number };
  native('SplitV', ({ inputs: { x }, attrs, backend }: Call<X, SplitAttrs>) => {
    if (!isNumeric(x.dtype)) return undefined;
    const axis = util.parseAxisParam(attrs.axis, x.shape)[0]!;
    const sizes = backend_util.prepareSplitSize(x as never, attrs.numOrSizeSplits, axis);
    const shapes = sizes.map((size) => x.shape.map((dim, i) => (i === axis ? size : dim)));
    return split(backend, x, shapes, sizeOf(x.shape, axis));
  });
}

type SelectInputs = { condition: TensorInfo; t: TensorInfo; e: TensorInfo };

/** t where the condition holds, else e. A condition of rank 1 chooses whole rows of t and e. */
function select({ inputs, backend }: Call<SelectInputs>): TensorInfo | undefined {
  const { condition, t, e } = inputs;
  if (condition.dtype !== 'bool' || t.dtype !== e.dtype || !isNumeric(t.dtype)) return undefined;
  const n = sizeOf(condition.shape);
  const size = sizeOf(t.shape);
  if (n === 0 || size % n !== 0 || sizeOf(e.shape) !== size) return undefined;
  if (size !== n && condition.shape.length !== 1) return undefined;
  const out = backend.output(t.shape, t.dtype);
  backend.device.select(
    BYTES[t.dtype],
    backend.bufferOf(condition),
    backend.bufferOf(t),
    backend.bufferOf(e),
    backend.bufferOf(out),
    n,
    size / n,
  );
  return out;
}

export function registerMovement(): void {
  registerAliases();
  registerCreation();
  registerViews();
  registerJoining();
  native('Select', select);
}
