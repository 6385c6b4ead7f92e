/**
 * Registers the native backends and their kernels with TensorFlow.js. Importing this file loads nothing native; a
 * backend's factory does.
 */
import { registerBackend, registerKernel, type TensorInfo } from '@tensorflow/tfjs-core';
import { cudaDevice, type NativeDevice, nativeDevice, openCuda } from './addon.js';
import { BACKEND_NAME, CUDA_BACKEND_NAME, NativeBackend } from './backend.js';
import { registerFusedKernels } from './fused.js';
import { registerComplex } from './kernels/complex.js';
import { registerElementwise } from './kernels/elementwise.js';
import { registerIndexing } from './kernels/indexing.js';
import { registerKernels } from './kernels/kernel.js';
import { registerMovement } from './kernels/movement.js';
import { type MatMulAttrs, matmul, registerProducts } from './kernels/products.js';
import { registerReducing } from './kernels/reductions.js';
import { saveOffTape } from './saves.js';
import { keepInfoOnRecords } from './tensorInfo.js';

const done = new Set<string>();

/** Registers once; later calls do nothing. The backend is chosen with tf.setBackend('native-cpu'). */
export function registerNativeBackend(): void {
  if (done.has(BACKEND_NAME)) return;
  register(BACKEND_NAME, nativeDevice);
  // On the GPU the fused kernels alone take a weight in bf16.
  registerKernel({
    kernelName: 'ReasBf16MatMul',
    backendName: BACKEND_NAME,
    kernelFunc: ({ inputs, attrs, backend }) =>
      matmul(backend as NativeBackend, inputs.a as TensorInfo, inputs.b as TensorInfo, attrs as MatMulAttrs)!,
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
  registerFusedKernels(name);
  registerStorage(name);
  // tfjs picks the highest priority when nobody chooses; ours is chosen by engine.ts, so it stays below cpu's 1.
  registerBackend(
    name,
    () => {
      keepInfoOnRecords();
      saveOffTape();
      return new NativeBackend(device());
    },
    0,
  );
}

/** Kernels of src/ops/bf16.ts. */
function registerStorage(backendName: string): void {
  registerKernel({
    kernelName: 'ReasToBf16',
    backendName,
    kernelFunc: ({ inputs, backend }) => (backend as NativeBackend).asBf16(inputs.x as TensorInfo),
  });
  registerKernel({
    kernelName: 'ReasBf16OfBits',
    backendName,
    kernelFunc: ({ attrs, backend }) => {
      const { bits, shape } = attrs as unknown as { bits: Uint16Array; shape: number[] };
      return (backend as NativeBackend).bf16OfBits(bits, shape);
    },
  });
}

function addKernels(): void {
  registerElementwise();
  registerMovement();
  registerReducing();
  registerIndexing();
  registerProducts();
  registerComplex();
}
