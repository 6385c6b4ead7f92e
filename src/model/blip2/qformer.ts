/** BLIP-2's Q-Former: 32 learned queries of one frame's image tokens. */
import type * as tf from '@tensorflow/tfjs-core';
import { attention } from '../../ops/attention.js';
import { dropout } from '../../ops/dropout.js';
import type { Blip2Config } from '../../weights/config.js';
import { type Context, inferenceContext, nextDropout } from '../context.js';
import { FeedForward } from '../layers/feedForward.js';
import { forwardAll, Linear, readBy } from '../layers/linear.js';
import { Module } from '../layers/module.js';
import { LayerNorm } from '../layers/norm.js';
import { type Block, postNorm, runBlocks, type Sublayer } from '../layers/sublayer.js';

type QFormerConfig = Blip2Config['qformer_config'];

/** BERT attention with post-norm: queries attend to themselves, or to `image`, of `memorySize` features. */
class QFormerAttention extends Module {
  static className = 'Blip2QFormerAttention';
  private readonly query: Linear;
  private readonly key: Linear;
  private readonly value: Linear;
  private readonly dense: Linear;
  private readonly norm: LayerNorm;

  constructor(
    path: string,
    readonly config: QFormerConfig,
    memorySize: number,
  ) {
    super(path);
    const width = config.hidden_size;
    this.query = this.child(new Linear(`${path}.attention.query`, width, width, true));
    this.key = this.child(new Linear(`${path}.attention.key`, memorySize, width, true));
    this.value = this.child(new Linear(`${path}.attention.value`, memorySize, width, true));
    this.dense = this.child(new Linear(`${path}.output.dense`, width, width, true));
    this.norm = this.child(new LayerNorm(`${path}.output.LayerNorm`, width, config.layer_norm_eps));
  }

  /** norm(x + attention(x)). */
  forward(x: tf.Tensor3D, image: tf.Tensor3D | undefined, context: Context): tf.Tensor3D {
    return postNorm(x, this.norm, this.over(image), context);
  }

  private over(image: tf.Tensor3D | undefined): Sublayer<{ image: tf.Tensor3D | undefined }> {
    const { query, key, value, dense: last, config } = this;
    const { num_attention_heads: heads, hidden_size: width } = config;
    return {
      first: [query, key, value],
      last,
      rate: config.hidden_dropout_prob,
      tensors: { image },
      inner: (x, { image }, context) => {
        const [q, k, v] = image
          ? [query.forward(x, context), ...forwardAll([key, value], image, context)]
          : forwardAll([query, key, value], x, context);
        return attention(q!, k!, v!, {
          heads,
          scale: (width / heads) ** -0.5,
          dropout: nextDropout(context, config.attention_probs_dropout_prob),
          ...readBy(last, context),
        });
      },
    };
  }
}

/** Self-attention, cross-attention in every `cross_attention_frequency`-th layer, the query branch's FFN; post-norm. */
class QFormerLayer extends Module implements Block<{ image: tf.Tensor3D }> {
  static className = 'Blip2QFormerLayer';
  private readonly attention: QFormerAttention;
  private readonly crossattention: QFormerAttention | undefined;
  private readonly feedForward: FeedForward;
  private readonly norm: LayerNorm;

  constructor(path: string, config: QFormerConfig, index: number) {
    super(path);
    const { hidden_size: width, intermediate_size: inner, hidden_dropout_prob: rate } = config;
    this.attention = this.child(new QFormerAttention(`${path}.attention`, config, width));
    if (index % config.cross_attention_frequency === 0)
      this.crossattention = this.child(
        new QFormerAttention(`${path}.crossattention`, config, config.encoder_hidden_size),
      );
    this.feedForward = this.child(
      new FeedForward(path, {
        width,
        inner,
        first: ['intermediate_query.dense'],
        last: 'output_query.dense',
        bias: true,
        activation: 'erf',
        dropout: { inner: 0, result: rate },
      }),
    );
    this.norm = this.child(new LayerNorm(`${path}.output_query.LayerNorm`, width, config.layer_norm_eps));
  }

  /** norm(x + layer(x)) for one layer after another; (n, queries, hidden) in and out. */
  forward(x: tf.Tensor3D, { image }: { image: tf.Tensor3D }, context: Context): tf.Tensor3D {
    let y = this.attention.forward(x, undefined, context);
    if (this.crossattention) y = this.crossattention.forward(y, image, context);
    return postNorm(y, this.norm, this.feedForward, context);
  }
}

/**
 * The query branch of BLIP-2's Q-Former (LAVIS Qformer.py, HF Blip2QFormerModel): learned queries attend to one frame's
 * image tokens. Queries carry no positions; the text branch is not used.
 */
export class QFormer extends Module {
  static className = 'Blip2QFormerModel';
  private readonly layernorm: LayerNorm;
  private readonly layer: QFormerLayer[];

  constructor(
    path: string,
    readonly config: QFormerConfig,
  ) {
    super(path);
    this.layernorm = this.child(
      new LayerNorm(`${path}.layernorm`, config.hidden_size, config.layer_norm_eps),
    );
    this.layer = Array.from({ length: config.num_hidden_layers }, (_, i) =>
      this.child(new QFormerLayer(`${path}.encoder.layer.${i}`, config, i)),
    );
  }

  /**
   * @param queries (n, queries, hidden) float32.
   * @param image (n, tokens, encoder_hidden) float32, after post_layernorm.
   * @returns (n, queries, hidden) float32.
   */
  forward(queries: tf.Tensor3D, image: tf.Tensor3D, context: Context): tf.Tensor3D {
    const rate = this.config.hidden_dropout_prob;
    const normed = dropout(this.layernorm.forward(queries), nextDropout(context, rate));
    return runBlocks(this.layer, normed, { image }, context);
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const [queries, image] = Array.isArray(inputs) ? inputs : [inputs];
    return this.forward(queries as tf.Tensor3D, image as tf.Tensor3D, inferenceContext());
  }
}
