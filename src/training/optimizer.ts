/** AdamW over the parameters of a trial, with gradient clipping. */
import * as tf from '@tensorflow/tfjs-core';
import type { Parameter } from '../model/layers/module.js';
import { adamwStep, globalNorm } from '../ops/adamw.js';

export interface OptimizerSettings {
  beta1: number;
  beta2: number;
  eps: number;
  weightDecay: number;
  /** Largest allowed global gradient norm; 0 = no clipping. */
  clipNorm: number;
}

/**
 * AdamW (Loshchilov and Hutter 2019) over the trainable parameters, with weight decay on tensors of two or more
 * dimensions only (LAVIS runner_base.py: 1-D tensors and biases are not decayed).
 */
export class AdamW {
  /** Steps taken so far; the bias correction depends on it. */
  step = 0;
  private readonly m: tf.Variable[];
  private readonly v: tf.Variable[];

  constructor(
    readonly parameters: readonly Parameter[],
    readonly settings: OptimizerSettings,
  ) {
    const moment = (p: Parameter) => tf.tidy(() => tf.variable(tf.zeros(p.shape), false));
    this.m = parameters.map(moment);
    this.v = parameters.map(moment);
  }

  /**
   * One update. The gradients are not disposed.
   *
   * @param learningRateOf rate of one parameter, so that LoRA may have its own.
   * @param scale multiplies every gradient first (1 / accumulated batches).
   * @returns the global gradient norm before clipping; NaN when clipping is off, since the norm is not needed then.
   */
  update(grads: tf.Tensor[], learningRateOf: (parameter: Parameter) => number, scale = 1): number {
    const { beta1, beta2, eps, weightDecay, clipNorm } = this.settings;
    this.step++;
    let norm = Number.NaN;
    let gradScale = scale;
    if (clipNorm > 0) {
      norm = tf.tidy(() => globalNorm(grads).dataSync()[0]!) * scale;
      // torch.nn.utils.clip_grad_norm_ adds 1e-6 to the norm.
      gradScale *= Math.min(1, clipNorm / (norm + 1e-6));
    }
    const groups = this.parameters.map((parameter, i) => ({
      parameter: parameter.value,
      m: this.m[i]!,
      v: this.v[i]!,
      weightDecay: parameter.shape.length >= 2 ? weightDecay : 0,
      learningRate: learningRateOf(parameter),
    }));
    adamwStep(groups, grads, { beta1, beta2, eps, step: this.step, gradScale });
    return norm;
  }

  /** Optimizer state by parameter name: `<name>.m` and `<name>.v`. */
  *state(): Generator<[string, tf.Variable]> {
    for (let i = 0; i < this.parameters.length; i++) {
      const { name } = this.parameters[i]!;
      yield [`${name}.m`, this.m[i]!];
      yield [`${name}.v`, this.v[i]!];
    }
  }

  dispose(): void {
    tf.dispose([...this.m, ...this.v]);
  }
}
