import type * as tf from '@tensorflow/tfjs-core';

/** One call of a fused kernel (fused.ts): the addon's functions it may make, and its tensors as buffers. */

/** A buffer's number on the native device; NONE leaves an operand or a result out. */
type Id = number;
export const NONE: Id = -1;

/** Dropout as five numbers: rate, threshold, seed, step, call (dropoutNumbers in src/ops/dropout.ts). */
export type DropoutArgs = [number, number, number, number, number];

/** What fused_*.cc of src/native/cpu and src/native/cuda export; argument order is documented there. */
interface FusedAddon {
  fusedDropout(x: Id, addend: Id, y: Id, rows: number, columns: number, ...dropout: DropoutArgs): void;
  fusedGelu(form: number, x: Id, y: Id, n: number): void;
  fusedGeluGrad(form: number, dy: Id, x: Id, dx: Id, n: number): void;
  /** buffers: gate, up, y */
  fusedGatedGelu(form: number, ...args: [Id, Id, Id, rows: number, columns: number, ...DropoutArgs]): void;
  /** buffers: dy, gate, up, dgate, dup */
  fusedGatedGeluGrad(
    form: number,
    ...args: [Id, Id, Id, Id, Id, rows: number, columns: number, ...DropoutArgs]
  ): void;
  fusedLayerNorm(x: Id, weight: Id, bias: Id, y: Id, rows: number, d: number, eps: number): void;
  fusedLayerNormGradInput: NormGradInput;
  fusedLayerNormGradParameters(dy: Id, x: Id, dw: Id, db: Id, rows: number, d: number, eps: number): void;
  fusedRmsNorm(x: Id, weight: Id, y: Id, inverses: Id, rows: number, d: number, eps: number): void;
  /** buffers: dy, y, weight, inverses, addend, dx; on a device with bf16 activations */
  fusedRmsNormGradFromResult(...args: [Id, Id, Id, Id, Id, Id, rows: number, d: number]): void;
  fusedRmsNormGradInput: NormGradInput;
  fusedRmsNormGradWeight(dy: Id, x: Id, dw: Id, rows: number, d: number, eps: number): void;
  /** buffers: x, weight, bias, A, B, y */
  fusedLinear(...args: [Id, Id, Id, Id, Id, Id, ...LinearArgs, addend: Id]): void;
  /** buffers: dy, weight, A, B, dx; addend may be dx */
  fusedLinearGradInput(...args: [Id, Id, Id, Id, Id, ...LinearArgs, addend: Id]): void;
  /** buffers: dy, x, A, B, dA, dB */
  fusedLinearGradLora(...args: [Id, Id, Id, Id, Id, Id, ...LinearArgs]): void;
  fusedAttention(...args: [...AttentionArgs, out: Id]): void;
  fusedAttentionGrad(...args: [...AttentionArgs, dy: Id, dq: Id, dk: Id, dv: Id, dbias: Id]): void;
  fusedCrossEntropy(
    hidden: Id,
    weight: Id,
    labels: Id,
    loss: Id,
    gradient: Id,
    ...sizes: [N: number, V: number, d: number, chunkRows: number]
  ): void;
  fusedCrossEntropyGradWeight(
    dy: Id,
    hidden: Id,
    weight: Id,
    labels: Id,
    dweight: Id,
    ...sizes: [N: number, V: number, d: number, chunkRows: number]
  ): void;
  fusedEmbedding(table: Id, ids: Id, y: Id, n: number, rows: number, d: number): void;
  fusedEmbeddingGrad(dy: Id, ids: Id, dtable: Id, n: number, rows: number, d: number): void;
  fusedAdamW(
    buffers: Int32Array,
    sizes: Float64Array,
    rates: Float64Array,
    beta1: number,
    beta2: number,
    eps: number,
    step: number,
    gradScale: number,
  ): void;
  fusedGlobalNorm(buffers: Int32Array, sizes: Float64Array, result: Id): void;
}

type NormGradInput = (
  dy: Id,
  x: Id,
  weight: Id,
  addend: Id,
  dx: Id,
  rows: number,
  d: number,
  eps: number,
) => void;

export type LinearArgs = [
  rows: number,
  inputs: number,
  outputs: number,
  r: number,
  scale: number,
  ...DropoutArgs,
];
export type AttentionArgs = [
  q: Id,
  k: Id,
  v: Id,
  bias: Id,
  keyMask: Id,
  batch: number,
  heads: number,
  Lq: number,
  Lk: number,
  D: number,
  Dv: number,
  biasHeads: number,
  scale: number,
  ...DropoutArgs,
  bf16: number,
  packed: number,
  kept: Id,
];

/** What the kernels need of the backend (src/engine/native/backend.ts). */
export interface FusedBackend {
  /** The device; `raw` are the addon's exports. */
  readonly device: { readonly raw: unknown; readonly bf16Activations: boolean };
  bufferOf(info: tf.TensorInfo): Id;
  output(shape: number[], dtype: 'float32' | 'int32'): tf.TensorInfo;
  /** The same, stored in bf16 where the device has that. */
  outputBf16(shape: number[]): tf.TensorInfo;
  refCount(dataId: object): number;
  disposeData(dataId: object): boolean;
}

export type Inputs = Record<string, tf.TensorInfo>;
export type Attrs = Record<string, number | boolean | string | number[] | number[][]>;

/** One kernel call: names to buffers, and fresh results. */
export class Call {
  private readonly made: tf.TensorInfo[] = [];

  constructor(
    readonly backend: FusedBackend,
    readonly inputs: Inputs,
    readonly attrs: Attrs,
  ) {}

  get addon(): FusedAddon {
    return this.backend.device.raw as FusedAddon;
  }

  tensor(name: string): tf.TensorInfo {
    const info = this.inputs[name];
    if (info === undefined) throw new Error(`fused kernel: input ${name} is missing`);
    return info;
  }

  /** The buffer of an input, NONE when it was left out. */
  id(name: string): Id {
    const info = this.inputs[name];
    return info === undefined ? NONE : this.backend.bufferOf(info);
  }

  /** Size of one axis of an input. */
  size(name: string, axis: number): number {
    return this.tensor(name).shape.at(axis) as number;
  }

  number(name: string): number {
    return this.attrs[name] as number;
  }

  get bf16(): boolean {
    return this.attrs.bf16 === true;
  }

  /** Whether the device stores activations in 16 bits at all. */
  get has16Bits(): boolean {
    return this.backend.device.bf16Activations;
  }

  get dropout(): DropoutArgs {
    return this.attrs.dropout as DropoutArgs;
  }

  /** bf16: its readers would round it so, and it may be stored so. */
  result(shape: number[], bf16 = false): { info: tf.TensorInfo; id: Id } {
    const info = bf16 ? this.backend.outputBf16(shape) : this.backend.output(shape, 'float32');
    this.made.push(info);
    return { info, id: this.backend.bufferOf(info) };
  }

  /** A result that only kernels read: so many words. */
  words(count: number): { info: tf.TensorInfo; id: Id } {
    const info = this.backend.output([count], 'int32');
    this.made.push(info);
    return { info, id: this.backend.bufferOf(info) };
  }

  /** Frees the results of a call that failed. */
  abandon(): void {
    for (const info of this.made) this.backend.disposeData(info.dataId);
  }

  like(name: string, bf16 = false): { info: tf.TensorInfo; id: Id } {
    return this.result(this.tensor(name).shape, bf16);
  }
}
