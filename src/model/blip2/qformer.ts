import type * as tf from '@tensorflow/tfjs-core';
import { gelu } from '../../ops/activation.js';
import { attention } from '../../ops/attention.js';
import { dropout, residual } from '../../ops/dropout.js';
import type { Blip2Config } from '../../weights/config.js';
import { type Context, inferenceContext, nextDropout } from '../context.js';
import { forwardAll, Linear } from '../layers/linear.js';
import { Module } from '../layers/module.js';
import { LayerNorm } from '../layers/norm.js';
import { runBlock, runBlocks } from '../layers/runBlock.js';

type QFormerConfig = Blip2Config['qformer_config'];

/** BERT attention with post-norm: queries attend to themselves, or to image tokens when `memorySize` differs. */
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

  forward(x: tf.Tensor3D, memory: tf.Tensor3D, context: Context): tf.Tensor3D {
    const { num_attention_heads: heads, hidden_size: width } = this.config;
    const mixed = attention(...this.queryKeyValue(x, memory, context), {
      heads,
      scale: (width / heads) ** -0.5,
      half: context.mixed,
      bf16: this.dense.inBf16,
      dropout: nextDropout(context, this.config.attention_probs_dropout_prob),
    });
    const update = this.dense.forward(mixed, context) as tf.Tensor3D;
    const summed = residual(x, update, nextDropout(context, this.config.hidden_dropout_prob));
    return this.norm.forward(summed) as tf.Tensor3D;
  }

  private queryKeyValue(
    x: tf.Tensor3D,
    memory: tf.Tensor3D,
    context: Context,
  ): [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D] {
    const { query, key, value } = this;
    const all =
      x === memory
        ? forwardAll([query, key, value], x, context)
        : [query.forward(x, context), ...forwardAll([key, value], memory, context)];
    return all as [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D];
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const [x, memory] = Array.isArray(inputs) ? inputs : [inputs, inputs];
    return this.forward(x as tf.Tensor3D, (memory ?? x) as tf.Tensor3D, inferenceContext());
  }
}

/** Self-attention, cross-attention in every `cross_attention_frequency`-th layer, the query branch's FFN; post-norm. */
class QFormerLayer extends Module {
  static className = 'Blip2QFormerLayer';
  private readonly attention: QFormerAttention;
  private readonly crossattention: QFormerAttention | undefined;
  private readonly intermediate: Linear;
  private readonly outputDense: Linear;
  private readonly norm: LayerNorm;

  constructor(
    path: string,
    readonly config: QFormerConfig,
    index: number,
  ) {
    super(path);
    const { hidden_size: width, intermediate_size: inner } = config;
    this.attention = this.child(new QFormerAttention(`${path}.attention`, config, width));
    if (index % config.cross_attention_frequency === 0)
      this.crossattention = this.child(
        new QFormerAttention(`${path}.crossattention`, config, config.encoder_hidden_size),
      );
    this.intermediate = this.child(new Linear(`${path}.intermediate_query.dense`, width, inner, true));
    this.outputDense = this.child(new Linear(`${path}.output_query.dense`, inner, width, true));
    this.norm = this.child(new LayerNorm(`${path}.output_query.LayerNorm`, width, config.layer_norm_eps));
  }

  forward(x: tf.Tensor3D, image: tf.Tensor3D, context: Context): tf.Tensor3D {
    let attended = this.attention.forward(x, x, context);
    if (this.crossattention) attended = this.crossattention.forward(attended, image, context);
    const inner = gelu(this.intermediate.forward(attended, context), 'erf');
    const update = this.outputDense.forward(inner, context) as tf.Tensor3D;
    const summed = residual(attended, update, nextDropout(context, this.config.hidden_dropout_prob));
    return this.norm.forward(summed) as tf.Tensor3D;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const [x, image] = Array.isArray(inputs) ? inputs : [inputs];
    return this.forward(x as tf.Tensor3D, image as tf.Tensor3D, inferenceContext());
  }
}

/**
 * The query branch of BLIP-2's Q-Former (LAVIS Qformer.py, HF Blip2QFormerModel): learned queries gather what the
 * language model needs from one frame's image tokens. Queries carry no positions; the text branch is not used.
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
    const normed = dropout(this.layernorm.forward(queries), nextDropout(context, rate)) as tf.Tensor3D;
    return runBlocks(this.layer, normed, (layer, x) =>
      runBlock(context, [layer], { x, image }, {}, (tensors) =>
        layer.forward(tensors.x as tf.Tensor3D, tensors.image as tf.Tensor3D, context),
      ),
    );
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const [queries, image] = Array.isArray(inputs) ? inputs : [inputs];
    return this.forward(queries as tf.Tensor3D, image as tf.Tensor3D, inferenceContext());
  }
}
