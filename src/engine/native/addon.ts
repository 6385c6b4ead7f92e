/**
 * The seam between TypeScript and native code: all that the addon exports, as typed functions over integer buffer ids.
 *
 * Every device exports the same functions: the CPU's are the addon's own exports, the GPU's are in its object `cuda`
 * (load.ts). Work may be asynchronous until `read`. TypeScript allocates every output and passes its id in; native code
 * keeps no shapes. Shapes and strides of a call go through `params`, the fields of a fused call through `numbers`,
 * typed arrays that both sides see. Native code checks ids and sizes and throws an Error; the caller checks shapes
 * first.
 */
import type { FusedName } from './entries.js';

export type BufferId = number;

/** Element types of buffers, by their numbers: Dtype of src/native/binding.h. */
export const DTYPE = { float32: 0, int32: 1, bool: 2 } as const;
export type NumericDtype = keyof typeof DTYPE;
export const BYTES: Record<NumericDtype, 1 | 4> = { float32: 4, int32: 4, bool: 1 };

export type UnaryOp =
  | ('abs' | 'neg' | 'exp' | 'log' | 'sqrt' | 'rsqrt' | 'square' | 'reciprocal' | 'relu' | 'sigmoid' | 'tanh')
  | ('erf' | 'floor' | 'ceil' | 'sign' | 'step' | 'clip' | 'isFinite' | 'isNan' | 'isInf' | 'logicalNot');
export type BinaryOp =
  | ('add' | 'sub' | 'mul' | 'div' | 'maximum' | 'minimum' | 'squaredDifference' | 'pow' | 'mod' | 'floorDiv')
  | ('equal' | 'notEqual' | 'greater' | 'greaterEqual' | 'less' | 'lessEqual' | 'logicalAnd' | 'logicalOr');
export type ReduceOp = 'sum' | 'max' | 'min' | 'prod' | 'any' | 'all' | 'argMax' | 'argMin';

/** Numbers of the operations, as the addon counts them. */
export interface Codes {
  readonly unary: Readonly<Record<UnaryOp, number>>;
  readonly binary: Readonly<Record<BinaryOp, number>>;
  readonly reduce: Readonly<Record<ReduceOp, number>>;
}

/**
 * Place of a field of a fused call in `numbers`, and its kind: operand, optional, number, or the names of an
 * enumeration.
 */
export interface Field {
  readonly name: string;
  readonly kind: string;
  readonly at: number;
}

export interface DeviceMemory {
  /** Bytes of live buffers, rounded up to their blocks. */
  inUse: number;
  /** Bytes kept for reuse. */
  cached: number;
  /** Highest `inUse` since the start or the last resetPeak. */
  peak: number;
  /** Live buffers. */
  buffers: number;
  /** Blocks taken from the system so far. */
  systemCalls: number;
}

type Values = Float32Array | Int32Array | Uint8Array | Uint16Array;

/**
 * The kernels of src/ops/kernels.ts that a device computes: each takes the fields that lie in `numbers`, where its
 * `layouts` says (calls.ts). adamW takes arrays beside them: four buffers a tensor, sizes, two rates a tensor;
 * globalNorm buffers and sizes. attentionKept and causalAttentionKept return how many words attention would save for backward.
 */
type FusedFunctions = {
  readonly [Name in Exclude<
    FusedName,
    'adamW' | 'globalNorm' | 'attentionKept' | 'causalAttentionKept'
  >]?: () => void;
} & {
  readonly adamW?: (buffers: Int32Array, sizes: Float64Array, rates: Float64Array) => void;
  readonly globalNorm?: (buffers: Int32Array, sizes: Float64Array) => void;
  readonly attentionKept?: () => number;
  readonly causalAttentionKept?: () => number;
};

/** What a device exports. Sizes are element counts; offsets are elements but for `read`, whose offset is in bytes. */
export interface NativeDevice extends FusedFunctions {
  /** Shapes and strides of the next call. */
  readonly params: Int32Array;
  /** Fields of the next fused call. */
  readonly numbers: Float64Array;
  /** The fields that each fused function reads. */
  readonly layouts: Readonly<Partial<Record<FusedName, readonly Field[]>>>;
  readonly codes: Codes;
  /** Whether its operations also read and write activations stored in bf16, besides weights. */
  readonly bf16Activations: boolean;

  /** A buffer with undefined contents. Throws an Error that says requested and held bytes when memory is out. */
  allocate(bytes: number): BufferId;
  release(id: BufferId, ignoreUnknown?: boolean): void;
  write(id: BufferId, values: Values): void;
  read(id: BufferId, into: Values, byteOffset?: number): void;
  memory(): DeviceMemory;
  resetPeak(): void;
  /** Returns cached memory to the system. */
  trim(): void;
  /** Releases every buffer. */
  clear(): void;
  /** A new buffer with the n float32 elements of `id` rounded to bf16; reading it gives float32 again. */
  castStorage(id: BufferId, n: number): BufferId;
  /** A buffer for n bf16 elements, contents undefined; write() takes their bits, reading it gives float32. */
  allocateBf16(n: number): BufferId;
  /** Waits for all work; on the CPU there is none to wait for. */
  synchronize(): void;
  /** Switches rounding of the operands of large f32 products to f16; absent on a device that gains nothing by it. */
  halfProducts?(on: boolean): void;

  unary(op: number, dtype: number, x: BufferId, y: BufferId, n: number, p: number, q: number): void;
  /** params: dims[rank], strides of a, strides of b. out is dense. */
  binary(op: number, dtype: number, a: BufferId, b: BufferId, out: BufferId, rank: number): void;
  /** params: dims[rank], strides of from, strides of to. */
  copyStrided(
    elementBytes: number,
    from: BufferId,
    fromOffset: number,
    to: BufferId,
    toOffset: number,
    rank: number,
  ): void;
  fill(dtype: number, out: BufferId, n: number, value: number): void;
  range(dtype: number, out: BufferId, n: number, start: number, step: number): void;
  cast(from: number, to: number, x: BufferId, y: BufferId, n: number): void;
  select(
    elementBytes: number,
    condition: BufferId,
    a: BufferId,
    b: BufferId,
    out: BufferId,
    n: number,
    inner: number,
  ): void;
  /** (outer, reduced, inner) to (outer, inner); `scale` multiplies a float sum. */
  reduce(
    op: number,
    dtype: number,
    x: BufferId,
    y: BufferId,
    outer: number,
    reduced: number,
    inner: number,
    scale: number,
  ): void;
  softmax(x: BufferId, y: BufferId, rows: number, length: number): void;
  cumsum(
    dtype: number,
    x: BufferId,
    y: BufferId,
    rows: number,
    length: number,
    exclusive: number,
    reverse: number,
  ): void;
  topK(x: BufferId, values: BufferId, indices: BufferId, rows: number, length: number, k: number): void;
  /** x (batch, outer, dim, slice), indices (batch, count), out (batch, outer, count, slice). */
  gather(
    elementBytes: number,
    x: BufferId,
    indices: BufferId,
    out: BufferId,
    batch: number,
    outer: number,
    dim: number,
    slice: number,
    count: number,
  ): void;
  segmentSum(
    dtype: number,
    x: BufferId,
    ids: BufferId,
    out: BufferId,
    rows: number,
    inner: number,
    segments: number,
  ): void;
  oneHot(
    dtype: number,
    indices: BufferId,
    out: BufferId,
    n: number,
    depth: number,
    on: number,
    off: number,
  ): void;
  /** out (rows, samples): outcomes drawn from rows of probabilities by uniform numbers (rows, samples). */
  draw(
    probabilities: BufferId,
    uniform: BufferId,
    out: BufferId,
    rows: number,
    outcomes: number,
    samples: number,
  ): void;
  /** c = alpha * op(a) op(b) [+ c] for `batch` dense matrices; strides between items, 0 to share an operand. */
  matmul(
    a: BufferId,
    b: BufferId,
    c: BufferId,
    batch: number,
    m: number,
    n: number,
    k: number,
    transA: number,
    transB: number,
    strideA: number,
    strideB: number,
    strideC: number,
    alpha: number,
    accumulate: number,
  ): void;
  /** params: the fifteen sizes of ConvSizes in src/native/cpu/ops/conv_args.h. */
  conv2d(x: BufferId, filter: BufferId, y: BufferId): void;
  conv2dFilterGrad(x: BufferId, dy: BufferId, dfilter: BufferId): void;
  conv2dInputGrad(dy: BufferId, filter: BufferId, dx: BufferId): void;
}

/** The CPU: kernels for several instruction sets, on threads. */
export interface CpuDevice extends NativeDevice {
  threads(): number;
  setThreads(threads: number): void;
  isa(): string;
  setIsa(name: string): void;
  bestIsa(): string;
  readonly cuda: CudaExports;
}

/** The GPU in use and the libraries found for it. */
export interface CudaInfo {
  name: string;
  /** Its number among `count` GPUs. */
  index: number;
  count: number;
  /** Compute capability, such as 9.0. */
  capability: string;
  /** Architecture that kernels are compiled for, such as sm_90. */
  architecture: string;
  /** Bytes of the whole device; free ones count what other processes use. */
  totalMemory: number;
  freeMemory: number;
  /** Highest CUDA version that the driver supports. */
  driver: string;
  nvrtc: string;
  nvrtcPath: string;
  cublasLt: string;
  cublasLtPath: string;
  /** Folder of compiled kernels. */
  kernelCache: string;
  /** Kernel sources compiled by this process, and not found in the cache. */
  compiled: number;
}

/** An NVIDIA GPU. */
export interface CudaDevice extends NativeDevice {
  info(): CudaInfo;
  /** `staging`: bytes of chunks for uploads; `peakReserved`: the most taken of the GPU. */
  memory(): DeviceMemory & { staging: number; peakReserved: number; limit: number };
  /** Most bytes to take of the device; 0: all it has. */
  setMemoryLimit(bytes: number): void;
}

/** The GPU's exports before one is opened. */
interface CudaExports extends CudaDevice {
  /** Once a process; again to change the limit. */
  open(device: number, memoryLimit: number): void;
  gpuName(device: number): string;
  /** Names of the kernels' sources, and bytes of one compiled; needs NVRTC and no GPU. */
  sources(): string[];
  compile(source: string, capability: number): number;
}

export interface CudaOptions {
  /** Which GPU; default REASVQA_GPU, else 0. */
  device?: number;
  /** Most bytes of its memory to use; default all. */
  memoryLimit?: number;
}
