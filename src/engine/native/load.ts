/** Loads the addon; an error says what is wrong with it and what to do. */
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EngineError, isDeviceError, messageOf } from '../../base/errors.js';
import type { Codes, CpuDevice, CudaDevice, CudaOptions } from './addon.js';
import { numbered } from './calls.js';

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
  const exports = nativeDevice().cuda;
  asked(() => exports.open(options.device ?? gpuNumber(), options.memoryLimit ?? 0));
  cuda = exports;
  return cuda;
}

/** Name of the GPU that {@link cudaDevice} would open; takes none of its memory. @throws EngineError as there. */
export function gpuName(): string {
  return asked(() => nativeDevice().cuda.gpuName(gpuNumber()));
}

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
  const missing = ['setParams', 'allocate', 'layouts', 'enumerations', 'cuda'].filter(
    (name) => !(name in loaded),
  );
  if (missing.length > 0) {
    throw new EngineError(`${path} lacks ${missing.join(', ')} (built from other sources): ${buildHint()}`);
  }
  return prepared(loaded as unknown as Loaded);
}

/** The addon's own exports; what TypeScript adds to them is in addon.ts alone. */
interface Loaded extends CpuDevice {
  setParams(params: Int32Array, numbers: Float64Array): void;
  callNumbers: number;
  /** Names in the order of their numbers, by enumeration. */
  enumerations: Record<string, string>;
}

function prepared(loaded: Loaded): CpuDevice {
  const shared = {
    params: new Int32Array(PARAMS),
    numbers: new Float64Array(loaded.callNumbers),
    codes: Object.fromEntries(
      Object.entries(loaded.enumerations).map(([name, list]) => [name, numbered(list)]),
    ) as unknown as Codes,
  };
  loaded.setParams(shared.params, shared.numbers);
  Object.assign(loaded.cuda, shared);
  return Object.assign(loaded, shared, { synchronize: () => undefined });
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
 * Reads the ELF header before the loader does: a truncated library would end the process with SIGBUS once its missing
 * pages are touched. The section table is the last part of the file.
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
  // A wrong setting is the user's to correct; every other error is about the file.
  if (/REASVQA_(THREADS|ISA)=/.test(reason ?? '')) return new EngineError(reason ?? '', { cause: error });
  const about = /NODE_MODULE_VERSION|self-register|API version|napi/i.test(reason ?? '')
    ? `built for another Node than ${process.version}`
    : /ELF|Mach-O|invalid|too short|exec format|truncated/i.test(reason ?? '')
      ? `damaged, half built or built for another machine than ${process.platform} ${process.arch}`
      : 'cannot be loaded';
  return new EngineError(`native addon ${path} is ${about} (${reason}): ${buildHint()}`, { cause: error });
}
