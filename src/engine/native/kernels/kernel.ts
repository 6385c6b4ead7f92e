/**
 * Registering native kernels. A kernel that cannot serve a call (another dtype, a rank above 8) returns undefined and
 * the call goes to tfjs-backend-cpu (../fallback.ts).
 */
import { type DataType, getKernelsForBackend, registerKernel, type TensorInfo } from '@tensorflow/tfjs-core';
import type { NumericDtype } from '../addon.js';
import { BACKEND_NAME, type NativeBackend } from '../backend.js';
import { runOnCpu } from '../fallback.js';

/** What a kernel is called with; every kernel knows the names of its own inputs and attributes. */
export interface Call<Inputs = Record<string, TensorInfo>, Attrs = Record<string, never>> {
  inputs: Inputs;
  attrs: Attrs;
  backend: NativeBackend;
}

type Result = TensorInfo | TensorInfo[] | undefined;

const registered = new Set<string>();

/** Registers a native kernel; `run` returns undefined for what it leaves to tfjs-backend-cpu. */
export function native<Inputs, Attrs>(kernelName: string, run: (call: Call<Inputs, Attrs>) => Result): void {
  registered.add(kernelName);
  registerKernel({
    kernelName,
    backendName: BACKEND_NAME,
    kernelFunc: (args) => run(args as unknown as Call<Inputs, Attrs>) ?? runOnCpu(kernelName, args),
  });
}

/** Kernels with native code, sorted. */
export function nativeKernels(): string[] {
  return [...registered].sort();
}

/** Registers every kernel of tfjs-backend-cpu that has no native code. */
export function registerFallbacks(): void {
  for (const { kernelName } of getKernelsForBackend('cpu')) {
    if (registered.has(kernelName)) continue;
    registerKernel({
      kernelName,
      backendName: BACKEND_NAME,
      kernelFunc: (args) => runOnCpu(kernelName, args),
    });
  }
}

export function isNumeric(dtype: DataType): dtype is NumericDtype {
  return dtype === 'float32' || dtype === 'int32' || dtype === 'bool';
}
