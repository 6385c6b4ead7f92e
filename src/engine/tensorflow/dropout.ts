/**
 * Dropout's multipliers on TensorFlow, which has no generator with our bits: our addon draws them on the CPU (the
 * composed form does it in JavaScript, some hundred times slower), and TensorFlow multiplies. Nothing is kept for
 * the backward pass, which draws the same ones again.
 */
import { type TensorInfo, util } from '@tensorflow/tfjs-core';
import { type Dropout, registerKernels } from '../../ops/kernels.js';
import { DTYPE, type NativeDevice } from '../native/addon.js';
import { type Fills, fusedCalls, type Operand } from '../native/calls.js';
import type { NodeBackend } from './backend.js';

/** Registers ReasDropout, drawn by the given device of our addon. */
export function addDropout(device: NativeDevice): void {
  const calls = fusedCalls(device, ({ id }: Operand) => id);
  registerKernels<NodeBackend>('tensorflow', {
    ReasDropout: ({ x, addend }, { dropout }, backend) => {
      const mask = maskOf(backend, x, multipliers(device, calls, x.shape, dropout));
      try {
        const dropped = run(backend, 'Mul', [x, mask]);
        if (!addend) return dropped;
        try {
          return run(backend, 'AddV2', [addend, dropped]);
        } finally {
          backend.disposeData(dropped.dataId);
        }
      } finally {
        backend.disposeData(mask.dataId);
      }
    },
  });
}

function maskOf(backend: NodeBackend, { shape }: TensorInfo, values: Float32Array): TensorInfo {
  return { dataId: backend.write(values, shape, 'float32'), shape, dtype: 'float32' };
}

function run(backend: NodeBackend, operation: string, inputs: TensorInfo[]): TensorInfo {
  const type = { name: 'T', type: backend.binding.TF_ATTR_TYPE, value: backend.binding.TF_FLOAT };
  return backend.executeSingleOutput(operation, [type], inputs);
}

/** 0 or 1 / (1 - rate) for every element of a tensor seen as (rows, last axis). */
function multipliers(
  device: NativeDevice,
  calls: Fills<Operand>,
  shape: number[],
  dropout: Dropout,
): Float32Array {
  const values = new Float32Array(util.sizeFromShape(shape));
  if (values.length === 0) return values;
  const ones = { id: device.allocate(values.byteLength), shape };
  try {
    device.fill(DTYPE.float32, ones.id, values.length, 1);
    calls.dropout({ x: ones }, { dropout, bf16: false }, { y: ones });
    device.dropout!();
    device.read(ones.id, values);
  } finally {
    device.release(ones.id);
  }
  return values;
}
