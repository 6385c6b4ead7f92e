/**
 * Registers the native backends and their kernels with TensorFlow.js. Importing this file loads nothing native; a
 * backend's factory does.
 */
import { registerBackend } from '@tensorflow/tfjs-core';
import { registerKernels as registerOurs } from '../../ops/kernels.js';
import type { NativeDevice } from './addon.js';
import { BACKEND_NAME, CUDA_BACKEND_NAME, NativeBackend } from './backend.js';
import { registerFusedKernels } from './fused.js';
import { registerComplex } from './kernels/complex.js';
import { registerElementwise } from './kernels/elementwise.js';
import { registerIndexing } from './kernels/indexing.js';
import { registerKernels } from './kernels/kernel.js';
import { registerMovement } from './kernels/movement.js';
import { matmul, registerProducts } from './kernels/products.js';
import { registerReducing } from './kernels/reductions.js';
import { cudaDevice, nativeDevice, openCuda } from './load.js';
import { saveOffTape } from './saves.js';
import { keepInfoOnRecords } from './tensorInfo.js';

const done = new Set<string>();
/** Backends whose device has been asked which fused kernels it has. */
const known = new Set<string>();

/** Registers once; later calls do nothing. The backend is chosen with tf.setBackend('native-cpu'). */
export function registerNativeBackend(): void {
  if (done.has(BACKEND_NAME)) return;
  register(BACKEND_NAME, nativeDevice);
  // On the GPU the fused kernels alone take a weight in bf16.
  registerOurs<NativeBackend>(BACKEND_NAME, {
    ReasBf16MatMul: ({ a, b }, attrs, backend) => matmul(backend, a, b, attrs)!,
  });
}

/** Registers once; later calls do nothing. The backend computes on the GPU that cudaDevice(options) opened. */
export function registerCudaBackend(): void {
  register(CUDA_BACKEND_NAME, () => openCuda() ?? cudaDevice());
}

function register(name: string, device: () => NativeDevice): void {
  if (done.has(name)) return;
  if (done.size === 0) addKernels();
  done.add(name);
  registerKernels(name);
  // tfjs picks the highest priority when nobody chooses; ours is chosen by engine.ts, so it stays below cpu's 1.
  registerBackend(
    name,
    () => {
      keepInfoOnRecords();
      saveOffTape();
      const backend = new NativeBackend(device());
      if (!known.has(name)) registerFusedKernels(name, backend.device);
      known.add(name);
      return backend;
    },
    0,
  );
}

function addKernels(): void {
  registerElementwise();
  registerMovement();
  registerReducing();
  registerIndexing();
  registerProducts();
  registerComplex();
}
