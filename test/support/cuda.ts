/**
 * The GPU that tests of native-cuda run on: the shim (test/cudaShim), which executes the kernels on the CPU, or a real one
 * when REASVQA_TEST_GPU=1. Import this file before the engine is started; the variables it sets are read at that moment.
 */
import { spawnSync } from 'node:child_process';
import { messageOf } from '../../src/base/errors.js';
import type { CudaDevice } from '../../src/engine/native/addon.js';
import { addonPath, cudaDevice } from '../../src/engine/native/load.js';
import { registerCudaBackend } from '../../src/engine/native/register.js';
import { buildCudaShim } from '../cudaShim/build.mjs';

/** True when the tests were asked to use the machine's GPU; where that fails so do they, instead of being skipped. */
export const onGpu = process.env.REASVQA_TEST_GPU === '1';

/** Why native-cuda cannot run here, or undefined when it can. */
export const cudaMissing = start();

function start(): string | undefined {
  try {
    if (!onGpu) Object.assign(process.env, buildCudaShim());
    cudaDevice();
  } catch (error) {
    if (onGpu) throw error;
    return messageOf(error);
  }
  registerCudaBackend();
  return undefined;
}

/** The device; only where {@link cudaMissing} is undefined. */
export function gpu(): CudaDevice {
  return cudaDevice();
}

/** What a child process printed. */
export interface ChildResult {
  status: number | null;
  stdout: string;
  stderr: string;
}

/**
 * Runs a script in a process of its own, for settings that a process reads once. `addon` are the addon's exports, `cuda` the device's, opened
 * unless the script does so itself; an error that it throws is printed to stdout as `code: message`.
 */
export function inChild(script: string, env: Record<string, string> = {}): ChildResult {
  const text = `
    import { createRequire } from 'node:module';
    const addon = createRequire(import.meta.url)(${JSON.stringify(addonPath())});
    const { cuda } = addon;
    try {
      ${/cuda\.open\(/.test(script) ? '' : 'cuda.open(0, 0);'}
      ${script}
    } catch (error) {
      console.log(error.code + ': ' + error.message);
    }`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', text], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  return { status, stdout, stderr };
}
