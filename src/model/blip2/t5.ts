import * as tf from '@tensorflow/tfjs-core';
import { type GeluForm, gatedGelu, gelu } from '../../ops/activation.js';
import { storesActivationsInBf16 } from '../../ops/bf16.js';
import { dropout, residual } from '../../ops/dropout.js';
import { embedding } from '../../ops/embedding.js';
import type { DropoutKey } from '../../ops/philox.js';
import { type Context, inferenceContext, nextDropout } from '../context.js';
import { forwardAll, Linear } from '../layers/linear.js';
import { Module, type Parameter, single } from '../layers/module.js';
import { RmsNorm } from '../layers/norm.js';
import { runBlock, runBlocks } from '../layers/runBlock.js';
import { relativeBuckets } from './relativeBias.js';
import {
  type AttentionInputs,
  type KeyValue,
  type KeyValueCache,
  T5Attention,
  type TextConfig,
} from './t5Attention.js';

/** wo(dropout(act(wi_0 x) * wi_1 x)), or wo(dropout(act(wi x))) when the model is not gated. */
export class T5FeedForward extends Module {
  static className = 'T5DenseGatedActDense';
  private readonly wi: Linear[];
  private readonly wo: Linear;

  constructor(
    path: string,
    readonly config: TextConfig,
  ) {
    super(path);
    const { d_model: width, d_ff: inner } = config;
    const names = config.is_gated_act ? ['wi_0', 'wi_1'] : ['wi'];
    this.wi = names.map((name) =>
      this.child(new Linear(`${path}.${name}`, width, inner, false, width ** -0.5)),
    );
    this.wo = this.child(new Linear(`${path}.wo`, inner, width, false, inner ** -0.5));
  }

  /** @param x (B, L, d_model). @returns (B, L, d_ff), for {@link project}. */
  activated(x: tf.Tensor3D, context: Context): tf.Tensor3D {
    // GELU's kernels take bf16.
    const [first, second] = forwardAll(this.wi, x, context, this.geluForm !== undefined);
    const key = nextDropout(context, this.config.dropout_rate);
    return this.activate(first!, second, key) as tf.Tensor3D;
  }

  /** The last product and what is added to it: (B, L, d_ff) to (B, L, d_model). */
  project(activated: tf.Tensor, context: Context, addend?: tf.Tensor3D): tf.Tensor3D {
    return this.wo.forward(activated, context, addend) as tf.Tensor3D;
  }

  /** What {@link activated} reads. */
  get beforeProjection(): Module[] {
    return this.wi;
  }

  /** Whether the first products are computed in bf16. */
  get inBf16(): boolean {
    return this.wi.every((wi) => wi.inBf16);
  }

  /** Whether the last product is computed in bf16. */
  get outputInBf16(): boolean {
    return this.wo.inBf16;
  }

  private get geluForm(): GeluForm | undefined {
    const act = this.config.dense_act_fn;
    return act === 'gelu' ? 'erf' : act === 'gelu_new' ? 'tanh' : undefined;
  }

  private activate(gate: tf.Tensor, up: tf.Tensor | undefined, key: DropoutKey | undefined): tf.Tensor {
    const form = this.geluForm;
    const [bf16, gradientBf16] = [this.wo.inBf16, this.inBf16];
    if (form && up) return gatedGelu(gate, up, form, { bf16, gradientBf16, dropout: key });
    if (form) return dropout(gelu(gate, form, { bf16: bf16 && !key, gradientBf16 }), key, bf16);
    const active = this.config.dense_act_fn === 'relu' ? tf.relu(gate) : tf.mul(gate, tf.sigmoid(gate));
    return dropout(up ? tf.mul(active, up) : active, key, bf16);
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const context = inferenceContext();
    return this.project(this.activated(single(inputs) as tf.Tensor3D, context), context);
  }
}

/** Everything a block of the decoder attends to besides its own input. */
export interface BlockInputs {
  self: AttentionInputs;
  /** Whether a gradient to the bias is wanted; false by default. */
  biasLearns?: boolean;
  /** The encoder's output and its padding; only in the decoder. */
  memory?: { hidden: tf.Tensor3D; keyMask?: tf.Tensor2D };
}

/** What a sublayer does between its norm and its last product; see runBlock. */
interface Sublayer {
  inputs?: Record<string, tf.Tensor | undefined>;
  constants?: Record<string, tf.Tensor | undefined>;
  run: (normed: tf.Tensor3D, tensors: Record<string, tf.Tensor | undefined>) => tf.Tensor3D;
}

/** Pre-norm residual block: self-attention, in the decoder cross-attention, feed-forward. */
export class T5Block extends Module {
  static className = 'T5Block';
  readonly selfAttention: T5Attention;
  readonly crossAttention: T5Attention | undefined;
  private readonly norms: RmsNorm[];
  private readonly feedForward: T5FeedForward;

  constructor(
    path: string,
    readonly config: TextConfig,
    isDecoder: boolean,
    index: number,
  ) {
    super(path);
    const last = isDecoder ? 2 : 1;
    this.selfAttention = this.child(new T5Attention(`${path}.layer.0.SelfAttention`, config, index === 0));
    if (isDecoder)
      this.crossAttention = this.child(new T5Attention(`${path}.layer.1.EncDecAttention`, config, false));
    this.feedForward = this.child(new T5FeedForward(`${path}.layer.${last}.DenseReluDense`, config));
    this.norms = Array.from({ length: last + 1 }, (_, i) =>
      this.child(new RmsNorm(`${path}.layer.${i}.layer_norm`, config.d_model, config.layer_norm_epsilon)),
    );
  }

  /** (B, L, d_model) float32 in and out. */
  forward(x: tf.Tensor3D, { self, memory, biasLearns = false }: BlockInputs, context: Context): tf.Tensor3D {
    const { selfAttention, crossAttention } = this;
    const bias = { bias: self.bias };
    return tf.tidy(() => {
      const attended = this.sublayer(x, this.norms[0]!, selfAttention, context, {
        inputs: biasLearns ? bias : {},
        constants: { keyMask: self.keyMask, ...(biasLearns ? {} : bias) },
        run: (normed, { bias, keyMask }) =>
          selfAttention.attendSelf(normed, { bias, keyMask } as AttentionInputs, context),
      });
      if (!memory || !crossAttention) return this.lastSublayer(attended, context);
      const crossed = this.sublayer(attended, this.norms[1]!, crossAttention, context, {
        inputs: { memory: memory.hidden },
        constants: { keyMask: memory.keyMask },
        run: (normed, tensors) => {
          const keyValue = crossAttention.keyValue(tensors.memory as tf.Tensor3D, context);
          return crossAttention.attend(
            normed,
            keyValue,
            { keyMask: tensors.keyMask } as AttentionInputs,
            context,
          );
        },
      });
      return this.lastSublayer(crossed, context);
    });
  }

  /** One step of decoding: (B, 1, d_model) in and out; see {@link T5Attention.attendCached}. */
  decode(
    x: tf.Tensor3D,
    cache: KeyValueCache,
    bias: tf.Tensor3D,
    cross: { keyValue: KeyValue; keyMask?: tf.Tensor2D },
    context: Context,
  ): tf.Tensor3D {
    const { selfAttention } = this;
    const crossAttention = this.crossAttention!;
    const { keyValue, keyMask } = cross;
    const attended = this.sublayer(x, this.norms[0]!, selfAttention, context, {
      run: (normed) => selfAttention.attendCached(normed, cache, bias, context),
    });
    const crossed = this.sublayer(attended, this.norms[1]!, crossAttention, context, {
      run: (normed) => crossAttention.attend(normed, keyValue, { keyMask }, context),
    });
    return this.lastSublayer(crossed, context);
  }

  private lastSublayer(x: tf.Tensor3D, context: Context): tf.Tensor3D {
    const run = (normed: tf.Tensor3D): tf.Tensor3D => this.feedForward.activated(normed, context);
    return this.sublayer(x, this.norms.at(-1)!, this.feedForward, context, { run });
  }

  /**
   * x + dropout(last product of `layer`). Recomputation ends before that product: nobody needs its result again, and it is
   * a fifth to a quarter of a block's work.
   */
  private sublayer(
    x: tf.Tensor3D,
    norm: RmsNorm,
    layer: T5Attention | T5FeedForward,
    context: Context,
    { inputs = {}, constants = {}, run }: Sublayer,
  ): tf.Tensor3D {
    const normOf = (x: tf.Tensor): tf.Tensor3D => norm.forward(x, layer.inBf16) as tf.Tensor3D;
    const { beforeProjection } = layer;
    const recomputes =
      context.recompute === true || (context.recompute === 'light' && layer === this.feedForward);
    // What the norm gives is kept in place of its operand where that takes half the memory.
    const given = layer.inBf16 && storesActivationsInBf16() ? { normed: normOf(x) } : { x };
    const modules = 'normed' in given ? beforeProjection : [norm, ...beforeProjection];
    const made = runBlock(
      context,
      modules,
      { ...given, ...inputs },
      constants,
      (tensors) => run((tensors.normed as tf.Tensor3D | undefined) ?? normOf(tensors.x!), tensors),
      recomputes,
    );
    const key = nextDropout(context, this.config.dropout_rate);
    if (!key) return layer.project(made, context, x);
    return residual(x, layer.project(made, context), key, layer.outputInBf16);
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const [x, hidden] = Array.isArray(inputs) ? inputs : [inputs];
    const memory = hidden ? { memory: { hidden: hidden as tf.Tensor3D } } : {};
    return this.forward(x as tf.Tensor3D, { self: {}, ...memory }, inferenceContext());
  }
}

/** The encoder or the decoder: blocks and a final norm. Embedding happens outside, since frames come in as vectors. */
export class T5Stack extends Module {
  static className = 'T5Stack';
  readonly block: T5Block[];
  private readonly finalLayerNorm: RmsNorm;

  constructor(
    path: string,
    readonly config: TextConfig,
    readonly isDecoder: boolean,
  ) {
    super(path);
    const layers = isDecoder ? config.num_decoder_layers : config.num_layers;
    this.block = Array.from({ length: layers }, (_, i) =>
      this.child(new T5Block(`${path}.block.${i}`, config, isDecoder, i)),
    );
    this.finalLayerNorm = this.child(
      new RmsNorm(`${path}.final_layer_norm`, config.d_model, config.layer_norm_epsilon),
    );
  }

  /**
   * Relative position bias (heads, queries, keys) plus an optional additive mask (queries, keys), computed once and
   * shared by every block.
   */
  positionBias(queries: ArrayLike<number>, keys: ArrayLike<number>, mask?: Float32Array): tf.Tensor3D {
    const table = this.block[0]?.selfAttention.relativeAttentionBias;
    if (!table) throw new Error(`${this.path}: has no block to take the relative bias from`);
    const buckets = relativeBuckets(queries, keys, {
      buckets: this.config.relative_attention_num_buckets,
      maxDistance: this.config.relative_attention_max_distance,
      bidirectional: !this.isDecoder,
    });
    const shape: [number, number] = [queries.length, keys.length];
    const values = embedding(tf.tensor2d(buckets, shape, 'int32'), table.value as tf.Tensor2D);
    const bias = tf.transpose(values as tf.Tensor3D, [2, 0, 1]);
    return mask ? tf.add(bias, tf.tensor3d(mask, [1, ...shape])) : bias;
  }

  /** @param x (B, L, d_model) embedded input. @returns (B, L, d_model) after the final norm. */
  forward(x: tf.Tensor3D, inputs: BlockInputs, context: Context): tf.Tensor3D {
    const biasLearns = this.block[0]?.selfAttention.relativeAttentionBias?.value.trainable ?? false;
    const dropped = dropout(x, nextDropout(context, this.config.dropout_rate));
    const last = runBlocks(this.block, dropped, (block, hidden) =>
      block.forward(hidden, { ...inputs, biasLearns }, context),
    );
    return this.finish(last, context);
  }

  /** Final norm and dropout. */
  finish(hidden: tf.Tensor3D, context: Context): tf.Tensor3D {
    return dropout(
      this.finalLayerNorm.forward(hidden) as tf.Tensor3D,
      nextDropout(context, this.config.dropout_rate),
    );
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const [x, hidden] = Array.isArray(inputs) ? inputs : [inputs];
    const length = (x as tf.Tensor3D).shape[1];
    const positions = Int32Array.from({ length }, (_, i) => i);
    const memory = hidden ? { memory: { hidden: hidden as tf.Tensor3D } } : {};
    const self = { bias: this.positionBias(positions, positions) };
    return this.forward(x as tf.Tensor3D, { self, ...memory }, inferenceContext());
  }
}

/** FlanT5: shared embedding, encoder, decoder, and an untied output head unless the configuration ties it. */
export class T5 extends Module {
  static className = 'T5ForConditionalGeneration';
  readonly shared: Parameter;
  readonly encoder: T5Stack;
  readonly decoder: T5Stack;
  /** Absent when the head is tied to the embedding. */
  lmHead: Parameter | undefined;
  private decoderEmbedding: Parameter | undefined;

  constructor(
    path: string,
    readonly config: TextConfig,
  ) {
    super(path);
    this.shared = this.parameter('shared.weight', [config.vocab_size, config.d_model], { normal: 1 });
    this.encoder = this.child(new T5Stack(`${path}.encoder`, config, false));
    this.decoder = this.child(new T5Stack(`${path}.decoder`, config, true));
    if (!config.tie_word_embeddings) this.addHead();
  }

  /** Gives the output a table of its own, for checkpoints that hold one whatever their configuration says. */
  addHead(): Parameter {
    this.lmHead = this.parameter('lm_head.weight', this.shared.shape, {
      normal: this.config.d_model ** -0.5,
    });
    return this.lmHead;
  }

  /** Gives the decoder a table of its own, for checkpoints whose `decoder.embed_tokens` is not the shared one. */
  addDecoderEmbedding(): Parameter {
    this.decoderEmbedding = this.parameter('decoder.embed_tokens.weight', this.shared.shape, { normal: 1 });
    return this.decoderEmbedding;
  }

  /** @param ids int32 of any shape, of the encoder's text. @returns (..., d_model). */
  embed(ids: tf.Tensor): tf.Tensor {
    return embedding(ids, this.shared.value as tf.Tensor2D);
  }

  /** {@link embed} for what the decoder is fed. */
  embedTarget(ids: tf.Tensor): tf.Tensor {
    return embedding(ids, (this.decoderEmbedding ?? this.shared).value as tf.Tensor2D);
  }

  /** The output head's weight (vocab, d_model). */
  get head(): tf.Tensor2D {
    return (this.lmHead ?? this.shared).value as tf.Tensor2D;
  }

  /** The decoder's output as the head expects it: a tied head wants it scaled by d_model^-0.5. */
  headInput(hidden: tf.Tensor3D): tf.Tensor3D {
    return this.config.scale_decoder_outputs ? tf.mul(hidden, this.config.d_model ** -0.5) : hidden;
  }

  override call(): tf.Tensor {
    throw new Error('T5: use encoder, decoder and head; the model joins them (reasvqa.ts)');
  }
}
