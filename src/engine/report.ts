/** The report of `reasvqa doctor`: the engine, its device, versions, memory, and what is missing with how to get it. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import os from 'node:os';
import * as tf from '@tensorflow/tfjs-core';
import { messageOf } from '../base/errors.js';
import { currentEngine, type EngineInfo } from './engine.js';
import type { CudaInfo, DeviceMemory } from './native/addon.js';
import { fallbackCounts } from './native/fallback.js';
import { nativeKernels } from './native/kernels/kernel.js';
import {
  addonPath,
  buildCommand,
  cudaDevice,
  isLoaded,
  NoDriverError,
  nativeDevice,
  openCuda,
} from './native/load.js';
import { listPackages, type TensorflowPackage } from './tensorflow/package.js';

interface Missing {
  what: string;
  /** The consequence of its absence. */
  effect: string;
  how: string;
}

export interface EngineReport {
  engine?: EngineInfo;
  addon: { path: string; built: boolean; loaded: boolean; error?: string };
  cpu: {
    model: string;
    cores: number;
    instructionSet?: string;
    bestInstructionSet?: string;
    threads?: number;
  };
  /** The GPU of native-cuda, or why there is none to use. */
  gpu: { found?: CudaInfo; missing?: string };
  /** Bytes. */
  memory: { total: number; free: number; resident: number; native?: DeviceMemory };
  versions: { node: string; tfjs: string; platform: string };
  /** The user's TensorFlow package: which, where, and whether it is complete. */
  tensorflow?: TensorflowPackage;
  tools: Record<'ffmpeg' | 'ffprobe' | 'cmake' | 'c++', string | undefined>;
  /** Kernels with native code, and how often others ran on tfjs-backend-cpu so far. */
  kernels: { native: string[]; fallbacks: Record<string, number> };
  missing: Missing[];
}

/** Looks at this process and machine; loads the addon if it can. Never throws. */
export function engineReport(): EngineReport {
  const addon = inspectAddon();
  const device = addon.loaded ? nativeDevice() : undefined;
  const engine = currentEngine();
  const gpu = inspectGpu();
  const [tensorflow] = listPackages();
  const tools = {
    ffmpeg: versionOf('ffmpeg', '-version'),
    ffprobe: versionOf('ffprobe', '-version'),
    cmake: versionOf('cmake', '--version'),
    'c++': versionOf(process.env.CXX || 'c++', '--version'),
  };
  return {
    ...(engine && { engine }),
    addon,
    cpu: {
      model: os.cpus()[0]?.model ?? 'unknown',
      cores: os.availableParallelism(),
      ...(device && {
        instructionSet: device.isa(),
        bestInstructionSet: device.bestIsa(),
        threads: device.threads(),
      }),
    },
    gpu: { ...(gpu.found && { found: gpu.found }), ...(gpu.missing && { missing: gpu.missing }) },
    memory: {
      total: os.totalmem(),
      free: os.freemem(),
      resident: process.memoryUsage().rss,
      ...(device && { native: device.memory() }),
    },
    versions: {
      node: process.version,
      tfjs: tf.version_core,
      platform: `${process.platform} ${process.arch}`,
    },
    ...(tensorflow && { tensorflow }),
    tools,
    kernels: { native: nativeKernels(), fallbacks: fallbackCounts() },
    missing: [...missingParts(addon, tools), ...missingForGpu(gpu)],
  };
}

function inspectAddon(): EngineReport['addon'] {
  const path = addonPath();
  const built = existsSync(path);
  try {
    nativeDevice();
    return { path, built, loaded: isLoaded() };
  } catch (error) {
    return { path, built, loaded: false, error: messageOf(error) };
  }
}

interface GpuState {
  found?: CudaInfo;
  missing?: string;
  /** There is no driver: nothing to install on a machine without a GPU. */
  none?: boolean;
}

function inspectGpu(): GpuState {
  try {
    return { found: (openCuda() ?? cudaDevice()).info() };
  } catch (error) {
    return { missing: messageOf(error), none: error instanceof NoDriverError || !isLoaded() };
  }
}

function missingForGpu({ missing, none }: GpuState): Missing[] {
  if (missing === undefined || none) return [];
  const [what, how] = missing.split(/[;:] (?=pip |install |check )/);
  return [
    {
      what: what ?? missing,
      effect: 'native-cuda cannot be used, training runs on the CPU',
      how: how ?? 'see the message',
    },
  ];
}

/** First line of a program's version text, or undefined when it cannot be run. */
function versionOf(command: string, flag: string): string | undefined {
  const { status, stdout } = spawnSync(command, [flag], { encoding: 'utf8' });
  return status === 0 ? stdout.split('\n')[0] : undefined;
}

function missingParts(addon: EngineReport['addon'], tools: EngineReport['tools']): Missing[] {
  const missing: Missing[] = [];
  if (!addon.loaded) {
    missing.push({
      what: `native addon (${addon.error})`,
      effect: 'the wasm engine runs instead, about ten times slower',
      how: `${buildCommand()} (needs g++ 12 or clang 14, and CMake 3.18)`,
    });
    if (!tools['c++']) missing.push(install('a C++ compiler', 'the native addon cannot be built', 'g++'));
    if (!tools.cmake) missing.push(install('CMake', 'the native addon cannot be built', 'cmake'));
  }
  if (!tools.ffmpeg || !tools.ffprobe) {
    const absent = (['ffmpeg', 'ffprobe'] as const).filter((name) => !tools[name]).join(' and ');
    missing.push(
      install(absent, 'video files cannot be read (frame folders and cached features can)', 'ffmpeg'),
    );
  }
  return missing;
}

function install(what: string, effect: string, pack: string): Missing {
  return { what, effect, how: `Debian and Ubuntu: apt install ${pack}; macOS: brew install ${pack}` };
}
