/** One pre-norm block of a vision transformer: EVA ViT-g's and SigLIP's differ in their attention and activation. */
import type * as tf from '@tensorflow/tfjs-core';
import type { Context } from '../context.js';
import { FeedForward, type FeedForwardSettings } from './feedForward.js';
import { Module } from './module.js';
import { LayerNorm } from './norm.js';
import { type Block, preNorm, type Sublayer } from './sublayer.js';

/** The part of a vision config.json that a block is made of. */
export interface VisionLayerConfig {
  hidden_size: number;
  intermediate_size: number;
  layer_norm_eps: number;
}

export class VisionLayer extends Module implements Block<object> {
  static className = 'VisionEncoderLayer';
  private readonly norm1: LayerNorm;
  private readonly attention: Module & Sublayer;
  private readonly norm2: LayerNorm;
  private readonly mlp: FeedForward;

  /** @param attention made for `path.self_attn` */
  constructor(
    path: string,
    config: VisionLayerConfig,
    attention: Module & Sublayer,
    activation: FeedForwardSettings['activation'],
  ) {
    super(path);
    const { hidden_size: width, intermediate_size: inner, layer_norm_eps: eps } = config;
    this.norm1 = this.child(new LayerNorm(`${path}.layer_norm1`, width, eps));
    this.attention = this.child(attention);
    this.norm2 = this.child(new LayerNorm(`${path}.layer_norm2`, width, eps));
    this.mlp = this.child(
      new FeedForward(`${path}.mlp`, {
        width,
        inner,
        first: ['fc1'],
        last: 'fc2',
        bias: true,
        activation,
        dropout: { inner: 0, result: 0 },
      }),
    );
  }

  /** x + layer(norm(x)) of both layers; (n, tokens, hidden) float32 in and out. */
  forward(x: tf.Tensor3D, _tensors: object, context: Context): tf.Tensor3D {
    const attended = preNorm(x, this.norm1, this.attention, context);
    return preNorm(attended, this.norm2, this.mlp, context);
  }
}
