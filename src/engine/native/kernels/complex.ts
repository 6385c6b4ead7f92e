/**
 * complex64 tensors: a pair of float32 tensors. Enough to make one and take it apart; arithmetic runs on
 * tfjs-backend-cpu.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { type Call, native } from './kernel.js';

export function registerComplex(): void {
  native('Complex', ({ inputs, backend }: Call<{ real: TensorInfo; imag: TensorInfo }>) => {
    const { real, imag } = inputs;
    return backend.makeComplex(real.shape, copyOf(real), copyOf(imag));

    // A part may be disposed before the whole, so each gets data of its own.
    function copyOf(x: TensorInfo): TensorInfo {
      return backend.makeTensorInfo(x.shape, 'float32', backend.readSync(x.dataId));
    }
  });
  for (const [name, part] of [
    ['Real', 'real'],
    ['Imag', 'imag'],
  ] as const) {
    native(name, ({ inputs: { input }, backend }: Call<{ input: TensorInfo }>) => {
      const { parts } = backend.dataOf(input.dataId);
      if (!parts) return undefined;
      return backend.makeTensorInfo(input.shape, 'float32', backend.readSync(parts[part].dataId));
    });
  }
}
