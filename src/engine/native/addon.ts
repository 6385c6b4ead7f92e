/**
 * The seam between TypeScript and native code, and the only file that loads the .node: typed functions over integer
 * buffer ids.
 *
 * Every device exports the same functions: the CPU's are the addon's own exports, the GPU's are in its object `cuda`.
 * Work may be asynchronous until `read`. TypeScript allocates every output and passes its id in; native code keeps no shapes.
 * Shapes and strides of a call go through `params`, one Int32Array that both sides see. Native code checks ids and
 * sizes and throws an Error; who calls checks shapes first.
 */
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EngineError, isDeviceError, messageOf } from '../../errors.js';

export type BufferId = number;

/** Element types of buffers; the numbers are those of src/native/binding.h. */
export const DTYPE = { float32: 0, int32: 1, bool: 2 } as const;
export type NumericDtype = keyof typeof DTYPE;
export const BYTES: Record<NumericDtype, 1 | 4> = { float32: 4, int32: 4, bool: 1 };

/** In the order of UnaryOp in src/native/cpu/unary.h. */
export const UNARY = enumerate(
  'abs,neg,exp,log,sqrt,rsqrt,square,reciprocal,relu,sigmoid,tanh,erf,floor,ceil,sign,step,clip,isFinite,isNan,isInf,logicalNot',
);
/** In the order of BinaryOp in src/native/cpu/binary.h. */
export const BINARY = enumerate(
  'add,sub,mul,div,maximum,minimum,squaredDifference,pow,mod,floorDiv,equal,notEqual,greater,greaterEqual,less,lessEqual,logicalAnd,logicalOr',
);
/** In the order of ReduceOp in src/native/cpu/reduce.h. */
export const REDUCE = enumerate('sum,max,min,prod,any,all,argMax,argMin');

function enumerate(names: string): Record<string, number> {
  return Object.fromEntries(names.split(',').map((name, index) => [name, index]));
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

/** What a device exports. Sizes are element counts; offsets are elements but for `read`, whose offset is in bytes. */
export interface NativeDevice {
  /** The exports themselves, for functions that another part adds to the addon (src/ops). */
  readonly raw: unknown;
  /** Shapes and strides of the next call. */
  readonly params: Int32Array;
  /** Whether its operations also give and take activations stored in bf16, besides weights. */
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
  /** Whether operands of large products of f32 are rounded to f16 from now on; a device that gains nothing by it has no such function. */
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
  /** params: the fifteen sizes of Conv in src/native/cpu/conv.h. */
  conv2d(x: BufferId, filter: BufferId, y: BufferId): void;
  conv2dFilterGrad(x: BufferId, dy: BufferId, dfilter: BufferId): void;
  conv2dInputGrad(dy: BufferId, filter: BufferId, dx: BufferId): void;
}

/** The processor: kernels for several instruction sets, on threads. */
export interface CpuDevice extends NativeDevice {
  threads(): number;
  setThreads(threads: number): void;
  isa(): string;
  setIsa(name: string): void;
  bestIsa(): string;
}

/** What is known about the GPU in use and the libraries found for it. */
export interface CudaInfo {
  name: string;
  /** Its number among `count` GPUs. */
  index: number;
  count: number;
  /** Compute capability, such as 9.0. */
  capability: string;
  /** What kernels are compiled for, such as sm_90. */
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

export interface CudaOptions {
  /** Which GPU; default REASVQA_GPU, else 0. */
  device?: number;
  /** Most bytes of its memory to use; default all. */
  memoryLimit?: number;
}

/** 8 dimensions with three rows of strides and room to spare. */
const PARAMS = 64;

/** Builds the addon, here or in an installed package. */
const BUILD_TOOL = fileURLToPath(new URL('../../../tools/build-addon.mjs', import.meta.url));

let device: CpuDevice | undefined;
let cuda: CudaDevice | undefined;
let failure: EngineError | undefined;
let found: string | undefined;

/** Where the addon is: REASVQA_ADDON, where {@link useAddon} says, or build/Release of the repository. */
export function addonPath(): string {
  return (
    process.env.REASVQA_ADDON ||
    found ||
    fileURLToPath(new URL('../../../build/Release/reasvqa.node', import.meta.url))
  );
}

/** Says where the addon is, or why there is none; before it is first loaded. */
export function useAddon(addon: string | EngineError): void {
  if (typeof addon === 'string') found = addon;
  else failure = addon;
}

/** The command that builds the addon anew. */
export function buildCommand(): string {
  const near = relative(process.cwd(), BUILD_TOOL);
  const path = near.startsWith('..') ? BUILD_TOOL : near;
  return `node ${path.includes(' ') ? `"${path}"` : path} --force`;
}

const buildHint = () => `build it with: ${buildCommand()}`;

/**
 * The CPU device; loaded once a process.
 * @throws EngineError with the reason (not built, half built, built for another Node or CPU, bad REASVQA_THREADS or
 *   REASVQA_ISA) and what to do; the same error on every call.
 */
export function nativeDevice(): CpuDevice {
  if (device) return device;
  if (failure) throw failure;
  try {
    device = loadAddon(addonPath());
    return device;
  } catch (error) {
    failure = error instanceof EngineError ? error : new EngineError(messageOf(error));
    throw failure;
  }
}

/** True when the addon has been loaded. */
export function isLoaded(): boolean {
  return device !== undefined;
}

/** No NVIDIA driver is installed: nothing to report on a machine without a GPU. */
export class NoDriverError extends EngineError {}

/**
 * The GPU; opened once a process, with its memory limit set at each call.
 * @throws EngineError with what is missing (driver, its version, NVRTC, cuBLASLt, the GPU asked for) and how to get it
 */
export function cudaDevice(options: CudaOptions = {}): CudaDevice {
  const exports = cudaExports();
  asked(() => exports.open(options.device ?? gpuNumber(), options.memoryLimit ?? 0));
  cuda ??= Object.assign(exports, { raw: exports, params: nativeDevice().params, bf16Activations: true });
  return cuda;
}

/** Name of the GPU that {@link cudaDevice} would open; takes none of its memory. @throws EngineError as there. */
export function gpuName(): string {
  return asked(() => cudaExports().gpuName(gpuNumber()));
}

interface CudaExports extends CudaDevice {
  open(device: number, limit: number): void;
  gpuName(device: number): string;
}

const cudaExports = () => (nativeDevice().raw as { cuda: CudaExports }).cuda;

function asked<T>(ask: () => T): T {
  try {
    return ask();
  } catch (error) {
    if (!isDeviceError(error)) throw error;
    const noDriver = (error as { code?: string }).code === 'REASVQA_NO_DRIVER';
    throw new (noDriver ? NoDriverError : EngineError)(messageOf(error), { cause: error });
  }
}

/** The GPU that was opened, if one was. */
export function openCuda(): CudaDevice | undefined {
  return cuda;
}

function gpuNumber(): number {
  const given = process.env.REASVQA_GPU;
  if (!given) return 0;
  if (!/^\d{1,3}$/.test(given)) {
    throw new EngineError(`REASVQA_GPU=${given}: expected the number of a GPU, from 0`);
  }
  return Number(given);
}

/** Loads the addon file and prepares the parameter block; throws EngineError. */
export function loadAddon(path: string): CpuDevice {
  if (!existsSync(path)) {
    throw new EngineError(`native addon not built (${path} does not exist): ${buildHint()}`);
  }
  if (process.platform === 'linux') checkElf(path);
  let loaded: Record<string, unknown>;
  try {
    loaded = createRequire(import.meta.url)(path) as Record<string, unknown>;
  } catch (error) {
    throw loadError(path, error);
  }
  const missing = ['setParams', 'allocate', 'matmul', 'reduce'].filter(
    (name) => typeof loaded[name] !== 'function',
  );
  if (missing.length > 0) {
    throw new EngineError(`${path} lacks ${missing.join(', ')} (built from other sources): ${buildHint()}`);
  }
  const params = new Int32Array(PARAMS);
  (loaded.setParams as (params: Int32Array) => void)(params);
  const synchronize = (): void => undefined;
  const device = { raw: loaded, params, bf16Activations: false, synchronize };
  return Object.assign(loaded, device) as unknown as CpuDevice;
}

/** ELF machine numbers of the processors Node runs on. */
const ELF_MACHINE: Record<string, number> = {
  x64: 62,
  arm64: 183,
  riscv64: 243,
  ppc64: 21,
  s390x: 22,
  loong64: 258,
};

/**
 * Looks at the ELF header before the loader does: a library that was cut short would end the process with SIGBUS as soon
 * as its missing pages are touched. The section table is the last thing in the file.
 */
function checkElf(path: string): void {
  const header = Buffer.alloc(64);
  const file = openSync(path, 'r');
  let length: number;
  try {
    readSync(file, header, 0, 64, 0);
    length = fstatSync(file).size;
  } finally {
    closeSync(file);
  }
  const sections = Number(header.readBigUInt64LE(40)) + header.readUInt16LE(58) * header.readUInt16LE(60);
  const machine = ELF_MACHINE[process.arch];
  let problem: string | undefined;
  if (header.toString('latin1', 0, 4) !== '\x7fELF' || header[4] !== 2) problem = 'no 64-bit ELF library';
  else if (machine !== undefined && header.readUInt16LE(18) !== machine) problem = `not for ${process.arch}`;
  else if (sections > length) problem = `cut short: ${length} of ${sections} bytes`;
  if (problem) {
    throw new EngineError(
      `native addon ${path} is damaged, half built or built for another machine (${problem}): ${buildHint()}`,
    );
  }
}

function loadError(path: string, error: unknown): EngineError {
  const reason = messageOf(error).split('\n')[0];
  // Settings are the user's to correct; everything else is about the file.
  if (/REASVQA_(THREADS|ISA)=/.test(reason ?? '')) return new EngineError(reason ?? '', { cause: error });
  const about = /NODE_MODULE_VERSION|self-register|API version|napi/i.test(reason ?? '')
    ? `built for another Node than ${process.version}`
    : /ELF|Mach-O|invalid|too short|exec format|truncated/i.test(reason ?? '')
      ? `damaged, half built or built for another machine than ${process.platform} ${process.arch}`
      : 'cannot be loaded';
  return new EngineError(`native addon ${path} is ${about} (${reason}): ${buildHint()}`, { cause: error });
}
