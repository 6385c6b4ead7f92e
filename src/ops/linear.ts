/** Linear layers with low-rank updates; several layers of one input as one operation. */
import * as tf from '@tensorflow/tfjs-core';
import { isBf16, weightProduct } from './bf16.js';
import { check, checkFloat, isFloat } from './check.js';
import { checkKey, dropout, dropoutNumbers } from './dropout.js';
import { hasFused, type LinearGradOperands, type LinearOperands, runKernel } from './kernels.js';
import type { DropoutKey } from './philox.js';
import { adding, isFrozen, jointly, type Thunks, taped } from './tape.js';

/** A low-rank update (Hu et al. 2021): W + scale * B A, with dropout on the input of A. */
interface LoraWeights {
  /** (r, in) */
  A: tf.Tensor2D;
  /** (out, r) */
  B: tf.Tensor2D;
  /** lora_alpha / r */
  scale: number;
  dropout?: DropoutKey | undefined;
}

/** One linear layer: its weights, and an addend. */
export interface LinearLayer {
  /** (out, in): PyTorch's layout, as in the checkpoints */
  weight: tf.Tensor2D;
  /** (out) */
  bias?: tf.Tensor1D | undefined;
  lora?: LoraWeights | undefined;
  /** (..., out) */
  addend?: tf.Tensor | undefined;
}

/**
 * y = x W^T (+ bias) (+ scale * dropout(x) A^T B^T) (+ addend).
 *
 * @param x (..., in), float32
 * @returns (..., out)
 *
 * A weight that is a tf.Variable with trainable = false gets no gradient, and its input is not saved for backward. A
 * weight stored in bf16 (bf16.ts) is multiplied in bf16, with float32 accumulation.
 */
export function linear(
  x: tf.Tensor,
  weight: tf.Tensor2D,
  bias?: tf.Tensor1D,
  lora?: LoraWeights,
  addend?: tf.Tensor,
): tf.Tensor {
  return linears(x, [{ weight, bias, lora, addend }])[0]!;
}

/**
 * Layers of one input, such as queries, keys and values: {@link linear} of each as one operation. The products
 * accumulate the gradient to x as they write it, which saves an addition for each further layer.
 *
 * @param bf16 allow results stored in bf16 (see bf16.ts); they are where all weights are, and no layer has an update or an
 *   addend. A bias is then rounded to bf16 too
 * @returns the layers' results in their order, (..., out) each
 */
export function linears(x: tf.Tensor, layers: LinearLayer[], bf16 = false): tf.Tensor[] {
  for (const layer of layers) checkLinear(x, layer);
  if (hasFused('ReasLinear')) return fusedLinears(x, layers, bf16);
  return layers.map((layer) =>
    tf.tidy(() => {
      const y = tf.reshape(composedLinear(rowsOf(x), layer), resultShape(x, layer));
      return layer.addend ? tf.add(y, layer.addend) : y;
    }),
  );
}

const resultShape = (x: tf.Tensor, { weight }: LinearLayer): number[] => [
  ...x.shape.slice(0, -1),
  weight.shape[0],
];

/** As (rows, last axis). */
function rowsOf(x: tf.Tensor): tf.Tensor2D {
  const columns = x.shape[x.rank - 1] as number;
  return tf.reshape(x, [columns === 0 ? 0 : x.size / columns, columns]) as tf.Tensor2D;
}

function checkLinear(x: tf.Tensor, layer: LinearLayer): void {
  const { weight, bias, lora, addend } = layer;
  if (
    shapesFit(x, layer) &&
    [x, weight, bias, lora?.A, lora?.B, addend].every((each) => !each || isFloat(each))
  ) {
    if (lora?.dropout) checkKey(lora.dropout);
    return;
  }
  const all: Record<string, tf.Tensor> = { x, weight };
  if (bias) all.bias = bias;
  if (lora) {
    all['lora.A'] = lora.A;
    all['lora.B'] = lora.B;
  }
  if (addend) all.addend = addend;
  checkFloat('linear', all);
  const expected =
    'x (..., in), weight (out, in), bias (out), lora.A (r, in), lora.B (out, r), addend (..., out)';
  check(false, 'linear', expected, all);
}

function shapesFit(x: tf.Tensor, layer: LinearLayer): boolean {
  const { weight, bias, lora, addend } = layer;
  const [outputs, inputs] = weight.shape;
  return (
    weight.rank === 2 &&
    x.rank >= 1 &&
    x.shape[x.rank - 1] === inputs &&
    (!bias || (bias.rank === 1 && bias.shape[0] === outputs)) &&
    (!lora ||
      (lora.A.rank === 2 &&
        lora.B.rank === 2 &&
        lora.A.shape[1] === inputs &&
        lora.B.shape[0] === outputs &&
        lora.A.shape[0] === lora.B.shape[1])) &&
    (!addend || tf.util.arraysEqual(addend.shape, resultShape(x, layer)))
  );
}

function composedLinear(x: tf.Tensor2D, { weight, bias, lora }: LinearLayer): tf.Tensor {
  let y: tf.Tensor = weightProduct(x, weight);
  if (bias) y = tf.add(y, bias);
  if (lora) {
    const low = tf.matMul(dropout(x, lora.dropout), lora.A, false, true);
    y = tf.add(y, tf.mul(tf.matMul(low, lora.B, false, true), lora.scale));
  }
  return y;
}

/** Names of a layer's operands on the tape. */
interface Names {
  weight: string;
  bias: string;
  loraA: string;
  loraB: string;
  addend: string;
}
const made: Names[] = [];

/** Cached, since joining them for each call took a fifth of a tiny layer. */
function namesOf(layer: number): Names {
  made[layer] ??= {
    weight: `weight${layer}`,
    bias: `bias${layer}`,
    loraA: `loraA${layer}`,
    loraB: `loraB${layer}`,
    addend: `addend${layer}`,
  };
  return made[layer];
}

/** The layers as kernel operands, and the tensors that the gradients read. */
class LinearCall {
  readonly layers: LinearOperands[] = [];
  /** Whether the results may be stored in bf16. */
  readonly bf16: boolean;
  /** The operands that gradients may flow to, by name. */
  readonly trained: Record<string, tf.Tensor>;
  /** Saved for backward: weights, A and B of the layers in turn, then x if it is needed. */
  readonly read: tf.Tensor[] = [];

  constructor(x: tf.Tensor, layers: LinearLayer[], bf16: boolean) {
    this.trained = { x };
    this.bf16 = bf16 && layers.every(({ weight, lora, addend }) => !lora && !addend && isBf16(weight));
    let readsX = false;
    layers.forEach(({ weight, bias, lora, addend }, i) => {
      const names = namesOf(i);
      const { A: loraA, B: loraB, scale = 0, dropout: key } = lora ?? {};
      this.layers.push({ weight, bias, loraA, loraB, addend, scale, dropout: dropoutNumbers(key) });
      if (bias) this.note(names.bias, bias);
      if (addend) this.note(names.addend, addend);
      readsX = this.note(names.weight, weight) || readsX;
      this.read.push(weight);
      if (!loraA || !loraB) return;
      const [first, second] = [this.note(names.loraA, loraA), this.note(names.loraB, loraB)];
      readsX ||= first || second;
      this.read.push(loraA, loraB);
    });
    if (readsX) this.read.push(x);
  }

  private note(name: string, tensor: tf.Tensor): boolean {
    const trains = !isFrozen(tensor);
    if (trains) this.trained[name] = tensor;
    return trains;
  }
}

/**
 * One kernel forward. Backward: one kernel for the input's gradient, one for those of A and B (they share dropout(x)
 * and dy B), and for a trainable weight and bias a matrix product and a sum.
 */
function fusedLinears(x: tf.Tensor, layers: LinearLayer[], bf16: boolean): tf.Tensor[] {
  const call = new LinearCall(x, layers, bf16);
  return taped(
    'linear',
    call.trained,
    (save) => {
      save(call.read);
      return runKernel('ReasLinear', { x }, { layers: call.layers, bf16: call.bf16 });
    },
    (dys, saved) => gradients(call, dys, saved),
  );
}

/** @param dys gradients of the results. @param saved call.read, as saved for backward. */
function gradients({ layers, trained }: LinearCall, dys: tf.Tensor[], saved: tf.Tensor[]): Thunks {
  let at = 0;
  const held: LinearGradOperands[] = layers.map(({ loraA, scale, dropout }, i) => ({
    dy: dys[i]!,
    weight: saved[at++]!,
    loraA: loraA && saved[at++]!,
    loraB: loraA && saved[at++]!,
    scale,
    dropout,
  }));
  const x = saved[at];
  const thunks: Thunks = {
    x: adding((addend) => runKernel('ReasLinearGradInput', { addend }, { layers: held })),
  };
  dys.forEach((dy, i) => {
    const { weight, bias, loraA, loraB, addend } = namesOf(i);
    if (trained[weight]) thunks[weight] = () => tf.matMul(rowsOf(dy), rowsOf(x!), true, false);
    if (trained[bias]) thunks[bias] = () => tf.sum(rowsOf(dy), 0);
    if (trained[addend]) thunks[addend] = () => tf.clone(dy);
    if (trained[loraA] || trained[loraB]) {
      const { loraA: A, loraB: B, scale, dropout } = held[i]! as Required<LinearGradOperands>;
      const operands = { dy, x: x!, loraA: A as tf.Tensor, loraB: B as tf.Tensor };
      const both = jointly(() => runKernel('ReasLinearGradLora', operands, { scale, dropout }));
      thunks[loraA] = () => both(0);
      thunks[loraB] = () => both(1);
    }
  });
  return thunks;
}
