/**
 * The kernels of src/ops/kernels.ts on our own devices. Most are one call: results are allocated as the table says, the call's
 * fields are filled in, and the device's function runs. Those that are more than that follow by hand. Shapes were checked by
 * the operation; the addon checks every size against its buffer again.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import {
  type Implementations,
  KERNELS,
  type KernelName,
  registerKernels,
  type Wanted,
} from '../../ops/kernels.js';
import type { NativeDevice } from './addon.js';
import type { NativeBackend } from './backend.js';
import type { FusedName } from './entries.js';
import { appendRow } from './kernels/movement.js';
import { sizeOf } from './strides.js';

type Make = (wanted: Wanted) => TensorInfo;

/** Runs `body`, which makes results; frees them when it fails. */
function making<Made>(backend: NativeBackend, body: (make: Make) => Made): Made {
  const made: TensorInfo[] = [];
  try {
    return body(({ shape, dtype = 'float32', bf16 }) => {
      const info = bf16 ? backend.outputBf16(shape) : backend.output(shape, dtype);
      made.push(info);
      return info;
    });
  } catch (error) {
    for (const { dataId } of made) backend.disposeData(dataId);
    throw error;
  }
}

type Untyped = (...given: unknown[]) => Wanted | undefined;
type Tensors = Record<string, TensorInfo | undefined>;

/** A kernel that is one call of the device's function of that name. */
function direct(kernelName: KernelName, name: FusedName) {
  const results = Object.entries(KERNELS[kernelName].results) as [string, Untyped][];
  return (inputs: Tensors, attrs: object, backend: NativeBackend): TensorInfo | TensorInfo[] =>
    making(backend, (make) => {
      const given: TensorInfo[] = [];
      const made: Tensors = {};
      for (const [result, wantedOf] of results) {
        const wanted = wantedOf(inputs, attrs);
        if (wanted === undefined) continue;
        made[result] = make(wanted);
        given.push(made[result]);
      }
      (backend.calls[name] as (...fields: unknown[]) => void)(inputs, attrs, made);
      (backend.device[name] as () => void)();
      return results.length === 1 ? given[0]! : given;
    });
}

const byHand: Implementations<NativeBackend> = {
  ReasLinear: ({ x }, attrs, backend) =>
    making(backend, (make) =>
      KERNELS.ReasLinear.results.ys({ x }, attrs).map((wanted, i) => {
        const layer = attrs.layers[i]!;
        const { weight, bias, loraA, loraB, addend } = layer;
        const y = make(wanted);
        backend.calls.linear({ x, weight, bias, loraA, loraB, addend }, layer, { y });
        backend.device.linear!();
        return y;
      }),
    ),

  ReasLinearGradInput: (inputs, attrs, backend) =>
    making(backend, (make) => {
      const dx = make(KERNELS.ReasLinearGradInput.results.dx(inputs, attrs));
      let { addend } = inputs;
      for (const layer of attrs.layers) {
        const { dy, weight, loraA, loraB } = layer;
        backend.calls.linearGradInput({ dy, weight, loraA, loraB, addend }, layer, { dx });
        backend.device.linearGradInput!();
        addend = dx;
      }
      return dx;
    }),

  ReasAttention: (inputs, attrs, backend) =>
    making(backend, (make) => {
      const { calls, device } = backend;
      const out = make(KERNELS.ReasAttention.results.out(inputs, attrs));
      let words = 0;
      if (attrs.keep && attrs.half && device.attentionKept) {
        calls.attentionKept(inputs, attrs, { out });
        words = device.attentionKept();
      }
      const kept = words > 0 ? make({ shape: [words], dtype: 'int32' }) : undefined;
      calls.attention(inputs, attrs, { out, kept });
      device.attention!();
      return kept ? [out, kept] : [out];
    }),

  ReasAdamW: (infos, attrs, backend) => {
    const { learningRates, weightDecays } = attrs;
    const buffers = Int32Array.from(infos, (info, i) => {
      if (i % 4 !== 3 && backend.refCount(info.dataId) !== 1)
        throw new Error(`adamw: ${'pmv'[i % 4]} of parameter ${Math.floor(i / 4)} shares its buffer`);
      return backend.bufferOf(info);
    });
    const sizes = Float64Array.from(learningRates, (_, i) => sizeOf(infos[4 * i]!.shape));
    const rates = Float64Array.from({ length: 2 * sizes.length }, (_, i) =>
      i % 2 === 0 ? learningRates[i / 2]! : weightDecays[(i - 1) / 2]!,
    );
    backend.calls.adamW([], attrs, {});
    backend.device.adamW!(buffers, sizes, rates);
    return [];
  },

  ReasGlobalNorm: (infos, attrs, backend) =>
    making(backend, (make) => {
      const norm = make({ shape: [] });
      backend.calls.globalNorm([], attrs, { norm });
      const buffers = Int32Array.from(infos, (info) => backend.bufferOf(info));
      backend.device.globalNorm!(
        buffers,
        Float64Array.from(infos, ({ shape }) => sizeOf(shape)),
      );
      return norm;
    }),

  ReasAppendRow: ({ storage, row }, { at }, backend) => {
    appendRow(backend, storage, row, at);
    return [];
  },
  ReasToBf16: ({ x }, _, backend) => backend.asBf16(x),
  ReasBf16OfBits: (_, { bits, shape }, backend) => backend.bf16OfBits(bits, shape),
};

/**
 * Registers every kernel that the device has a function for, and those by hand.
 *
 * @param backendName the engine's name in tfjs, such as native-cpu; its backend is a NativeBackend
 */
export function registerFusedKernels(backendName: string, device: NativeDevice): void {
  const kernels: Record<string, unknown> = {};
  for (const name of Object.keys(device.layouts) as FusedName[]) {
    const kernelName = `Reas${name[0]!.toUpperCase()}${name.slice(1)}` as KernelName;
    if (kernelName in KERNELS) kernels[kernelName] = direct(kernelName, name);
  }
  registerKernels(backendName, { ...kernels, ...byHand } as Implementations<NativeBackend>);
}
