/**
 * Functions of one element and of two, with broadcasting: the kernels behind tf.exp, tf.add, tf.greater and the like.
 */
import { backend_util, type TensorInfo, util } from '@tensorflow/tfjs-core';
import { type BinaryOp, DTYPE, type NumericDtype, type UnaryOp } from '../addon.js';
import type { NativeBackend } from '../backend.js';
import { broadcastStrides, sizeOf, writeLayout } from '../strides.js';
import { type Call, isNumeric, native } from './kernel.js';

/** y = f(x), into a fresh tensor. */
function unary(
  backend: NativeBackend,
  op: UnaryOp,
  x: TensorInfo,
  dtype: NumericDtype,
  p = 0,
  q = 0,
): TensorInfo {
  const y = backend.output(x.shape, dtype);
  const n = sizeOf(x.shape);
  const from = DTYPE[x.dtype as NumericDtype];
  backend.device.unary(
    backend.device.codes.unary[op],
    from,
    backend.bufferOf(x),
    backend.bufferOf(y),
    n,
    p,
    q,
  );
  return y;
}

/** out = f(a, b) with broadcasting, into a fresh tensor; undefined when the layout is beyond native code. */
function binary(
  backend: NativeBackend,
  op: BinaryOp,
  a: TensorInfo,
  b: TensorInfo,
  dtype: NumericDtype,
): TensorInfo | undefined {
  const { device } = backend;
  const { params } = device;
  let shape = a.shape;
  let rank = 1;
  if (sameShape(a.shape, b.shape)) {
    params[0] = sizeOf(shape);
    params[1] = 1;
    params[2] = 1;
  } else if (b.shape.length === 0) {
    params[0] = sizeOf(shape);
    params[1] = 1;
    params[2] = 0;
  } else if (a.shape.length === 0) {
    shape = b.shape;
    params[0] = sizeOf(shape);
    params[1] = 0;
    params[2] = 1;
  } else {
    shape = backend_util.assertAndGetBroadcastShape(a.shape, b.shape);
    rank = writeLayout(device, shape, [broadcastStrides(a.shape, shape), broadcastStrides(b.shape, shape)]);
    if (rank === 0) return undefined;
  }
  const from = DTYPE[a.dtype as NumericDtype];
  const left = backend.bufferOf(a);
  const right = backend.bufferOf(b);
  const out = backend.output(shape, dtype);
  device.binary(device.codes.binary[op], from, left, right, backend.bufferOf(out), rank);
  return out;
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

type X = { x: TensorInfo };
type AB = { a: TensorInfo; b: TensorInfo };

/** Functions of a float32 tensor; those in `integers` serve int32 too. */
function registerUnary(): void {
  const integers = new Set(['Abs', 'Neg', 'Relu', 'Sign']);
  const ops: Record<string, UnaryOp> = {
    Abs: 'abs',
    Neg: 'neg',
    Exp: 'exp',
    Log: 'log',
    Sqrt: 'sqrt',
    Rsqrt: 'rsqrt',
    Square: 'square',
    Reciprocal: 'reciprocal',
    Relu: 'relu',
    Sigmoid: 'sigmoid',
    Tanh: 'tanh',
    Erf: 'erf',
    Floor: 'floor',
    Ceil: 'ceil',
    Sign: 'sign',
  };
  for (const [name, op] of Object.entries(ops)) {
    native(name, ({ inputs: { x }, backend }: Call<X>) => {
      if (x.dtype === 'float32') return unary(backend, op, x, 'float32');
      if (x.dtype === 'int32' && integers.has(name)) return unary(backend, op, x, 'int32');
      return undefined;
    });
  }
  for (const [name, op] of Object.entries({
    IsFinite: 'isFinite',
    IsNan: 'isNan',
    IsInf: 'isInf',
  } as const)) {
    native(name, ({ inputs: { x }, backend }: Call<X>) =>
      x.dtype === 'float32' ? unary(backend, op, x, 'bool') : undefined,
    );
  }
  native('LogicalNot', ({ inputs: { x }, backend }: Call<X>) =>
    x.dtype === 'bool' ? unary(backend, 'logicalNot', x, 'bool') : undefined,
  );
  native('Step', ({ inputs: { x }, attrs, backend }: Call<X, { alpha?: number }>) =>
    x.dtype === 'float32' ? unary(backend, 'step', x, 'float32', attrs.alpha ?? 0) : undefined,
  );
  native('Relu6', ({ inputs: { x }, backend }: Call<X>) =>
    x.dtype === 'float32' ? unary(backend, 'clip', x, 'float32', 0, 6) : undefined,
  );
  native(
    'ClipByValue',
    ({ inputs: { x }, attrs, backend }: Call<X, { clipValueMin: number; clipValueMax: number }>) => {
      const { clipValueMin: low, clipValueMax: high } = attrs;
      if (x.dtype === 'float32') return unary(backend, 'clip', x, 'float32', low, high);
      const whole = Number.isInteger(low) && Number.isInteger(high) && Math.max(-low, high) < 2 ** 31;
      return x.dtype === 'int32' && whole ? unary(backend, 'clip', x, 'int32', low, high) : undefined;
    },
  );
}

function registerArithmetic(): void {
  const ops: Record<string, BinaryOp> = {
    Add: 'add',
    Sub: 'sub',
    Multiply: 'mul',
    RealDiv: 'div',
    Maximum: 'maximum',
    Minimum: 'minimum',
    SquaredDifference: 'squaredDifference',
    Pow: 'pow',
    Mod: 'mod',
    FloorDiv: 'floorDiv',
  };
  const floatsOnly = new Set(['RealDiv', 'Pow']);
  for (const [name, op] of Object.entries(ops)) {
    native(name, ({ inputs: { a, b }, backend }: Call<AB>) => {
      if (a.dtype !== b.dtype) return undefined;
      if (a.dtype === 'float32' && name !== 'FloorDiv') return binary(backend, op, a, b, 'float32');
      if (a.dtype === 'int32' && !floatsOnly.has(name)) return binary(backend, op, a, b, 'int32');
      return undefined;
    });
  }
  const logical = new Set(['LogicalAnd', 'LogicalOr']);
  const tests: Record<string, BinaryOp> = {
    Equal: 'equal',
    NotEqual: 'notEqual',
    Greater: 'greater',
    GreaterEqual: 'greaterEqual',
    Less: 'less',
    LessEqual: 'lessEqual',
    LogicalAnd: 'logicalAnd',
    LogicalOr: 'logicalOr',
  };
  for (const [name, op] of Object.entries(tests)) {
    native(name, ({ inputs: { a, b }, backend }: Call<AB>) => {
      if (a.dtype !== b.dtype || !isNumeric(a.dtype)) return undefined;
      if (logical.has(name) && a.dtype !== 'bool') return undefined;
      return binary(backend, op, a, b, 'bool');
    });
  }
}

/** Sum of several tensors of one shape. */
function addN({ inputs, backend }: Call<TensorInfo[]>): TensorInfo | undefined {
  const [first, ...others] = inputs;
  const dtype = first?.dtype;
  if (!first || (dtype !== 'float32' && dtype !== 'int32') || inputs.some((x) => x.dtype !== dtype))
    return undefined;
  if (others.length === 0) return backend.alias(first, first.shape);
  let sum = first;
  for (const x of others) {
    util.assert(sameShape(sum.shape, x.shape), () => `AddN: shapes [${sum.shape}] and [${x.shape}] differ`);
    const next = binary(backend, 'add', sum, x, dtype)!;
    if (sum !== first) backend.disposeData(sum.dataId);
    sum = next;
  }
  return sum;
}

export function registerElementwise(): void {
  registerUnary();
  registerArithmetic();
  native('AddN', addN);
}
