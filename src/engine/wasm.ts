/**
 * tfjs's WebAssembly backend as the last resort: the two kernels it lacks for training (the gradients of gather and of
 * conv2d) run on tfjs-backend-cpu's implementation over its own memory.
 */
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import {
  findBackend,
  getKernel,
  getKernelsForBackend,
  type KernelBackend,
  registerKernel,
  type TensorInfo,
} from '@tensorflow/tfjs-core';

interface CpuBackend extends KernelBackend {
  data: { get(dataId: object): { values: Float32Array } };
}

const DELEGATED = ['UnsortedSegmentSum', 'Conv2DBackpropFilter'];

/** Registers the missing kernels for `wasm`. */
export function delegateToCpu(): void {
  const present = new Set(getKernelsForBackend('wasm').map(({ kernelName }) => kernelName));
  for (const kernelName of DELEGATED) {
    if (present.has(kernelName)) continue;
    registerKernel({ kernelName, backendName: 'wasm', kernelFunc: (args) => runOnCpu(kernelName, args) });
  }
}

function runOnCpu(
  kernelName: string,
  args: { inputs: unknown; attrs?: unknown; backend: unknown },
): TensorInfo {
  const wasm = args.backend as KernelBackend;
  const cpu = findBackend('cpu') as CpuBackend;
  const inputs = Object.entries(args.inputs as Record<string, TensorInfo>).map(([name, x]) => {
    const dataId = cpu.write(wasm.readSync(x.dataId), x.shape, x.dtype);
    return [name, { dataId, shape: x.shape, dtype: x.dtype }] as const;
  });
  const output = getKernel(kernelName, 'cpu').kernelFunc({
    inputs: Object.fromEntries(inputs) as never,
    attrs: args.attrs as never,
    backend: cpu,
  }) as TensorInfo;
  const values = cpu.data.get(output.dataId).values;
  const result = {
    dataId: wasm.write(values, output.shape, output.dtype),
    shape: output.shape,
    dtype: output.dtype,
  };
  cpu.disposeData(output.dataId);
  for (const [, x] of inputs) cpu.disposeData(x.dataId);
  return result;
}
