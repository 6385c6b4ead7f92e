/**
 * Rows by index: gather, its gradient, one-hot rows, and draws from rows of probabilities.
 */
import { backend_util, type DataType, type TensorInfo, util } from '@tensorflow/tfjs-core';
import { Rng } from '../../../base/random.js';
import { BYTES, DTYPE } from '../addon.js';
import { sizeOf } from '../strides.js';
import { type Call, isNumeric, native } from './kernel.js';
import { softmax } from './reductions.js';

type GatherCall = Call<{ x: TensorInfo; indices: TensorInfo }, { axis: number; batchDims?: number }>;

function gather({ inputs, attrs, backend }: GatherCall): TensorInfo | undefined {
  const { x, indices } = inputs;
  if (!isNumeric(x.dtype) || indices.dtype !== 'int32') return undefined;
  const axis = util.parseAxisParam(attrs.axis, x.shape)[0]!;
  const info = backend_util.segment_util.collectGatherOpShapeInfo(
    x as never,
    indices as never,
    axis,
    attrs.batchDims ?? 0,
  );
  const { batchSize, outerSize, dimSize, sliceSize } = info;
  const count = batchSize === 0 ? 0 : sizeOf(indices.shape) / batchSize;
  const out = backend.output(info.outputShape, x.dtype);
  const ids = [backend.bufferOf(x), backend.bufferOf(indices), backend.bufferOf(out)] as const;
  try {
    backend.device.gather(BYTES[x.dtype], ...ids, batchSize, outerSize, dimSize, sliceSize, count);
  } catch (error) {
    // Native code names the index that is out of range.
    backend.disposeData(out.dataId);
    throw error;
  }
  return out;
}

type SegmentCall = Call<{ x: TensorInfo; segmentIds: TensorInfo }, { numSegments: number }>;

/** Sums of the rows of x by id. The ids run over the leading dimensions of x. */
function segmentSum({ inputs, attrs, backend }: SegmentCall): TensorInfo | undefined {
  const { x, segmentIds } = inputs;
  if ((x.dtype !== 'float32' && x.dtype !== 'int32') || segmentIds.dtype !== 'int32') return undefined;
  // tfjs sums over the first dimension only: ids of a higher rank leave the others standing.
  if (segmentIds.shape.length !== 1) return undefined;
  const rows = sizeOf(segmentIds.shape);
  const rest = x.shape.slice(1);
  const out = backend.output([attrs.numSegments, ...rest], x.dtype);
  const ids = backend.bufferOf(segmentIds);
  const input = backend.bufferOf(x);
  backend.device.segmentSum(
    DTYPE[x.dtype],
    input,
    ids,
    backend.bufferOf(out),
    rows,
    sizeOf(rest),
    attrs.numSegments,
  );
  return out;
}

type OneHotCall = Call<
  { indices: TensorInfo },
  { dtype?: DataType; depth: number; onValue: number; offValue: number }
>;

function oneHot({ inputs: { indices }, attrs, backend }: OneHotCall): TensorInfo | undefined {
  const dtype = attrs.dtype ?? 'int32';
  if ((dtype !== 'float32' && dtype !== 'int32') || indices.dtype !== 'int32') return undefined;
  const out = backend.output([...indices.shape, attrs.depth], dtype);
  const whole = dtype === 'int32';
  backend.device.oneHot(
    DTYPE[dtype],
    backend.bufferOf(indices),
    backend.bufferOf(out),
    sizeOf(indices.shape),
    attrs.depth,
    whole ? attrs.onValue | 0 : attrs.onValue,
    whole ? attrs.offValue | 0 : attrs.offValue,
  );
  return out;
}

type DrawCall = Call<{ logits: TensorInfo }, { numSamples: number; seed: number; normalized: boolean }>;

/** Draws outcomes from rows of logits or probabilities; the seed determines the draws. */
function multinomial({ inputs: { logits }, attrs, backend }: DrawCall): TensorInfo | undefined {
  if (logits.dtype !== 'float32' || logits.shape.length !== 2) return undefined;
  const [rows, outcomes] = logits.shape as [number, number];
  const { numSamples, seed, normalized } = attrs;
  if (outcomes === 0) return undefined;
  const probabilities = normalized ? logits : softmax(backend, logits);
  const rng = new Rng(seed);
  const draws = Float32Array.from({ length: rows * numSamples }, () => rng.float());
  const uniform = backend.makeTensorInfo([rows, numSamples], 'float32', draws);
  const out = backend.output([rows, numSamples], 'int32');
  const from = backend.bufferOf(probabilities);
  backend.device.draw(from, backend.bufferOf(uniform), backend.bufferOf(out), rows, outcomes, numSamples);
  backend.disposeData(uniform.dataId);
  if (!normalized) backend.disposeData(probabilities.dataId);
  return out;
}

export function registerIndexing(): void {
  native('GatherV2', gather);
  native('UnsortedSegmentSum', segmentSum);
  native('OneHot', oneHot);
  native('Multinomial', multinomial);
}
