/**
 * Matrix products, batched and with broadcast batch dimensions, and 2-D convolution (NHWC).
 */
import { backend_util, broadcast_util, type TensorInfo, util } from '@tensorflow/tfjs-core';
import { DTYPE, type UnaryOp } from '../addon.js';
import type { NativeBackend } from '../backend.js';
import { broadcastStrides, sizeOf, writeLayout } from '../strides.js';
import { type Call, native } from './kernel.js';
import { broadcast } from './movement.js';

interface MatMulAttrs {
  transposeA?: boolean;
  transposeB?: boolean;
}

/**
 * a (..., m, k) times b (..., k, n), each transposed on demand; batch dimensions broadcast. b may be stored in bf16 on
 * native-cpu. Undefined for operands that are not float32, or beyond native code.
 */
export function matmul(
  backend: NativeBackend,
  a: TensorInfo,
  b: TensorInfo,
  { transposeA = false, transposeB = false }: MatMulAttrs,
): TensorInfo | undefined {
  if (a.dtype !== 'float32' || b.dtype !== 'float32') return undefined;
  const [rankA, rankB] = [a.shape.length, b.shape.length];
  const [rowsA, colsA] = [a.shape[rankA - 2]!, a.shape[rankA - 1]!];
  const [rowsB, colsB] = [b.shape[rankB - 2]!, b.shape[rankB - 1]!];
  const [m, k] = transposeA ? [colsA, rowsA] : [rowsA, colsA];
  const [inner, n] = transposeB ? [colsB, rowsB] : [rowsB, colsB];
  util.assert(
    k === inner,
    () =>
      `Error in matMul: inner shapes (${k}) and (${inner}) of Tensors with shapes ${a.shape} and ${b.shape} ` +
      `and transposeA=${transposeA} and transposeB=${transposeB} must match.`,
  );
  const batchA = a.shape.slice(0, -2);
  const batchB = b.shape.slice(0, -2);
  const batch =
    rankA === 2 && rankB === 2 ? batchA : broadcast_util.assertAndGetBroadcastShape(batchA, batchB);
  const left = spread(backend, a, batchA, batch, m * k);
  const right = spread(backend, b, batchB, batch, k * n);
  if (!left || !right) return undefined;
  const c = backend.output([...batch, m, n], 'float32');
  const ids = [backend.bufferOf(left.x), backend.bufferOf(right.x), backend.bufferOf(c)] as const;
  const flags = [Number(transposeA), Number(transposeB)] as const;
  backend.device.matmul(...ids, sizeOf(batch), m, n, k, ...flags, left.stride, right.stride, m * n, 1, 0);
  if (left.x !== a) backend.disposeData(left.x.dataId);
  if (right.x !== b) backend.disposeData(right.x.dataId);
  return c;
}

/**
 * An operand with one stride over the whole batch: as it is when it has every item or only one, else (a batch that
 * broadcasts in part) a copy with its items repeated.
 */
function spread(
  backend: NativeBackend,
  x: TensorInfo,
  own: number[],
  batch: number[],
  size: number,
): { x: TensorInfo; stride: number } | undefined {
  const items = sizeOf(own);
  if (items === sizeOf(batch)) return { x, stride: size };
  if (items === 1) return { x, stride: 0 };
  const copy = broadcast(backend, x, [...batch, ...x.shape.slice(-2)]);
  return copy && { x: copy, stride: size };
}

interface FusedAttrs extends MatMulAttrs {
  activation?: string | null;
}
type FusedInputs = { a: TensorInfo; b: TensorInfo; bias?: TensorInfo; preluActivationWeights?: TensorInfo };

const ACTIVATIONS: Record<string, [op: UnaryOp, p: number, q: number]> = {
  relu: ['relu', 0, 0],
  relu6: ['clip', 0, 6],
  sigmoid: ['sigmoid', 0, 0],
};

/** act(a b + bias), bias and activation in place. */
function fusedMatMul({ inputs, attrs, backend }: Call<FusedInputs, FusedAttrs>): TensorInfo | undefined {
  const { a, b, bias } = inputs;
  const activation = attrs.activation && attrs.activation !== 'linear' ? ACTIVATIONS[attrs.activation] : null;
  if (activation === undefined || (bias && bias.dtype !== 'float32')) return undefined;
  const c = matmul(backend, a, b, attrs);
  if (!c) return undefined;
  const id = backend.bufferOf(c);
  if (bias) {
    const { device } = backend;
    const shape = broadcast_util.assertAndGetBroadcastShape(c.shape, bias.shape);
    util.assertShapesMatch(shape, c.shape, '_FusedMatMul: the bias is larger than the product. ');
    const views = [broadcastStrides(c.shape, shape), broadcastStrides(bias.shape, shape)];
    const other = backend.bufferOf(bias);
    const rank = writeLayout(device, shape, views);
    device.binary(device.codes.binary.add, DTYPE.float32, id, other, id, rank);
  }
  if (activation) {
    const [op, p, q] = activation;
    backend.device.unary(backend.device.codes.unary[op], DTYPE.float32, id, id, sizeOf(c.shape), p, q);
  }
  return c;
}

interface ConvAttrs {
  strides: [number, number] | number;
  pad: 'valid' | 'same' | number;
  dataFormat: 'NHWC' | 'NCHW';
  dilations?: [number, number] | number;
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
  filterShape?: [number, number, number, number];
  inputShape?: [number, number, number, number];
}
type Shape4 = [number, number, number, number];

/** The convolution's sizes in the parameter block; undefined where native code lacks it. */
function convolution(
  backend: NativeBackend,
  xShape: number[],
  filterShape: number[],
  attrs: ConvAttrs,
  tensors: TensorInfo[],
): backend_util.Conv2DInfo | undefined {
  if (attrs.dataFormat !== 'NHWC' || tensors.some((x) => x.dtype !== 'float32')) return undefined;
  const info = backend_util.computeConv2DInfo(
    xShape as Shape4,
    filterShape as Shape4,
    attrs.strides,
    attrs.dilations ?? 1,
    attrs.pad,
    attrs.dimRoundingMode,
  );
  const [, , channels] = filterShape as Shape4;
  if (sizeOf(xShape) === 0 || sizeOf(filterShape) === 0 || channels !== info.inChannels) return undefined;
  if (sizeOf(info.outShape) === 0) return undefined;
  backend.device.params.set([
    info.batchSize,
    info.inHeight,
    info.inWidth,
    info.inChannels,
    info.outHeight,
    info.outWidth,
    info.outChannels,
    info.filterHeight,
    info.filterWidth,
    info.strideHeight,
    info.strideWidth,
    info.dilationHeight,
    info.dilationWidth,
    info.padInfo.top,
    info.padInfo.left,
  ]);
  return info;
}

function registerConvolutions(): void {
  type Forward = { x: TensorInfo; filter: TensorInfo };
  native('Conv2D', ({ inputs: { x, filter }, attrs, backend }: Call<Forward, ConvAttrs>) => {
    const info = convolution(backend, x.shape, filter.shape, attrs, [x, filter]);
    if (!info) return undefined;
    const y = backend.output(info.outShape, 'float32');
    const [from, weights] = [backend.bufferOf(x), backend.bufferOf(filter)];
    backend.device.conv2d(from, weights, backend.bufferOf(y));
    return y;
  });
  type FilterGrad = { x: TensorInfo; dy: TensorInfo };
  native('Conv2DBackpropFilter', ({ inputs: { x, dy }, attrs, backend }: Call<FilterGrad, ConvAttrs>) => {
    const shape = attrs.filterShape!;
    const info = convolution(backend, x.shape, shape, attrs, [x, dy]);
    if (!info || sizeOf(info.outShape) !== sizeOf(dy.shape)) return undefined;
    const df = backend.output(shape, 'float32');
    backend.device.conv2dFilterGrad(backend.bufferOf(x), backend.bufferOf(dy), backend.bufferOf(df));
    return df;
  });
  type InputGrad = { dy: TensorInfo; filter: TensorInfo };
  native('Conv2DBackpropInput', ({ inputs: { dy, filter }, attrs, backend }: Call<InputGrad, ConvAttrs>) => {
    const shape = attrs.inputShape!;
    const info = convolution(backend, shape, filter.shape, attrs, [dy, filter]);
    // A transposed convolution may name an input that its dy cannot come from; tfjs-backend-cpu defines that.
    if (!info || sizeOf(info.outShape) !== sizeOf(dy.shape)) return undefined;
    const dx = backend.output(shape, 'float32');
    backend.device.conv2dInputGrad(backend.bufferOf(dy), backend.bufferOf(filter), backend.bufferOf(dx));
    return dx;
  });
}

export function registerProducts(): void {
  native(
    'BatchMatMul',
    ({ inputs: { a, b }, attrs, backend }: Call<{ a: TensorInfo; b: TensorInfo }, MatMulAttrs>) =>
      matmul(backend, a, b, attrs),
  );
  native('_FusedMatMul', fusedMatMul);
  registerConvolutions();
}
