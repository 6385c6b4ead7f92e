/**
 * The engine `tensorflow`: tfjs's own Node backend (`@tensorflow/tfjs-node-gpu` or `-node`), which the user installs.
 * The model runs on the composed forms of src/ops; every operation is one call into TensorFlow's eager API.
 */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import os from 'node:os';
import { join } from 'node:path';
import util from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { EngineError, messageOf } from '../base/errors.js';
import type { CpuDevice } from './native/addon.js';
import { nativeDevice } from './native/load.js';
import type { NodeBackend } from './tensorflow/backend.js';
import { addBf16 } from './tensorflow/bf16.js';
import { addDropout } from './tensorflow/dropout.js';
import { findPackage, rebuildHint, type TensorflowPackage, WANTED_VERSION } from './tensorflow/package.js';

/** Settings of TensorFlow at its start; a process cannot change them. */
interface TensorflowOptions {
  /** Threads inside one operation on the CPU; default REASVQA_THREADS, else all cores. */
  threads?: number | undefined;
  /** Index of the GPU to use; TensorFlow takes the last one it sees, or the CPU, when absent. */
  device?: number | undefined;
}

interface TensorflowInfo {
  /** Model of the GPU or CPU. */
  device: string;
  description: string;
  threads: number;
  /** TensorFlow's version. */
  isa: string;
}

let started: { info: TensorflowInfo; asked: TensorflowOptions } | undefined;

/**
 * Loads the package, once in a process, and makes it the backend of TensorFlow.js.
 *
 * @throws EngineError when the package is absent, has no binary, cannot be loaded, or sees no GPU though one was asked
 *   for: by `device`, or by installing the GPU package
 */
export function startTensorflow(asked: TensorflowOptions = {}): TensorflowInfo {
  if (started) {
    refuseChange(started.asked, asked);
    useBackend();
    return started.info;
  }
  const found = findPackage();
  const threads = asked.threads ?? (Number(process.env.REASVQA_THREADS) || os.availableParallelism());
  prepareEnvironment(threads, asked.device);
  const backend = loadPackage(found);
  requireGpuIfAsked(backend, found, asked);
  addBf16(backend);
  addNativeDropout(asked.threads);
  const info = describe(backend, found, threads, asked.device);
  started = { info, asked: { ...asked, threads } };
  return info;
}

function refuseChange(before: TensorflowOptions, now: TensorflowOptions): void {
  for (const key of ['threads', 'device'] as const)
    if (now[key] !== undefined && now[key] !== before[key])
      throw new EngineError(
        `--${key} ${now[key]}: TensorFlow runs in this process already and cannot change it; start another process`,
      );
}

/** TensorFlow reads these variables when its library is loaded; the user's own values stay. */
function prepareEnvironment(threads: number, device: number | undefined): void {
  const { env } = process;
  env.TF_NUM_INTRAOP_THREADS ??= String(threads);
  env.TF_CPP_MIN_LOG_LEVEL ??= '2';
  // Without it TensorFlow takes all of the GPU's memory at once.
  env.TF_FORCE_GPU_ALLOW_GROWTH ??= 'true';
  if (device === undefined) return;
  const visible = env.CUDA_VISIBLE_DEVICES?.split(',').filter(Boolean) ?? [];
  if (visible.length > 0 && device >= visible.length)
    throw new EngineError(
      `--device ${device}: CUDA_VISIBLE_DEVICES=${env.CUDA_VISIBLE_DEVICES} has ${visible.length}; expected less`,
    );
  env.CUDA_VISIBLE_DEVICES = visible[device] ?? String(device);
}

/**
 * Loads the package, which makes itself the backend of TensorFlow.js.
 *
 * @throws EngineError when it cannot be loaded or does not share our TensorFlow.js
 */
export function loadPackage({ name, folder }: TensorflowPackage): NodeBackend {
  // Removed from Node 23; the package calls it for every string tensor and topk.
  const legacy = util as unknown as { isNullOrUndefined?: (value: unknown) => boolean };
  legacy.isNullOrUndefined ??= (value) => value === null || value === undefined;
  let module: { engine(): unknown; version: Record<string, string> };
  try {
    module = createRequire(join(folder, 'package.json'))(folder);
  } catch (error) {
    const [reason] = messageOf(error).split('\n');
    throw new EngineError(
      `${name} in ${folder} cannot be loaded (${reason}): TensorFlow's library was moved, or is of another kind than the binary was built for; ${rebuildHint()}`,
    );
  }
  const core = module.version['tfjs-core'];
  if (core !== WANTED_VERSION || module.engine() !== tf.engine())
    throw new EngineError(
      `${name} in ${folder} brings a TensorFlow.js of its own (tfjs-core ${core}), so that its tensors are not ours: expected one tfjs-core ${WANTED_VERSION}; ${rebuildHint()}`,
    );
  useBackend();
  return tf.backend() as NodeBackend;
}

function useBackend(): void {
  if (!tf.setBackend('tensorflow')) throw new EngineError('the engine tensorflow did not start');
}

/** Without our addon the composed form draws in JavaScript: the same bits, more slowly. */
function addNativeDropout(threads: number | undefined): void {
  let device: CpuDevice;
  try {
    device = nativeDevice();
  } catch (error) {
    if (error instanceof EngineError) return;
    throw error;
  }
  if (threads !== undefined) device.setThreads(threads);
  addDropout(device);
}

function requireGpuIfAsked(
  backend: NodeBackend,
  { name }: TensorflowPackage,
  { device }: TensorflowOptions,
): void {
  if (backend.isUsingGpuDevice) return;
  const asked =
    device !== undefined ? `--device ${device}` : name.endsWith('-gpu') ? `the package ${name}` : undefined;
  if (asked === undefined) return;
  throw new EngineError(
    `${asked} asks for a GPU, and TensorFlow ${backend.binding.TF_Version} sees none (CUDA_VISIBLE_DEVICES=${process.env.CUDA_VISIBLE_DEVICES ?? ''}): check nvidia-smi and that this TensorFlow was built for CUDA, or set up @tensorflow/tfjs-node for the CPU`,
  );
}

function describe(
  backend: NodeBackend,
  { name, version }: TensorflowPackage,
  threads: number,
  index: number | undefined,
): TensorflowInfo {
  const isa = `TensorFlow ${backend.binding.TF_Version}`;
  const gpu = backend.isUsingGpuDevice;
  const device = gpu ? gpuModel(index) : (os.cpus()[0]?.model ?? 'unknown CPU');
  const on = gpu
    ? `GPU, ${device}`
    : `CPU, ${threads} thread${threads === 1 ? '' : 's'}, ${device}; no GPU seen`;
  return { device, description: `tensorflow (${isa}, ${on}; ${name} ${version})`, threads, isa };
}

/** The binding does not tell; the driver's tool does. */
function gpuModel(index: number | undefined): string {
  const query = ['--query-gpu=name', '--format=csv,noheader'];
  const which = index === undefined ? [] : ['-i', process.env.CUDA_VISIBLE_DEVICES ?? String(index)];
  const { status, stdout } = spawnSync('nvidia-smi', [...query, ...which], { encoding: 'utf8' });
  const names = status === 0 ? stdout.trim().split('\n').filter(Boolean) : [];
  return names.at(-1) ?? 'an NVIDIA GPU';
}
