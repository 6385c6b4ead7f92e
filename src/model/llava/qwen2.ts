/** Qwen2: RMSNorm, rotary positions, fewer key heads than query heads, a gated SiLU. */
import * as tf from '@tensorflow/tfjs-core';
import { type CausalMask, causalAttention, groupedQuery } from '../../ops/causalAttention.js';
import { embedding } from '../../ops/embedding.js';
import type { Tensors } from '../../ops/recompute.js';
import { type RopeTable, rope } from '../../ops/rope.js';
import { RowCache } from '../../ops/rowCache.js';
import { type Context, nextDropout } from '../context.js';
import { FeedForward } from '../layers/feedForward.js';
import { forwardAll, Linear, readBy } from '../layers/linear.js';
import { Module, type Parameter } from '../layers/module.js';
import { RmsNorm } from '../layers/norm.js';
import { type Block, preNorm, runBlocks, type Sublayer } from '../layers/sublayer.js';
import type { LlavaConfig } from './config.js';

export type TextConfig = LlavaConfig['text_config'];

/** What all blocks share in a pass over whole sequences. */
type Inputs = RopeTable & CausalMask;

/** What all blocks share in a step of decoding. */
interface StepInputs extends RopeTable {
  /** (B * heads, 1, positions so far and this one), -1e9 at padding; absent without any. */
  bias?: tf.Tensor3D | undefined;
}

/** Keys, turned by their positions, and values of one block: (B, length, keyHeads * D). */
export interface KeyValue {
  key: tf.Tensor3D;
  value: tf.Tensor3D;
}

/** The key/value cache of one block; a position's keys of all rows lie side by side, as heads of one item. */
class BlockCache {
  readonly key = new RowCache();
  readonly value = new RowCache();

  /** Starts with the keys and values of the prompts. */
  fill({ key, value }: KeyValue): void {
    tf.tidy(() => {
      this.key.fill(sideBySide(key));
      this.value.fill(sideBySide(value));
    });
  }

  dispose(): void {
    this.key.dispose();
    this.value.dispose();
  }
}

/** (B, length, width) to (1, length, B * width). */
function sideBySide(x: tf.Tensor3D): tf.Tensor3D {
  const [batch, length, width] = x.shape;
  return tf.reshape(tf.transpose(x, [1, 0, 2]), [1, length, batch * width]);
}

class Attention extends Module {
  static className = 'Qwen2Attention';
  private readonly first: readonly Linear[];
  private readonly last: Linear;

  constructor(
    path: string,
    private readonly config: TextConfig,
  ) {
    super(path);
    const { hidden_size: width, head_dim: size, num_attention_heads: heads } = config;
    const keyWidth = config.num_key_value_heads * size;
    this.first = [
      this.child(new Linear(`${path}.q_proj`, width, heads * size, true)),
      this.child(new Linear(`${path}.k_proj`, width, keyWidth, true)),
      this.child(new Linear(`${path}.v_proj`, width, keyWidth, true)),
    ];
    this.last = this.child(new Linear(`${path}.o_proj`, heads * size, width, false));
  }

  /** Attention inside the sequences. @param keep gets the keys and values, which it must keep itself */
  toSelf(inputs: Inputs, keep?: (known: KeyValue) => void): Sublayer<Inputs> {
    return this.sublayer(inputs, (x, { cos, sin, ...mask }, context) => {
      const {
        num_attention_heads: heads,
        num_key_value_heads: keyHeads,
        head_dim,
        attention_dropout,
      } = this.config;
      const { query, key, value } = this.project(x, { cos, sin }, context);
      keep?.({ key, value });
      return causalAttention(query, key, value, {
        ...{ heads, keyHeads, scale: head_dim ** -0.5, mask },
        dropout: nextDropout(context, attention_dropout),
        ...readBy(this.last, context),
      });
    });
  }

  /** One step of decoding: attention of x, (B, 1, d), to the cache and itself, which is added to it. */
  toCache(cache: BlockCache, inputs: StepInputs): Sublayer<StepInputs> {
    return this.sublayer(inputs, (x, { cos, sin, bias }, context) => {
      const { num_attention_heads: heads, num_key_value_heads: keyHeads, head_dim } = this.config;
      const { query, key, value } = this.project(x, { cos, sin }, context);
      cache.key.append(key);
      cache.value.append(value);
      const batch = x.shape[0];
      const mixed = groupedQuery(tf.reshape(query, [1, 1, query.size]), cache.key.rows, cache.value.rows, {
        ...{ heads: batch * heads, keyHeads: batch * keyHeads, scale: head_dim ** -0.5 },
        ...{ bias, keys: cache.key.length },
      });
      return tf.reshape(mixed, query.shape);
    });
  }

  private project(x: tf.Tensor3D, table: RopeTable, context: Context): KeyValue & { query: tf.Tensor3D } {
    const { num_attention_heads: heads, num_key_value_heads: keyHeads } = this.config;
    const [q, k, value] = forwardAll(this.first, x, context) as [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D];
    return { query: rope(q, table, heads), key: rope(k, table, keyHeads), value };
  }

  private sublayer<T extends Tensors<T>>(tensors: T, inner: Sublayer<T>['inner']): Sublayer<T> {
    return { first: this.first, last: this.last, rate: 0, tensors, inner };
  }
}

class DecoderLayer extends Module implements Block<Inputs> {
  static className = 'Qwen2DecoderLayer';
  readonly recomputesSublayers = true;
  private readonly inputNorm: RmsNorm;
  private readonly attention: Attention;
  private readonly postAttentionNorm: RmsNorm;
  private readonly mlp: FeedForward;

  constructor(path: string, config: TextConfig) {
    super(path);
    const { hidden_size: width, intermediate_size: inner, rms_norm_eps: eps } = config;
    this.inputNorm = this.child(new RmsNorm(`${path}.input_layernorm`, width, eps));
    this.attention = this.child(new Attention(`${path}.self_attn`, config));
    this.postAttentionNorm = this.child(new RmsNorm(`${path}.post_attention_layernorm`, width, eps));
    this.mlp = this.child(
      new FeedForward(`${path}.mlp`, {
        width,
        inner,
        first: ['gate_proj', 'up_proj'],
        last: 'down_proj',
        bias: false,
        activation: 'silu',
        dropout: { inner: 0, result: 0 },
      }),
    );
  }

  /** x + layer(norm(x)) of both layers; (B, L, d) float32 in and out. */
  forward(x: tf.Tensor3D, inputs: Inputs, context: Context): tf.Tensor3D {
    return this.run(x, this.attention.toSelf(inputs), context);
  }

  /** {@link forward}, and its keys and values, which the caller disposes. */
  prefill(x: tf.Tensor3D, inputs: Inputs, context: Context): { hidden: tf.Tensor3D; known: KeyValue } {
    let known: KeyValue | undefined;
    const keep = ({ key, value }: KeyValue) => {
      known = { key: tf.keep(tf.clone(key)), value: tf.keep(tf.clone(value)) };
    };
    const hidden = tf.tidy(() => this.run(x, this.attention.toSelf(inputs, keep), context));
    return { hidden, known: known! };
  }

  /** {@link forward} of one step of decoding, (B, 1, d). */
  step(x: tf.Tensor3D, cache: BlockCache, inputs: StepInputs, context: Context): tf.Tensor3D {
    return this.run(x, this.attention.toCache(cache, inputs), context);
  }

  private run<T extends Tensors<T>>(x: tf.Tensor3D, attention: Sublayer<T>, context: Context): tf.Tensor3D {
    const attended = preNorm(x, this.inputNorm, attention, context);
    return preNorm(attended, this.postAttentionNorm, this.mlp, context);
  }
}

/** Embedding, blocks and the final norm. The head is the model's (llava.ts). */
export class Qwen2 extends Module {
  static className = 'Qwen2Model';
  readonly embedTokens: Parameter;
  readonly norm: RmsNorm;
  private readonly layers: DecoderLayer[];

  constructor(
    path: string,
    readonly config: TextConfig,
  ) {
    super(path);
    const { vocab_size: rows, hidden_size: width } = config;
    this.embedTokens = this.parameter('embed_tokens.weight', [rows, width], { normal: 0.02 });
    this.layers = Array.from({ length: config.num_hidden_layers }, (_, i) =>
      this.child(new DecoderLayer(`${path}.layers.${i}`, config)),
    );
    this.norm = this.child(new RmsNorm(`${path}.norm`, width, config.rms_norm_eps));
  }

  get table(): tf.Tensor2D {
    return this.embedTokens.value as tf.Tensor2D;
  }

  /** @param ids int32 (...). @returns (..., d) */
  embed(ids: tf.Tensor): tf.Tensor {
    return embedding(ids, this.table);
  }

  /** @param x (B, L, d) embedded columns. @returns (B, L, d) before the final norm. */
  forward(x: tf.Tensor3D, inputs: Inputs, context: Context): tf.Tensor3D {
    return runBlocks(this.layers, x, inputs, context);
  }

  /** {@link forward} of prompts, with the keys and values of every block; the caller disposes all of them. */
  prefill(x: tf.Tensor3D, inputs: Inputs, context: Context): { hidden: tf.Tensor3D; known: KeyValue[] } {
    const known: KeyValue[] = [];
    let hidden = x;
    for (const layer of this.layers) {
      const made = layer.prefill(hidden, inputs, context);
      if (hidden !== x) hidden.dispose();
      hidden = made.hidden;
      known.push(made.known);
    }
    return { hidden, known };
  }

  /** One step of decoding. @param x (B, 1, d). @returns (B, 1, d) before the final norm. */
  step(x: tf.Tensor3D, { caches }: DecoderState, inputs: StepInputs, context: Context): tf.Tensor3D {
    return this.layers.reduce((hidden, layer, i) => layer.step(hidden, caches[i]!, inputs, context), x);
  }
}

/** The key/value caches of all blocks, begun with those of the prompts. Holds tensors: dispose of it. */
export class DecoderState {
  readonly caches: BlockCache[];

  constructor(known: readonly KeyValue[]) {
    this.caches = known.map((each) => {
      const cache = new BlockCache();
      cache.fill(each);
      return cache;
    });
  }

  dispose(): void {
    for (const cache of this.caches) cache.dispose();
  }
}
