/**
 * bf16 on TensorFlow, behind tfjs's `float32`. tfjs has no such type, but the binding runs any TensorFlow operation
 * by name, so a tensor's record may hold a bf16 id while tfjs sees float32.
 *
 * Rules: `ReasToBf16` alone makes bf16 tensors (rounded to nearest even); clones share them; `ReasBf16MatMul`
 * multiplies with them as they are; every other kernel gets them widened to float32 and returns float32; reads widen.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { registerKernels } from '../../ops/kernels.js';
import { type NodeBackend, type OpAttribute, TF_BFLOAT16, TF_FLOAT } from './backend.js';

/** Teaches the backend bf16 storage; call once for a backend. */
export function addBf16(backend: NodeBackend): void {
  widenForOtherKernels(backend);
  widenReads(backend);
  Object.assign(backend, { isBf16: (dataId: object) => holdsBf16(backend, dataId) });
  registerKernels<NodeBackend>('tensorflow', {
    ReasToBf16: ({ x }, _, used) => toBf16(used, x),
    ReasBf16MatMul: ({ a, b }, { transposeB }, used) => multiply(used, a, b, transposeB),
  });
}

function holdsBf16({ tensorMap }: NodeBackend, dataId: object): boolean {
  return tensorMap.has(dataId) && tensorMap.get(dataId).dtype === TF_BFLOAT16;
}

function toBf16(backend: NodeBackend, x: TensorInfo): TensorInfo {
  const dataId = {};
  const id = cast(backend, backend.getInputTensorIds([x])[0]!, TF_FLOAT, TF_BFLOAT16);
  backend.tensorMap.set(dataId, { shape: x.shape, dtype: TF_BFLOAT16, id, values: null, refCount: 1 });
  return { dataId, shape: x.shape, dtype: 'float32' };
}

/**
 * a (m, k) float32 times b, a bf16 matrix, (k, n) or with `transposeB` (n, k). a is rounded to bf16; TensorFlow
 * accumulates in float32 and rounds the product to bf16 once, since it has no product of bf16 matrices with a
 * float32 result (BatchMatMulV3 has the attribute, but kernels only for 8-bit types); the result is float32 again.
 */
function multiply(backend: NodeBackend, a: TensorInfo, b: TensorInfo, transposeB: boolean): TensorInfo {
  const { binding } = backend;
  const [aId, bId] = backend.getInputTensorIds([a, b]) as [number, number];
  const rounded = holdsBf16(backend, a.dataId) ? aId : cast(backend, aId, TF_FLOAT, TF_BFLOAT16);
  let product: number | undefined;
  try {
    const attributes = [
      type(backend, 'T', TF_BFLOAT16),
      flag(backend, 'transpose_a', false),
      flag(backend, 'transpose_b', transposeB),
    ];
    product = binding.executeOp('MatMul', attributes, [rounded, bId], 1)[0]!.id;
    const shape = [a.shape[0]!, b.shape[transposeB ? 0 : 1]!];
    const dataId = {};
    const id = cast(backend, product, TF_BFLOAT16, TF_FLOAT);
    backend.tensorMap.set(dataId, { shape, dtype: TF_FLOAT, id, values: null, refCount: 1 });
    return { dataId, shape, dtype: 'float32' };
  } finally {
    if (rounded !== aId) binding.deleteTensor(rounded);
    if (product !== undefined) binding.deleteTensor(product);
  }
}

function widenForOtherKernels(backend: NodeBackend): void {
  const single = backend.executeSingleOutput;
  const multiple = backend.executeMultipleOutputs;
  backend.executeSingleOutput = function (name, attributes, inputs) {
    return withWidened(this, inputs, (wide) => single.call(this, name, attributes, wide));
  };
  backend.executeMultipleOutputs = function (name, attributes, inputs, outputs) {
    return withWidened(this, inputs, (wide) => multiple.call(this, name, attributes, wide, outputs));
  };
}

/** Runs `work` on the inputs, bf16 ones replaced by float32 copies that live as long as it runs. */
function withWidened<T>(backend: NodeBackend, inputs: TensorInfo[], work: (wide: TensorInfo[]) => T): T {
  if (!inputs.some(({ dataId }) => dataId !== undefined && holdsBf16(backend, dataId))) return work(inputs);
  const copies: object[] = [];
  const wide = inputs.map((input) => {
    if (input.dataId === undefined || !holdsBf16(backend, input.dataId)) return input;
    const { shape, id } = backend.tensorMap.get(input.dataId);
    const dataId = {};
    const copy = cast(backend, id, TF_BFLOAT16, TF_FLOAT);
    backend.tensorMap.set(dataId, { shape, dtype: TF_FLOAT, id: copy, values: null, refCount: 1 });
    copies.push(dataId);
    return { dataId, shape: input.shape, dtype: input.dtype };
  });
  try {
    return work(wide);
  } finally {
    for (const dataId of copies) backend.disposeData(dataId);
  }
}

function widenReads(backend: NodeBackend): void {
  const read = backend.readSync;
  backend.readSync = function (dataId) {
    if (!holdsBf16(this, dataId)) return read.call(this, dataId);
    const id = cast(this, this.tensorMap.get(dataId).id, TF_BFLOAT16, TF_FLOAT);
    try {
      return this.binding.tensorDataSync(id);
    } finally {
      this.binding.deleteTensor(id);
    }
  };
}

function cast(backend: NodeBackend, id: number, from: number, to: number): number {
  const attributes = [
    type(backend, 'SrcT', from),
    type(backend, 'DstT', to),
    flag(backend, 'Truncate', false),
  ];
  return backend.binding.executeOp('Cast', attributes, [id], 1)[0]!.id;
}

function type({ binding }: NodeBackend, name: string, value: number): OpAttribute {
  return { name, type: binding.TF_ATTR_TYPE, value };
}

function flag({ binding }: NodeBackend, name: string, value: boolean): OpAttribute {
  return { name, type: binding.TF_ATTR_BOOL, value };
}
