/** From the tower's tokens to the language model's: two layers, pooled between them. */
import type * as tf from '@tensorflow/tfjs-core';
import { gelu } from '../../ops/activation.js';
import type { Context } from '../context.js';
import { Linear } from '../layers/linear.js';
import { Module } from '../layers/module.js';
import { type LlavaConfig, visionSide } from './config.js';
import { pool } from './pooling.js';
import { GELU_FORMS } from './siglip.js';

/**
 * linear_2(pool(gelu(linear_1(x)))). transformers pools the result of linear_2; the weights of a pooled token have the sum
 * 1, so both are equal, and linear_2 is computed on a quarter of the tokens.
 */
export class Projector extends Module {
  static className = 'LlavaOnevisionMultiModalProjector';
  private readonly linear1: Linear;
  private readonly linear2: Linear;
  private readonly form: 'erf' | 'tanh';
  private readonly side: number;

  constructor(path: string, config: LlavaConfig) {
    super(path);
    const { vision_config: vision, text_config: text, multimodal_projector_bias: bias } = config;
    this.linear1 = this.child(new Linear(`${path}.linear_1`, vision.hidden_size, text.hidden_size, bias));
    this.linear2 = this.child(new Linear(`${path}.linear_2`, text.hidden_size, text.hidden_size, bias));
    this.form = GELU_FORMS[config.projector_hidden_act];
    this.side = visionSide(vision);
  }

  /** @param features (n, side^2, vision hidden). @returns (n, pooled tokens, d) */
  forward(features: tf.Tensor3D, context: Context): tf.Tensor3D {
    return this.linear2.forward(pool(this.hidden(features, context), this.side), context);
  }

  /** {@link forward} of every token, without pooling: (n, side^2, d). */
  unpooled(features: tf.Tensor3D, context: Context): tf.Tensor3D {
    return this.linear2.forward(this.hidden(features, context), context);
  }

  private hidden(features: tf.Tensor3D, context: Context): tf.Tensor3D {
    return gelu(this.linear1.forward(features, context), this.form);
  }
}
