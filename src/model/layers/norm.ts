/** Layer normalisation and RMS normalisation as layers. */
import type * as tf from '@tensorflow/tfjs-core';
import { layerNorm, rmsNorm } from '../../ops/norm.js';
import { Module, type Parameter, single } from './module.js';

/** Base of both norms: one scale per channel, applied over the last axis; (..., d) float32 in and out. */
export abstract class Norm extends Module {
  readonly weight: Parameter;

  constructor(
    path: string,
    readonly size: number,
    readonly eps: number,
  ) {
    super(path);
    this.weight = this.parameter('weight', [size], 'ones');
  }

  /** @param bf16 allow a result stored in bf16 (src/ops/bf16.ts); only where all its readers are layers in bf16. */
  abstract forward<T extends tf.Tensor>(x: T, bf16?: boolean): T;

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return this.forward(single(inputs));
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), path: this.path, size: this.size, eps: this.eps };
  }
}

/** Layer normalisation with scale and shift. */
export class LayerNorm extends Norm {
  static className = 'ReasVqaLayerNorm';
  readonly bias: Parameter;

  constructor(path: string, size: number, eps: number) {
    super(path, size, eps);
    this.bias = this.parameter('bias', [size], 'zeros');
  }

  forward<T extends tf.Tensor>(x: T, bf16 = false): T {
    return layerNorm(x, this.weight.value as tf.Tensor1D, this.bias.value as tf.Tensor1D, this.eps, bf16);
  }
}

/** T5's normalisation: x / rms(x) * weight, no mean, no shift. */
export class RmsNorm extends Norm {
  static className = 'ReasVqaRmsNorm';

  forward<T extends tf.Tensor>(x: T, bf16 = false): T {
    return rmsNorm(x, this.weight.value as tf.Tensor1D, this.eps, bf16);
  }
}
