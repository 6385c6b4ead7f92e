import * as tf from '@tensorflow/tfjs-core';
import { linearOperands } from '../../linearOperands.js';
import {
  type AttentionArgs,
  type Attrs,
  Call,
  type DropoutArgs,
  type FusedBackend,
  type Inputs,
  type LinearArgs,
  NONE,
} from './fusedCall.js';
import { sizeOf } from './strides.js';

/**
 * The fused kernels of src/ops on our own engine: each unpacks its tensors, allocates the results and makes one call
 * into the addon. Shapes were checked by the operation; the addon checks every size against its buffer again.
 */

type Kernel = (call: Call) => tf.TensorInfo | tf.TensorInfo[];

const widthOf = (info: tf.TensorInfo): number => info.shape[info.shape.length - 1] as number;

/** Elements of all axes but the last. */
const rowsOf = ({ shape }: tf.TensorInfo): number => sizeOf(shape, shape.length - 1);

const dropout: Kernel = (call) => {
  const x = call.tensor('x');
  const y = call.like('x', call.bf16);
  call.addon.fusedDropout(call.id('x'), call.id('addend'), y.id, rowsOf(x), widthOf(x), ...call.dropout);
  return y.info;
};

const geluForm = (call: Call): number => (call.attrs.form === 'tanh' ? 1 : 0);

const gelu: Kernel = (call) => {
  const y = call.like('x', call.bf16);
  call.addon.fusedGelu(geluForm(call), call.id('x'), y.id, sizeOf(y.info.shape));
  return y.info;
};

const geluGrad: Kernel = (call) => {
  const dx = call.like('x', call.bf16);
  call.addon.fusedGeluGrad(geluForm(call), call.id('dy'), call.id('x'), dx.id, sizeOf(dx.info.shape));
  return dx.info;
};

const gatedGelu: Kernel = (call) => {
  const y = call.like('gate', call.bf16);
  const [rows, columns] = [rowsOf(y.info), widthOf(y.info)];
  const [gate, up] = [call.id('gate'), call.id('up')];
  call.addon.fusedGatedGelu(geluForm(call), gate, up, y.id, rows, columns, ...call.dropout);
  return y.info;
};

const gatedGeluGrad: Kernel = (call) => {
  const dgate = call.like('gate', call.bf16);
  const dup = call.like('up', call.bf16);
  const [rows, columns] = [rowsOf(dup.info), widthOf(dup.info)];
  const [dy, gate, up] = [call.id('dy'), call.id('gate'), call.id('up')];
  const form = geluForm(call);
  call.addon.fusedGatedGeluGrad(form, dy, gate, up, dgate.id, dup.id, rows, columns, ...call.dropout);
  return [dgate.info, dup.info];
};

const normSizes = (call: Call): [number, number, number] => {
  const x = call.tensor('x');
  return [rowsOf(x), widthOf(x), call.number('eps')];
};

const layerNorm: Kernel = (call) => {
  const y = call.like('x', call.bf16);
  call.addon.fusedLayerNorm(call.id('x'), call.id('weight'), call.id('bias'), y.id, ...normSizes(call));
  return y.info;
};

const normGradInput =
  (name: 'fusedLayerNormGradInput' | 'fusedRmsNormGradInput'): Kernel =>
  (call) => {
    const dx = call.like('x');
    const [dy, x, weight, addend] = [call.id('dy'), call.id('x'), call.id('weight'), call.id('addend')];
    call.addon[name](dy, x, weight, addend, dx.id, ...normSizes(call));
    return dx.info;
  };

const layerNormGradParameters: Kernel = (call) => {
  const dweight = call.result([call.size('x', -1)]);
  const dbias = call.result([call.size('x', -1)]);
  const [dy, x] = [call.id('dy'), call.id('x')];
  call.addon.fusedLayerNormGradParameters(dy, x, dweight.id, dbias.id, ...normSizes(call));
  return [dweight.info, dbias.info];
};

/** The result, and with `inverses` those of the rows' root mean squares. */
const rmsNorm: Kernel = (call) => {
  const y = call.like('x', call.bf16);
  const inverses = call.attrs.inverses ? call.result([rowsOf(y.info)]) : undefined;
  call.addon.fusedRmsNorm(call.id('x'), call.id('weight'), y.id, inverses?.id ?? NONE, ...normSizes(call));
  return inverses ? [y.info, inverses.info] : [y.info];
};

const rmsNormGradFromResult: Kernel = (call) => {
  const y = call.tensor('y');
  const dx = call.like('y');
  const kept = [call.id('y'), call.id('weight'), call.id('inverses')] as const;
  const sizes = [rowsOf(y), widthOf(y)] as const;
  call.addon.fusedRmsNormGradFromResult(call.id('dy'), ...kept, call.id('addend'), dx.id, ...sizes);
  return dx.info;
};

const rmsNormGradWeight: Kernel = (call) => {
  const dweight = call.result([call.size('x', -1)]);
  call.addon.fusedRmsNormGradWeight(call.id('dy'), call.id('x'), dweight.id, ...normSizes(call));
  return dweight.info;
};

/** rows are those of the tensor `rowsFrom` (..., columns); r is 0 without a low-rank update. */
function linearSizes(call: Call, rowsFrom: string, layer: number): LinearArgs {
  const { weight, loraA } = linearOperands(layer);
  const [outputs, inputs] = call.tensor(weight).shape as [number, number];
  const r = call.inputs[loraA] === undefined ? 0 : call.size(loraA, 0);
  const scale = (call.attrs.scales as number[])[layer]!;
  const dropout = (call.attrs.dropouts as DropoutArgs[])[layer]!;
  return [rowsOf(call.tensor(rowsFrom)), inputs, outputs, r, scale, ...dropout];
}

const layersOf = (call: Call): number => (call.attrs.scales as number[]).length;

/** Several layers of one input: weight0, bias0, loraA0, loraB0, addend0, weight1, ... */
const linear: Kernel = (call) => {
  const results: tf.TensorInfo[] = [];
  for (let layer = 0; layer < layersOf(call); layer++) {
    const { weight, bias, loraA, loraB, addend } = linearOperands(layer);
    const shape = call.tensor('x').shape.slice();
    shape[shape.length - 1] = call.size(weight, 0);
    const y = call.result(shape, call.bf16);
    call.addon.fusedLinear(
      call.id('x'),
      call.id(weight),
      call.id(bias),
      call.id(loraA),
      call.id(loraB),
      y.id,
      ...linearSizes(call, 'x', layer),
      call.id(addend),
    );
    results.push(y.info);
  }
  return results;
};

/** The sum of the layers' gradients to their input, and of the addend. */
const linearGradInput: Kernel = (call) => {
  const dx = call.result([...call.tensor('dy0').shape.slice(0, -1), call.size('weight0', 1)]);
  for (let layer = 0; layer < layersOf(call); layer++) {
    const { dy, weight, loraA, loraB } = linearOperands(layer);
    call.addon.fusedLinearGradInput(
      call.id(dy),
      call.id(weight),
      call.id(loraA),
      call.id(loraB),
      dx.id,
      ...linearSizes(call, dy, layer),
      layer === 0 ? call.id('addend') : dx.id,
    );
  }
  return dx.info;
};

const linearGradLora: Kernel = (call) => {
  const dA = call.like('loraA');
  const dB = call.like('loraB');
  const [r, inputs] = call.tensor('loraA').shape as [number, number];
  call.addon.fusedLinearGradLora(
    call.id('dy'),
    call.id('x'),
    call.id('loraA'),
    call.id('loraB'),
    dA.id,
    dB.id,
    ...[rowsOf(call.tensor('dy')), inputs, call.size('loraB', 0), r, call.number('scale')],
    ...call.dropout,
  );
  return [dA.info, dB.info];
};

/** Packed: the input q holds k and v as well, as thirds of each row. */
const isPacked = (call: Call): boolean => call.attrs.packed === true;

/** Shapes of q, k and v, (B, L, width) each; where `kept` stands for them, an attribute says what they were. */
function attentionShapes(call: Call): [number[], number[], number[]] {
  if (call.inputs.kept) return call.attrs.shapes as [number[], number[], number[]];
  const q = call.tensor('q').shape;
  if (!isPacked(call)) return [q, call.tensor('k').shape, call.tensor('v').shape];
  const third = [q[0]!, q[1]!, q[2]! / 3];
  return [third, third, third];
}

function attentionArgs(call: Call, kept: number): AttentionArgs {
  const heads = call.number('heads');
  const packed = isPacked(call);
  const [[batch, Lq, width], , [, , widthOfV]] = attentionShapes(call) as [number[], number[], number[]];
  return [
    call.id('q'),
    call.id(packed ? 'q' : 'k'),
    call.id(packed ? 'q' : 'v'),
    call.id('bias'),
    call.id('keyMask'),
    batch!,
    heads,
    Lq!,
    call.number('keys'),
    width! / heads,
    widthOfV! / heads,
    call.inputs.bias === undefined ? 0 : call.size('bias', 0),
    call.number('scale'),
    ...call.dropout,
    Number(isHalf(call)),
    Number(packed),
    kept,
  ];
}

/** Whether the device may round the operands. */
const isHalf = (call: Call): boolean => call.attrs.half === true;

/** Heads wider than this are not multiplied in f16: kWidestHalf in src/native/cuda/fused_attention.cc. */
const WIDEST_HALF = 96;
/** In f16, to a multiple of 16 bytes: keptOf there. */
const keptWords = (shape: number[]): number => 4 * Math.ceil(sizeOf(shape) / 8);

/** The result, and with `keep` what the device keeps of q, k and v in half their bytes, if it does. */
const attention: Kernel = (call) => {
  const [q, k, v] = attentionShapes(call);
  const heads = call.number('heads');
  const out = call.result([q[0]!, q[1]!, v[2]!], call.bf16);
  const half = isHalf(call) && call.has16Bits && Math.max(q[2]!, v[2]!) <= WIDEST_HALF * heads;
  const kept = call.attrs.keep && half ? call.words(keptWords(q) + keptWords(k) + keptWords(v)) : undefined;
  call.addon.fusedAttention(...attentionArgs(call, kept?.id ?? NONE), out.id);
  return kept ? [out.info, kept.info] : [out.info];
};

/** Results in the order dq, dk, dv, dbias, as far as wanted. */
const attentionGrad: Kernel = (call) => {
  const inputs = call.attrs.wantQkv ? attentionShapes(call).map((shape) => call.result(shape)) : [];
  const dbias = call.attrs.wantBias ? call.like('bias') : undefined;
  const [dq, dk, dv] = inputs;
  call.addon.fusedAttentionGrad(
    ...attentionArgs(call, call.id('kept')),
    call.id('dy'),
    dq?.id ?? NONE,
    dk?.id ?? NONE,
    dv?.id ?? NONE,
    dbias?.id ?? NONE,
  );
  return [...inputs, ...(dbias ? [dbias] : [])].map((result) => result.info);
};

function lossSizes(call: Call): [number, number, number, number] {
  const [V, d] = call.tensor('weight').shape as [number, number];
  return [call.size('hidden', 0), V, d, call.number('chunkRows')];
}

/** The loss, and the gradient to hidden (for dy = 1) when wanted. */
const crossEntropy: Kernel = (call) => {
  const loss = call.result([call.size('hidden', 0)]);
  const gradient = call.attrs.wantGradient ? call.like('hidden') : undefined;
  call.addon.fusedCrossEntropy(
    call.id('hidden'),
    call.id('weight'),
    call.id('labels'),
    loss.id,
    gradient?.id ?? NONE,
    ...lossSizes(call),
  );
  return gradient ? [loss.info, gradient.info] : [loss.info];
};

const crossEntropyGradWeight: Kernel = (call) => {
  const dweight = call.like('weight');
  call.addon.fusedCrossEntropyGradWeight(
    call.id('dy'),
    call.id('hidden'),
    call.id('weight'),
    call.id('labels'),
    dweight.id,
    ...lossSizes(call),
  );
  return dweight.info;
};

const embedding: Kernel = (call) => {
  const [rows, d] = call.tensor('table').shape as [number, number];
  const { shape } = call.tensor('ids');
  const y = call.result([...shape, d]);
  call.addon.fusedEmbedding(call.id('table'), call.id('ids'), y.id, sizeOf(shape), rows, d);
  return y.info;
};

const embeddingGrad: Kernel = (call) => {
  const dy = call.tensor('dy');
  const rows = call.number('rows');
  const dtable = call.result([rows, widthOf(dy)]);
  call.addon.fusedEmbeddingGrad(call.id('dy'), call.id('ids'), dtable.id, rowsOf(dy), rows, widthOf(dy));
  return dtable.info;
};

/**
 * The inputs are an array: p, m, v and gradient of each parameter. p, m and v are updated in place; nobody else may hold
 * their buffers (adamwStep sees to it).
 */
const adamw: Kernel = (call) => {
  const learningRates = call.attrs.learningRates as number[];
  const weightDecays = call.attrs.weightDecays as number[];
  const infos = call.inputs as unknown as tf.TensorInfo[];
  const buffers = Int32Array.from(infos, (info, i) => {
    if (i % 4 !== 3 && call.backend.refCount(info.dataId) !== 1)
      throw new Error(`adamw: ${'pmv'[i % 4]} of parameter ${Math.floor(i / 4)} shares its buffer`);
    return call.backend.bufferOf(info);
  });
  const sizes = Float64Array.from(learningRates, (_, i) => sizeOf(infos[4 * i]!.shape));
  const rates = Float64Array.from({ length: 2 * sizes.length }, (_, i) =>
    i % 2 === 0 ? learningRates[i / 2]! : weightDecays[(i - 1) / 2]!,
  );
  const [beta1, beta2, eps] = [call.number('beta1'), call.number('beta2'), call.number('eps')];
  const [step, gradScale] = [call.number('step'), call.number('gradScale')];
  call.addon.fusedAdamW(buffers, sizes, rates, beta1, beta2, eps, step, gradScale);
  return [];
};

const globalNorm: Kernel = (call) => {
  const infos = Object.values(call.inputs);
  const buffers = Int32Array.from(infos, (info) => call.backend.bufferOf(info));
  const sizes = Float64Array.from(infos, (info) => sizeOf(info.shape));
  const norm = call.result([]);
  call.addon.fusedGlobalNorm(buffers, sizes, norm.id);
  return norm.info;
};

const kernels: Record<string, Kernel> = {
  ReasDropout: dropout,
  ReasResidual: dropout,
  ReasGelu: gelu,
  ReasGeluGrad: geluGrad,
  ReasGatedGelu: gatedGelu,
  ReasGatedGeluGrad: gatedGeluGrad,
  ReasLayerNorm: layerNorm,
  ReasLayerNormGradInput: normGradInput('fusedLayerNormGradInput'),
  ReasLayerNormGradParameters: layerNormGradParameters,
  ReasRmsNorm: rmsNorm,
  ReasRmsNormGradInput: normGradInput('fusedRmsNormGradInput'),
  ReasRmsNormGradWeight: rmsNormGradWeight,
  ReasRmsNormGradFromResult: rmsNormGradFromResult,
  ReasLinear: linear,
  ReasLinearGradInput: linearGradInput,
  ReasLinearGradLora: linearGradLora,
  ReasAttention: attention,
  ReasAttentionGrad: attentionGrad,
  ReasLinearCrossEntropy: crossEntropy,
  ReasLinearCrossEntropyGradWeight: crossEntropyGradWeight,
  ReasEmbedding: embedding,
  ReasEmbeddingGrad: embeddingGrad,
  ReasAdamW: adamw,
  ReasGlobalNorm: globalNorm,
};

/**
 * Registers the fused kernels for an engine; loads nothing native.
 *
 * @param backendName the engine's name in tfjs, such as native-cpu; its backend is a FusedBackend
 */
export function registerFusedKernels(backendName: string): void {
  for (const [kernelName, kernel] of Object.entries(kernels)) {
    tf.registerKernel({
      kernelName,
      backendName,
      kernelFunc: ({ inputs, attrs, backend }) => {
        const call = new Call(backend as FusedBackend, inputs as Inputs, (attrs ?? {}) as Attrs);
        try {
          return kernel(call);
        } catch (error) {
          call.abandon();
          throw error;
        }
      },
    });
  }
}
