/**
 * Kernels without native code run on tfjs-backend-cpu's implementation: inputs are copied there, outputs copied back.
 * This is slow, so every use is counted: a training step or decoding must have none (test/engine/fallback.test.ts;
 * `reasvqa doctor --ops` prints the counts).
 */
import '@tensorflow/tfjs-backend-cpu';
import { findBackend, getKernel, type KernelBackend, type TensorInfo } from '@tensorflow/tfjs-core';
import type { NativeBackend } from './backend.js';
import { sizeOf } from './strides.js';

type Inputs = Record<string, TensorInfo> | TensorInfo[];
interface KernelArgs {
  inputs: unknown;
  attrs?: unknown;
  backend: unknown;
}

/** The parts of MathBackendCPU in use. */
interface CpuBackend extends KernelBackend {
  data: {
    get(dataId: object): {
      values?: Float32Array;
      complexTensorInfos?: { real: TensorInfo; imag: TensorInfo };
    };
  };
}

const counts = new Map<string, number>();

/** How often each kernel ran on tfjs-backend-cpu for the native backend since the last reset. */
export function fallbackCounts(): Record<string, number> {
  return Object.fromEntries([...counts].sort((a, b) => b[1] - a[1]));
}

export function resetFallbackCounts(): void {
  counts.clear();
}

/** Runs a kernel of tfjs-backend-cpu on copies of the inputs. */
export function runOnCpu(kernelName: string, args: KernelArgs): TensorInfo | TensorInfo[] {
  counts.set(kernelName, (counts.get(kernelName) ?? 0) + 1);
  const native = args.backend as NativeBackend;
  const cpu = findBackend('cpu') as CpuBackend;
  const kernel = getKernel(kernelName, 'cpu');
  const temporary: TensorInfo[] = [];
  const bring = (x: TensorInfo): TensorInfo => {
    const copy = toCpu(native, cpu, x);
    temporary.push(copy);
    return copy;
  };
  try {
    const inputs = mapInputs(args.inputs as Inputs, bring);
    const outputs = kernel.kernelFunc({
      inputs: inputs as never,
      attrs: args.attrs as never,
      backend: cpu,
    });
    if (!Array.isArray(outputs)) return toNative(native, cpu, outputs);
    return outputs.map((output) => toNative(native, cpu, output));
  } finally {
    for (const x of temporary) cpu.disposeData(x.dataId, true);
  }
}

/** Kernels take a record of tensors, a list (Concat, AddN), or a record with some left out. */
function mapInputs(inputs: Inputs, bring: (x: TensorInfo) => TensorInfo): unknown {
  if (Array.isArray(inputs)) return inputs.map(bring);
  const mapped: Record<string, unknown> = {};
  for (const [name, x] of Object.entries(inputs ?? {})) {
    mapped[name] = Array.isArray(x) ? x.map(bring) : x?.dataId ? bring(x) : x;
  }
  return mapped;
}

/** Some kernels (Dilation2D's gradients) read rank and size, which a Tensor has and a TensorInfo has not. */
function describe(dataId: object, x: TensorInfo): TensorInfo {
  const info = { dataId, shape: x.shape, dtype: x.dtype, rank: x.shape.length, size: sizeOf(x.shape) };
  return info;
}

function toCpu(native: NativeBackend, cpu: CpuBackend, x: TensorInfo): TensorInfo {
  const { parts } = native.dataOf(x.dataId);
  if (!parts) return describe(cpu.write(native.readSync(x.dataId), x.shape, x.dtype), x);
  const real = toCpu(native, cpu, parts.real);
  const imag = toCpu(native, cpu, parts.imag);
  const complex = getKernel('Complex', 'cpu').kernelFunc({
    inputs: { real, imag } as never,
    backend: cpu,
  }) as TensorInfo;
  cpu.disposeData(real.dataId);
  cpu.disposeData(imag.dataId);
  return describe(complex.dataId, x);
}

function toNative(native: NativeBackend, cpu: CpuBackend, x: TensorInfo): TensorInfo {
  const { values, complexTensorInfos } = cpu.data.get(x.dataId);
  let result: TensorInfo;
  if (complexTensorInfos) {
    const { real, imag } = complexTensorInfos;
    const part = (info: TensorInfo): TensorInfo =>
      native.makeTensorInfo(x.shape, 'float32', cpu.data.get(info.dataId).values as Float32Array);
    result = native.makeComplex(x.shape, part(real), part(imag));
  } else {
    result = native.makeTensorInfo(x.shape, x.dtype, values as Float32Array);
  }
  cpu.disposeData(x.dataId);
  return result;
}
