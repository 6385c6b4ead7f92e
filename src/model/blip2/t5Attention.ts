import * as tf from '@tensorflow/tfjs-core';
import { attention } from '../../ops/attention.js';
import { RowCache } from '../../ops/rowCache.js';
import type { Blip2Config } from '../../weights/config.js';
import { type Context, inferenceContext, nextDropout } from '../context.js';
import { forwardAll, Linear } from '../layers/linear.js';
import { Module, type Parameter, single } from '../layers/module.js';

export type TextConfig = Blip2Config['text_config'];

/** What restricts and biases one attention: see ops/attention.ts. */
export interface AttentionInputs {
  bias?: tf.Tensor3D | undefined;
  keyMask?: tf.Tensor2D | undefined;
}

/** Keys and values of a sequence, (B, length, heads * d_kv) each. */
export interface KeyValue {
  key: tf.Tensor3D;
  value: tf.Tensor3D;
}

/** Keys and values of the steps that decoding has done. */
export class KeyValueCache {
  readonly key = new RowCache();
  readonly value = new RowCache();

  dispose(): void {
    this.key.dispose();
    this.value.dispose();
  }
}

/** T5 attention: no scaling by sqrt(d), no biases, inner size heads * d_kv that need not equal d_model. */
export class T5Attention extends Module {
  static className = 'T5Attention';
  private readonly q: Linear;
  private readonly k: Linear;
  private readonly v: Linear;
  private readonly o: Linear;
  /** (buckets, heads); only in block 0's self-attention of each stack, shared by all blocks. */
  readonly relativeAttentionBias: Parameter | undefined;

  constructor(
    path: string,
    readonly config: TextConfig,
    hasRelativeBias: boolean,
  ) {
    super(path);
    const { d_model: width, d_kv: size, num_heads: heads } = config;
    const inner = heads * size;
    // T5's own initial scales (HF T5PreTrainedModel._init_weights): they stand in for the missing 1/sqrt(d_kv).
    this.q = this.child(new Linear(`${path}.q`, width, inner, false, (width * size) ** -0.5));
    this.k = this.child(new Linear(`${path}.k`, width, inner, false, width ** -0.5));
    this.v = this.child(new Linear(`${path}.v`, width, inner, false, width ** -0.5));
    this.o = this.child(new Linear(`${path}.o`, inner, width, false, inner ** -0.5));
    if (hasRelativeBias)
      this.relativeAttentionBias = this.parameter(
        'relative_attention_bias.weight',
        [config.relative_attention_num_buckets, heads],
        { normal: width ** -0.5 },
      );
  }

  /** Whether queries, keys and values are computed in bf16. */
  get inBf16(): boolean {
    return this.q.inBf16 && this.k.inBf16 && this.v.inBf16;
  }

  /** Whether the last product is computed in bf16. */
  get outputInBf16(): boolean {
    return this.o.inBf16;
  }

  keyValue(memory: tf.Tensor3D, context: Context): KeyValue {
    const [key, value] = forwardAll([this.k, this.v], memory, context) as [tf.Tensor3D, tf.Tensor3D];
    return { key, value };
  }

  /** @param x (B, L, d_model) queries, keys and values. @returns (B, L, heads * d_kv), for {@link project}. */
  attendSelf(x: tf.Tensor3D, inputs: AttentionInputs, context: Context): tf.Tensor3D {
    const { q, own } = this.queryKeyValue(x, context);
    return this.mix(q, own, inputs, context);
  }

  /** @param x (B, Lq, d_model) queries. @returns (B, Lq, heads * d_kv), for {@link project}. */
  attend(x: tf.Tensor3D, memory: KeyValue, inputs: AttentionInputs, context: Context): tf.Tensor3D {
    return this.mix(this.q.forward(x, context) as tf.Tensor3D, memory, inputs, context);
  }

  /** The last product and what is added to it: (B, L, heads * d_kv) to (B, L, d_model). */
  project(mixed: tf.Tensor, context: Context, addend?: tf.Tensor3D): tf.Tensor3D {
    return this.o.forward(mixed, context, addend) as tf.Tensor3D;
  }

  /** What {@link attendSelf} and {@link attend} read. */
  get beforeProjection(): Module[] {
    return [this.q, this.k, this.v];
  }

  private queryKeyValue(x: tf.Tensor3D, context: Context): { q: tf.Tensor3D; own: KeyValue } {
    const [key, value, q] = forwardAll([this.k, this.v, this.q], x, context) as tf.Tensor3D[];
    return { q: q!, own: { key: key!, value: value! } };
  }

  private mix(
    q: tf.Tensor3D,
    { key, value }: KeyValue,
    inputs: AttentionInputs,
    context: Context,
  ): tf.Tensor3D {
    return attention(q, key, value, {
      heads: this.config.num_heads,
      scale: 1,
      half: context.mixed,
      bf16: this.o.inBf16,
      ...inputs,
      dropout: nextDropout(context, this.config.dropout_rate),
    });
  }

  /**
   * One step of decoding. Positions are the cache's rows, so that a step adds to its end: the items of the batch then lie
   * side by side as further heads of one item.
   *
   * @param x (B, 1, d_model). @param bias (B * heads, 1, steps so far and this one). @returns (B, 1, heads * d_kv), for
   * {@link project}.
   */
  attendCached(x: tf.Tensor3D, cache: KeyValueCache, bias: tf.Tensor3D, context: Context): tf.Tensor3D {
    const { q, own } = this.queryKeyValue(x, context);
    cache.key.append(own.key);
    cache.value.append(own.value);
    const mixed = attention(tf.reshape(q, [1, 1, q.size]), cache.key.rows, cache.value.rows, {
      heads: x.shape[0] * this.config.num_heads,
      scale: 1,
      bias,
      keys: cache.key.length,
    });
    return tf.reshape(mixed, q.shape);
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const x = single(inputs) as tf.Tensor3D;
    const context = inferenceContext();
    return this.project(this.attendSelf(x, {}, context), context);
  }
}
