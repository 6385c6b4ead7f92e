/**
 * Dropout's multipliers on TensorFlow, which has no generator with our bits: our addon draws them on the CPU (the
 * composed form does it in JavaScript, some hundred times slower), and TensorFlow multiplies. Nothing is kept for
 * the backward pass, which draws the same ones again.
 */
import { registerKernel, type TensorInfo, util } from '@tensorflow/tfjs-core';
import { DTYPE, type NativeDevice } from '../native/addon.js';
import { type DropoutArgs, NONE } from '../native/fusedCall.js';
import type { NodeBackend } from './backend.js';

/** The one function of src/native/cpu/fused_dropout.cc. */
interface DropoutAddon {
  fusedDropout(
    x: number,
    addend: number,
    y: number,
    rows: number,
    columns: number,
    ...dropout: DropoutArgs
  ): void;
}

/** Registers ReasDropout, drawn by the given device of our addon. */
export function addDropout(device: NativeDevice): void {
  registerKernel({
    kernelName: 'ReasDropout',
    backendName: 'tensorflow',
    kernelFunc: ({ inputs, attrs, backend }) =>
      dropout(backend as NodeBackend, device, inputs.x as TensorInfo, attrs!.dropout as DropoutArgs),
  });
}

function dropout(backend: NodeBackend, device: NativeDevice, x: TensorInfo, key: DropoutArgs): TensorInfo {
  const mask = {
    dataId: backend.write(multipliers(device, x.shape, key), x.shape, 'float32'),
    shape: x.shape,
    dtype: 'float32' as const,
  };
  try {
    const type = { name: 'T', type: backend.binding.TF_ATTR_TYPE, value: backend.binding.TF_FLOAT };
    return backend.executeSingleOutput('Mul', [type], [x, mask]);
  } finally {
    backend.disposeData(mask.dataId);
  }
}

/** 0 or 1 / (1 - rate) for every element of a tensor seen as (rows, last axis). */
function multipliers(device: NativeDevice, shape: number[], key: DropoutArgs): Float32Array {
  const values = new Float32Array(util.sizeFromShape(shape));
  if (values.length === 0) return values;
  const columns = shape.at(-1) ?? 1;
  const id = device.allocate(values.byteLength);
  try {
    device.fill(DTYPE.float32, id, values.length, 1);
    const { fusedDropout } = device.raw as DropoutAddon;
    fusedDropout(id, NONE, id, values.length / columns, columns, ...key);
    device.read(id, values);
  } finally {
    device.release(id);
  }
  return values;
}
