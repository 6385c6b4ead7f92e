/** T5's attention: of a sequence to itself, to the encoder's output, and step by step with a key/value cache. */
import * as tf from '@tensorflow/tfjs-core';
import { attention } from '../../ops/attention.js';
import type { Tensors } from '../../ops/recompute.js';
import { RowCache } from '../../ops/rowCache.js';
import type { Blip2Config } from '../../weights/config.js';
import { type Context, nextDropout } from '../context.js';
import { forwardAll, Linear, readBy } from '../layers/linear.js';
import { Module, type Parameter } from '../layers/module.js';
import type { Sublayer } from '../layers/sublayer.js';

export type TextConfig = Blip2Config['text_config'];

/** Keys and values of a sequence, (B, length, heads * d_kv) each. */
export interface KeyValue {
  key: tf.Tensor3D;
  value: tf.Tensor3D;
}

/** Inputs of self-attention besides x; shapes and meaning as in ops/attention.ts. */
export interface SelfInputs {
  bias?: tf.Tensor3D | undefined;
  keyMask?: tf.Tensor2D | undefined;
}

/** The sequence that cross-attention reads, (B, length, d_model). */
interface MemoryInputs {
  memory: tf.Tensor3D;
  keyMask?: tf.Tensor2D | undefined;
}

interface KnownInputs extends KeyValue {
  keyMask?: tf.Tensor2D | undefined;
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

  /** Attention of x to itself. */
  toSelf(inputs: SelfInputs): Sublayer<SelfInputs> {
    return this.sublayer(inputs, (x, { bias, keyMask }, context) => {
      const { query, ...own } = this.queryKeyValue(x, context);
      return this.mix(query, { ...own, bias, keyMask }, context);
    });
  }

  /** Attention of x to another sequence. */
  toMemory(inputs: MemoryInputs): Sublayer<MemoryInputs> {
    return this.sublayer(inputs, (x, { memory, keyMask }, context) => {
      const known = this.keyValue(memory, context);
      return this.mix(this.q.forward(x, context), { ...known, keyMask }, context);
    });
  }

  /** {@link toMemory} with its {@link keyValue}, which all steps of decoding share. */
  toKnown(inputs: KnownInputs): Sublayer<KnownInputs> {
    return this.sublayer(inputs, (x, known, context) => this.mix(this.q.forward(x, context), known, context));
  }

  /**
   * One step of decoding: attention of x, (B, 1, d_model), to the steps so far and itself, whose key and value are
   * added to the cache. Cache rows are positions, so a step appends one row: the items of the batch lie side by side in
   * it, as further heads of one item.
   *
   * @param bias (B * heads, 1, steps so far and this one)
   */
  toCache(cache: KeyValueCache, bias: tf.Tensor3D): Sublayer {
    return this.sublayer({}, (x, _, context) => {
      const { query, key, value } = this.queryKeyValue(x, context);
      cache.key.append(key);
      cache.value.append(value);
      const mixed = attention(tf.reshape(query, [1, 1, query.size]), cache.key.rows, cache.value.rows, {
        heads: x.shape[0] * this.config.num_heads,
        scale: 1,
        bias,
        keys: cache.key.length,
      });
      return tf.reshape(mixed, query.shape);
    });
  }

  keyValue(memory: tf.Tensor3D, context: Context): KeyValue {
    const [key, value] = forwardAll([this.k, this.v], memory, context);
    return { key: key!, value: value! };
  }

  private queryKeyValue(x: tf.Tensor3D, context: Context): KeyValue & { query: tf.Tensor3D } {
    const [key, value, query] = forwardAll([this.k, this.v, this.q], x, context);
    return { key: key!, value: value!, query: query! };
  }

  /** @returns (B, queries, heads * d_kv), the input of the output projection. */
  private mix(
    query: tf.Tensor3D,
    { key, value, bias, keyMask }: KnownInputs & SelfInputs,
    context: Context,
  ): tf.Tensor3D {
    return attention(query, key, value, {
      heads: this.config.num_heads,
      scale: 1,
      bias,
      keyMask,
      dropout: nextDropout(context, this.config.dropout_rate),
      ...readBy(this.o, context),
    });
  }

  private sublayer<T extends Tensors<T>>(tensors: T, inner: Sublayer<T>['inner']): Sublayer<T> {
    const { q, k, v, o: last } = this;
    return { first: [q, k, v], last, rate: this.config.dropout_rate, tensors, inner };
  }
}
