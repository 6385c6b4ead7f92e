/**
 * The kernels of src/ops/kernels.ts on our own devices. Most are one call: results are allocated as the table says, the
 * call's fields are filled in, and the device's function runs. The others are written by hand. Shapes were checked by
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

const make = (backend: NativeBackend, { shape, dtype = 'float32', bf16 }: Wanted): TensorInfo =>
  bf16 ? backend.outputBf16(shape) : backend.output(shape, dtype);

/** Runs `body`, which makes results; frees them when it fails. */
function making<Made>(backend: NativeBackend, body: (result: (wanted: Wanted) => TensorInfo) => Made): Made {
  const made: TensorInfo[] = [];
  try {
    return body((wanted) => {
      const info = make(backend, wanted);
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
  const run = (inputs: Tensors, attrs: object, backend: NativeBackend, made: Tensors): void => {
    try {
      (backend.calls[name] as (...fields: unknown[]) => void)(inputs, attrs, made);
      (backend.device[name] as () => void)();
    } catch (error) {
      for (const info of Object.values(made)) if (info) backend.disposeData(info.dataId);
      throw error;
    }
  };
  // Most kernels have one result; without this case a small one takes a tenth longer.
  if (results.length === 1) {
    const [result, wantedOf] = results[0]!;
    return (inputs: Tensors, attrs: object, backend: NativeBackend): TensorInfo => {
      const info = make(backend, wantedOf(inputs, attrs)!);
      run(inputs, attrs, backend, { [result]: info });
      return info;
    };
  }
  return (inputs: Tensors, attrs: object, backend: NativeBackend): TensorInfo[] => {
    const made: Tensors = {};
    const given: TensorInfo[] = [];
    for (let i = 0; i < results.length; i++) {
      const [result, wantedOf] = results[i]!;
      const wanted = wantedOf(inputs, attrs);
      if (wanted === undefined) continue;
      made[result] = make(backend, wanted);
      given.push(made[result]);
    }
    run(inputs, attrs, backend, made);
    return given;
  };
}

/** A result of so many words of 32 bits, whose meaning the device alone knows; none for none. */
const roomFor = (words: number, result: (wanted: Wanted) => TensorInfo): TensorInfo | undefined =>
  words > 0 ? result({ shape: [words], dtype: 'int32' }) : undefined;

const byHand: Implementations<NativeBackend> = {
  ReasLinear: ({ x }, attrs, backend) =>
    making(backend, (result) =>
      KERNELS.ReasLinear.results.ys({ x }, attrs).map((wanted, i) => {
        const layer = attrs.layers[i]!;
        const { weight, bias, loraA, loraB, addend } = layer;
        const y = result(wanted);
        backend.calls.linear({ x, weight, bias, loraA, loraB, addend }, layer, { y });
        backend.device.linear!();
        return y;
      }),
    ),

  ReasLinearGradInput: (inputs, attrs, backend) =>
    making(backend, (result) => {
      const dx = result(KERNELS.ReasLinearGradInput.results.dx(inputs, attrs));
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
    making(backend, (result) => {
      const { calls, device } = backend;
      const out = result(KERNELS.ReasAttention.results.out(inputs, attrs));
      let words = 0;
      if (attrs.keep && attrs.half && device.attentionKept) {
        calls.attentionKept(inputs, attrs, { out });
        words = device.attentionKept();
      }
      const kept = roomFor(words, result);
      calls.attention(inputs, attrs, { out, kept });
      device.attention!();
      return kept ? [out, kept] : [out];
    }),

  ReasCausalAttention: (inputs, attrs, backend) =>
    making(backend, (result) => {
      const { calls, device } = backend;
      const out = result(KERNELS.ReasCausalAttention.results.out(inputs, attrs));
      let words = 0;
      if (attrs.keep && attrs.half && device.causalAttentionKept) {
        calls.causalAttentionKept(inputs, attrs, { out });
        words = device.causalAttentionKept();
      }
      const kept = roomFor(words, result);
      calls.causalAttention(inputs, attrs, { out, kept });
      device.causalAttention!();
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
    making(backend, (result) => {
      const norm = result({ shape: [] });
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
