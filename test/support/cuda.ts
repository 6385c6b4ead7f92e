/**
 * The GPU that tests of native-cuda run on: the shim (test/cudaShim), which executes the kernels on the CPU, or a real one
 * when REASVQA_TEST_GPU=1. Import this file before the engine is started; the variables it sets are read at that moment.
 */
import { buildCudaShim } from '../cudaShim/build.mjs';
import { type CudaDevice, cudaDevice } from '../../src/engine/native/addon.js';
import { registerCudaBackend } from '../../src/engine/native/register.js';
import { messageOf } from '../../src/errors.js';

/** True when the tests were asked to use the machine's GPU. */
export const onGpu = process.env.REASVQA_TEST_GPU === '1';

/** Why native-cuda cannot run here, or undefined when it can. */
export const cudaMissing = start();

function start(): string | undefined {
  try {
    if (!onGpu) Object.assign(process.env, buildCudaShim());
    cudaDevice();
  } catch (error) {
    return messageOf(error);
  }
  registerCudaBackend();
  return undefined;
}

/** The device; only where {@link cudaMissing} is undefined. */
export function gpu(): CudaDevice {
  return cudaDevice();
}
