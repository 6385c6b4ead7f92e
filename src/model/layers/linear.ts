/** The Linear layer with an optional low-rank adapter. */
import type * as tf from '@tensorflow/tfjs-core';
import { isBf16 } from '../../ops/bf16.js';
import { type LinearLayer, linears } from '../../ops/linear.js';
import { type Context, inferenceContext, nextDropout } from '../context.js';
import { Module, type Parameter, single } from './module.js';

/** Settings of one low-rank adapter (Hu et al. 2021; names as in PEFT). */
interface LoraSettings {
  r: number;
  /** The factor on B A x: alpha / r. */
  scaling: number;
  dropout: number;
}

/**
 * y = x W^T + b, with the weight as torch stores it: (out, in). With an adapter, y += scaling * B(A(dropout(x))).
 *
 * Input (..., in) float32, output (..., out) float32.
 */
export class Linear extends Module {
  static className = 'ReasVqaLinear';
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;
  lora: { A: Parameter; B: Parameter; scaling: number; dropout: number } | undefined;

  constructor(
    path: string,
    readonly inFeatures: number,
    readonly outFeatures: number,
    bias: boolean,
    initialStd = inFeatures ** -0.5,
  ) {
    super(path);
    this.weight = this.parameter('weight', [outFeatures, inFeatures], { normal: initialStd });
    this.bias = bias ? this.parameter('bias', [outFeatures], 'zeros') : undefined;
  }

  /** Adds an adapter: `lora_A.weight` (r, in) by torch's default kaiming-uniform, `lora_B.weight` (out, r) zeros. */
  addLora(settings: LoraSettings): void {
    if (this.lora) throw new Error(`${this.path}: has an adapter already`);
    this.lora = {
      A: this.parameter('lora_A.weight', [settings.r, this.inFeatures], {
        uniform: 1 / Math.sqrt(this.inFeatures),
      }),
      B: this.parameter('lora_B.weight', [this.outFeatures, settings.r], 'zeros'),
      scaling: settings.scaling,
      dropout: settings.dropout,
    };
  }

  /** Whether the weight is stored in bf16. The product then rounds x to bf16, so x may be stored as bf16. */
  get readsBf16(): boolean {
    return isBf16(this.weight.value);
  }

  /** @param addend (..., out), added to the result. */
  forward<T extends tf.Tensor>(x: T, context: Context, addend?: T): T {
    return linears(x, [{ ...this.operands(context), addend }])[0] as T;
  }

  /** The weights as they are now; draws the next dropout of an adapter. */
  operands(context: Context): LinearLayer {
    const lora = this.lora && {
      A: this.lora.A.value as tf.Tensor2D,
      B: this.lora.B.value as tf.Tensor2D,
      scale: this.lora.scaling,
      dropout: nextDropout(context, this.lora.dropout),
    };
    const bias = this.bias?.value as tf.Tensor1D | undefined;
    return { weight: this.weight.value as tf.Tensor2D, bias, lora };
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return this.forward(single(inputs), inferenceContext());
  }

  override computeOutputShape(inputShape: number[]): number[] {
    return [...inputShape.slice(0, -1), this.outFeatures];
  }

  override getConfig(): tf.serialization.ConfigDict {
    const config = { path: this.path, inFeatures: this.inFeatures, outFeatures: this.outFeatures };
    return { ...super.getConfig(), ...config, bias: this.bias !== undefined };
  }
}

/**
 * Layers of one input, computed as one operation: x (..., in) to (..., out) each, in their order.
 *
 * @param bf16 allow results stored in bf16 (src/ops/bf16.ts); only where every reader accepts bf16
 */
export function forwardAll<T extends tf.Tensor>(
  layers: readonly Linear[],
  x: T,
  context: Context,
  bf16 = false,
): T[] {
  return linears(
    x,
    layers.map((layer) => layer.operands(context)),
    bf16,
  ) as T[];
}

/** Whether all layers round their input to bf16. */
export const readInBf16 = (layers: readonly Linear[]): boolean => layers.every((layer) => layer.readsBf16);

/**
 * Options of attention whose result `reader` alone reads: rounded operands, and a result stored in bf16
 * (ops/attention.ts).
 */
export const readBy = (reader: Linear, context: Context) => ({ half: context.mixed, bf16: reader.readsBf16 });

/** Linear layers of a module by checkpoint path, for adapters. */
export function linearsOf(module: Module): Map<string, Linear> {
  const found = new Map<string, Linear>();
  for (const each of module.modules()) if (each instanceof Linear) found.set(each.path, each);
  return found;
}
