/**
 * Registering native kernels. A kernel that cannot serve a call (another dtype, a rank above 8) returns undefined and
 * the call goes to tfjs-backend-cpu (../fallback.ts).
 */
import { type DataType, getKernelsForBackend, registerKernel, type TensorInfo } from '@tensorflow/tfjs-core';
import type { NumericDtype } from '../addon.js';
import type { NativeBackend } from '../backend.js';
import { runOnCpu } from '../fallback.js';

/** What a kernel is called with; every kernel knows the names of its own inputs and attributes. */
export interface Call<Inputs = Record<string, TensorInfo>, Attrs = Record<string, never>> {
  inputs: Inputs;
  attrs: Attrs;
  backend: NativeBackend;
}

type Result = TensorInfo | TensorInfo[] | undefined;

const kernels = new Map<string, (call: never) => Result>();

/**
 * Adds a native kernel, for every native backend; `run` returns undefined for a call that it leaves to
 * tfjs-backend-cpu.
 */
export function native<Inputs, Attrs>(kernelName: string, run: (call: Call<Inputs, Attrs>) => Result): void {
  kernels.set(kernelName, run);
}

/** Kernels with native code, sorted. */
export function nativeKernels(): string[] {
  return [...kernels.keys()].sort();
}

/** Registers the native kernels for a backend, and those of tfjs-backend-cpu that have no native code. */
export function registerKernels(backendName: string): void {
  for (const [kernelName, run] of kernels) {
    registerKernel({
      kernelName,
      backendName,
      kernelFunc: (args) => run(args as never) ?? runOnCpu(kernelName, args),
    });
  }
  for (const { kernelName } of getKernelsForBackend('cpu')) {
    if (kernels.has(kernelName)) continue;
    registerKernel({ kernelName, backendName, kernelFunc: (args) => runOnCpu(kernelName, args) });
  }
}

export function isNumeric(dtype: DataType): dtype is NumericDtype {
  return dtype === 'float32' || dtype === 'int32' || dtype === 'bool';
}
