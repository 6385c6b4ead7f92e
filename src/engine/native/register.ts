/**
 * Registers the `native-cpu` backend and its kernels with TensorFlow.js. Importing this file loads nothing native; the
 * backend's factory does.
 */
import { registerBackend } from '@tensorflow/tfjs-core';
import { BACKEND_NAME, NativeBackend } from './backend.js';
import { registerFusedKernels } from './fused.js';
import { registerComplex } from './kernels/complex.js';
import { registerElementwise } from './kernels/elementwise.js';
import { registerIndexing } from './kernels/indexing.js';
import { registerFallbacks } from './kernels/kernel.js';
import { registerMovement } from './kernels/movement.js';
import { registerProducts } from './kernels/products.js';
import { registerReducing } from './kernels/reductions.js';

let done = false;

/** Registers once; later calls do nothing. The backend is chosen with tf.setBackend('native-cpu'). */
export function registerNativeBackend(): void {
  if (done) return;
  done = true;
  registerElementwise();
  registerMovement();
  registerReducing();
  registerIndexing();
  registerProducts();
  registerComplex();
  registerFallbacks();
  registerFusedKernels(BACKEND_NAME);
  // tfjs picks the highest priority when nobody chooses; ours is chosen by engine.ts, so it stays below cpu's 1.
  registerBackend(BACKEND_NAME, () => new NativeBackend(), 0);
}
