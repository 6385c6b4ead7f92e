/**
 * Choosing the engine that computes: our native backend, or one of tfjs's own.
 *
 * `auto` takes native-cpu (native-cuda when a GPU is named), and wasm only when the addon cannot be used; the note of a
 * run names an engine that was passed over, and why. A named engine runs or is an error; nothing slower replaces it
 * silently.
 */
import '@tensorflow/tfjs-backend-cpu';
// tfjs-core alone has no gradients in Node; importing tfjs-layers registers them.
import '@tensorflow/tfjs-layers';
import os from 'node:os';
import * as tf from '@tensorflow/tfjs-core';
import { EngineError, messageOf, UsageError } from '../base/errors.js';
import { registerGradients } from './gradients.js';
import type { CudaDevice, NativeDevice } from './native/addon.js';
import { BACKEND_NAME, CUDA_BACKEND_NAME, NativeBackend } from './native/backend.js';
import { prepareAddon } from './native/build.js';
import { cudaDevice, gpuName, NoDriverError, nativeDevice } from './native/load.js';
import { registerCudaBackend, registerNativeBackend } from './native/register.js';

const ENGINE_NAMES = ['auto', 'native-cpu', 'native-cuda', 'tensorflow', 'wasm', 'cpu'] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

export interface EngineInfo {
  name: Exclude<EngineName, 'auto'>;
  /** Model of the CPU or GPU that computes. */
  device: string;
  /** One line for the start of a run. */
  description: string;
  /** Why a better engine was passed over. */
  reason?: string;
  threads: number;
  /** Instruction set of the kernels; of a GPU the architecture, such as sm_90. */
  isa: string;
}

export interface EngineOptions {
  /** Threads of native-cpu and tensorflow; default REASVQA_THREADS, else all cores. */
  threads?: number;
  /** Which GPU native-cuda and tensorflow compute on, from 0; native-cuda's default: REASVQA_GPU, else 0. */
  device?: number;
  /** Most bytes of the GPU's memory that native-cuda may take; default all. */
  gpuMemory?: number;
}

const MAX_THREADS = 1024;
/** The smallest segment of the GPU's allocator. */
const MIN_GPU_MEMORY = 2 * 2 ** 20;
let current: EngineInfo | undefined;

/** The engine in use, once selectEngine has been called. */
export function currentEngine(): EngineInfo | undefined {
  return current;
}

/** What run.json keeps of the engine in use. */
export function engineFacts(): Record<string, unknown> {
  if (current === undefined) return { name: tf.getBackend() };
  const { name, device, threads, isa } = current;
  return { name, device, threads, isa };
}

/** The device of the native engine in use; undefined when another engine computes. */
export function currentDevice(): NativeDevice | undefined {
  const backend = current === undefined ? undefined : tf.backend();
  return backend instanceof NativeBackend ? backend.device : undefined;
}

/** Most bytes that the engine has taken of its GPU so far; undefined where it computes on the CPU. */
export function peakDeviceMemory(): number | undefined {
  const device = currentDevice();
  return device && isCuda(device) ? device.memory().peakReserved : undefined;
}

/** Memory of the native engine's device, in bytes. */
export interface DeviceMemoryUse {
  /** In live tensors. */
  inUse: number;
  /** Most in live tensors since the last {@link resetPeak}. */
  peak: number;
  /** What may still be taken: of the GPU and its limit, or of this machine. */
  available: number;
  resetPeak(): void;
}

/** Undefined on an engine that does not count it. */
export function deviceMemory(): DeviceMemoryUse | undefined {
  const device = currentDevice();
  if (!device) return undefined;
  const { inUse, peak } = device.memory();
  return { inUse, peak, available: availableOn(device), resetPeak: () => device.resetPeak() };
}

function availableOn(device: NativeDevice): number {
  if (!isCuda(device)) return process.availableMemory();
  const { limit, inUse, cached } = device.memory();
  const free = device.info().freeMemory + cached;
  return limit > 0 ? Math.min(limit - inUse, free) : free;
}

const isCuda = (device: NativeDevice): device is CudaDevice => 'setMemoryLimit' in device;

/**
 * Makes an engine the backend of TensorFlow.js for this process.
 * @throws UsageError for an unknown name; EngineError (exit code 4) when the engine cannot be used, with the reason
 */
export async function selectEngine(name: EngineName, options: EngineOptions = {}): Promise<EngineInfo> {
  if (!ENGINE_NAMES.includes(name)) {
    throw new UsageError(`--engine ${name}: expected one of ${ENGINE_NAMES.join(', ')}`);
  }
  checkSettings(options);
  tf.enableProdMode();
  if (name === 'auto' || name.startsWith('native-')) await prepareAddon();
  current = await start(name, options);
  // After the engine: tfjs-node may bring a tfjs-layers of its own, which registers tfjs's gradients again.
  registerGradients();
  return current;
}

async function start(name: EngineName, options: EngineOptions): Promise<EngineInfo> {
  switch (name) {
    case 'auto':
      return startBest(options);
    case 'native-cpu':
      return startNative(options);
    case 'wasm':
      return startWasm();
    case 'cpu':
      return startPlain();
    case 'native-cuda':
      return startCuda(options);
    case 'tensorflow':
      return startTensorflowEngine(options);
  }
}

async function startBest(options: EngineOptions): Promise<EngineInfo> {
  // `--device` and `--gpu-memory` choose native-cuda.
  if (options.device !== undefined || options.gpuMemory !== undefined) return startCuda(options);
  const reason = passedOverGpu();
  try {
    const engine = await startNative(options);
    return reason === undefined ? engine : { ...engine, reason };
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    return { ...(await startWasm()), reason: `native-cpu cannot be used: ${messageOf(error)}` };
  }
}

/**
 * Why a GPU of this machine is not used; undefined where there is no driver. native-cuda has run on an emulated GPU
 * only, so `auto` does not take it.
 */
function passedOverGpu(): string | undefined {
  try {
    return `native-cuda on the ${gpuName()} is not proven yet and has to be asked for: --engine native-cuda`;
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    return error instanceof NoDriverError ? undefined : `native-cuda cannot be used: ${messageOf(error)}`;
  }
}

async function startCuda({ device, gpuMemory }: EngineOptions): Promise<EngineInfo> {
  const gpu = cudaDevice({
    ...(device !== undefined && { device }),
    ...(gpuMemory !== undefined && { memoryLimit: gpuMemory }),
  });
  registerCudaBackend();
  await use(CUDA_BACKEND_NAME);
  const { name, index, count, architecture, totalMemory, driver, nvrtc, cublasLt } = gpu.info();
  const which = count > 1 ? `, GPU ${index} of ${count}` : '';
  const memory = (totalMemory / 2 ** 30).toFixed(0);
  return {
    name: 'native-cuda',
    device: name,
    description: `native-cuda (${name}${which}, ${memory} GiB, ${architecture}, driver for CUDA ${driver}, NVRTC ${nvrtc}, cuBLASLt ${cublasLt})`,
    threads: 1,
    isa: architecture,
  };
}

async function startNative({ threads }: EngineOptions): Promise<EngineInfo> {
  const device = nativeDevice();
  if (threads !== undefined) device.setThreads(threads);
  registerNativeBackend();
  await use(BACKEND_NAME);
  const count = device.threads();
  const isa = device.isa();
  return {
    name: 'native-cpu',
    device: cpuModel(),
    description: `native-cpu (${isa}, ${count} thread${count === 1 ? '' : 's'}, ${cpuModel()})`,
    threads: count,
    isa,
  };
}

async function startWasm(): Promise<EngineInfo> {
  const { delegateToCpu } = await import('./wasm.js');
  delegateToCpu();
  await use('wasm');
  const simd = await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT');
  const isa = simd ? 'wasm-simd' : 'wasm';
  return {
    name: 'wasm',
    device: cpuModel(),
    description: `wasm (${isa}, 1 thread; about a tenth of native-cpu's speed)`,
    threads: 1,
    isa,
  };
}

async function startTensorflowEngine({ threads, device }: EngineOptions): Promise<EngineInfo> {
  const { startTensorflow } = await import('./tensorflow.js');
  return { name: 'tensorflow', ...startTensorflow({ threads, device }) };
}

async function startPlain(): Promise<EngineInfo> {
  await use('cpu');
  return {
    name: 'cpu',
    device: cpuModel(),
    description:
      "cpu (tfjs's plain JavaScript: the reference for tests, hundreds of times slower than native-cpu)",
    threads: 1,
    isa: 'javascript',
  };
}

function cpuModel(): string {
  return os.cpus()[0]?.model ?? 'unknown CPU';
}

async function use(backendName: string): Promise<void> {
  let reason = 'its initialisation failed';
  try {
    if (await tf.setBackend(backendName)) return;
  } catch (error) {
    if (error instanceof EngineError) throw error;
    reason = messageOf(error);
  }
  throw new EngineError(`the engine ${backendName} cannot be used: ${reason}`);
}

/** A wrong setting stops even `auto`, which would otherwise run ten times slower. */
function checkSettings({ threads, device, gpuMemory }: EngineOptions): void {
  const count = (value: number): boolean => Number.isInteger(value) && value >= 1 && value <= MAX_THREADS;
  const given = process.env.REASVQA_THREADS;
  if (given && !(/^\d+$/.test(given) && count(Number(given)))) {
    throw new EngineError(`REASVQA_THREADS=${given}: expected a whole number from 1 to ${MAX_THREADS}`);
  }
  if (threads !== undefined && !count(threads)) {
    throw new UsageError(`--threads ${threads}: expected a whole number from 1 to ${MAX_THREADS}`);
  }
  if (device !== undefined && !(Number.isInteger(device) && device >= 0 && device < 1000)) {
    throw new UsageError(`--device ${device}: expected the number of a GPU, from 0`);
  }
  if (gpuMemory !== undefined && !(Number.isFinite(gpuMemory) && gpuMemory >= MIN_GPU_MEMORY)) {
    throw new UsageError(`--gpu-memory ${gpuMemory}: expected at least ${MIN_GPU_MEMORY} bytes`);
  }
  const isa = process.env.REASVQA_ISA;
  if (isa && !['plain', 'avx2', 'avx512'].includes(isa)) {
    throw new EngineError(`REASVQA_ISA=${isa}: expected plain, avx2 or avx512`);
  }
}
