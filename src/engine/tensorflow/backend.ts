/** The parts of tfjs-node's backend that we use; it ships no types that fit `nodenext`. */
import type { KernelBackend, TensorInfo } from '@tensorflow/tfjs-core';

/** Numbers of TensorFlow's C API (tensorflow/c/tf_datatype.h). */
export const TF_FLOAT = 1;
export const TF_BFLOAT16 = 14;

export interface OpAttribute {
  name: string;
  type: number;
  value: number | boolean | string | number[];
}

/** One output of an operation that the binding ran. */
interface OpOutput {
  id: number;
  shape: number[];
  dtype: number;
}

/** The C++ binding: TensorFlow's eager API over tensor ids. */
interface Binding {
  readonly TF_Version: string;
  readonly TF_FLOAT: number;
  readonly TF_ATTR_TYPE: number;
  readonly TF_ATTR_BOOL: number;
  executeOp(name: string, attributes: OpAttribute[], inputs: number[], outputs: number): OpOutput[];
  createTensor(shape: number[], dtype: number, values: Float32Array | Int32Array | Uint8Array): number;
  deleteTensor(id: number): void;
  tensorDataSync(id: number): Float32Array;
}

/** The backend's record of a tensor; `id` is valid once `values` is null. */
interface TensorRecord {
  shape: number[];
  dtype: number;
  id: number;
  values: Float32Array | Int32Array | Uint8Array | null;
  refCount: number;
}

export interface NodeBackend extends KernelBackend {
  readonly binding: Binding;
  readonly isUsingGpuDevice: boolean;
  readonly tensorMap: {
    has(dataId: object): boolean;
    get(dataId: object): TensorRecord;
    set(dataId: object, record: TensorRecord): void;
  };
  /** TensorFlow ids of the inputs; values that were waiting on the host are handed over first. */
  getInputTensorIds(tensors: TensorInfo[]): number[];
  executeSingleOutput(name: string, attributes: OpAttribute[], inputs: TensorInfo[]): TensorInfo;
  executeMultipleOutputs(
    name: string,
    attributes: OpAttribute[],
    inputs: TensorInfo[],
    outputs: number,
  ): TensorInfo[];
  readSync(dataId: object): Float32Array;
}
