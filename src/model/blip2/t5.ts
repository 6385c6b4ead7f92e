/** FlanT5: encoder, decoder, output head, and decoding step by step. */
import * as tf from '@tensorflow/tfjs-core';
import { dropout } from '../../ops/dropout.js';
import { embedding } from '../../ops/embedding.js';
import { type Context, inferenceContext, nextDropout } from '../context.js';
import { FeedForward, type FeedForwardSettings } from '../layers/feedForward.js';
import { Module, type Parameter } from '../layers/module.js';
import { RmsNorm } from '../layers/norm.js';
import { type Block, preNorm, runBlocks } from '../layers/sublayer.js';
import { relativeBuckets } from './relativeBias.js';
import {
  type KeyValue,
  KeyValueCache,
  type SelfInputs,
  T5Attention,
  type TextConfig,
} from './t5Attention.js';

const ACTIVATIONS: Readonly<Record<string, FeedForwardSettings['activation']>> = {
  gelu: 'erf',
  gelu_new: 'tanh',
  relu: 'relu',
  silu: 'silu',
};

/** Inputs of a block besides x: the bias, and in the decoder the encoder's output and its padding mask. */
interface BlockInputs extends SelfInputs {
  memory?: tf.Tensor3D;
  memoryMask?: tf.Tensor2D;
}

/** Inputs that all blocks share in a step of decoding: see {@link DecoderState}. */
interface StepInputs {
  bias: tf.Tensor3D;
  memoryMask: tf.Tensor2D;
}

/** The key/value cache of one decoder block: the steps so far and the encoder's output. */
interface BlockCache {
  steps: KeyValueCache;
  memory: KeyValue;
}

/** Pre-norm residual block: self-attention, in the decoder cross-attention, feed-forward. */
export class T5Block extends Module implements Block<BlockInputs> {
  static className = 'T5Block';
  readonly recomputesSublayers = true;
  readonly selfAttention: T5Attention;
  readonly crossAttention: T5Attention | undefined;
  private readonly feedForward: FeedForward;
  private readonly norms: RmsNorm[];

  constructor(path: string, config: TextConfig, isDecoder: boolean, index: number) {
    super(path);
    const { d_model: width, d_ff: inner, dropout_rate: rate } = config;
    const last = isDecoder ? 2 : 1;
    this.selfAttention = this.child(new T5Attention(`${path}.layer.0.SelfAttention`, config, index === 0));
    if (isDecoder)
      this.crossAttention = this.child(new T5Attention(`${path}.layer.1.EncDecAttention`, config, false));
    this.feedForward = this.child(
      new FeedForward(`${path}.layer.${last}.DenseReluDense`, {
        width,
        inner,
        first: config.is_gated_act ? ['wi_0', 'wi_1'] : ['wi'],
        last: 'wo',
        bias: false,
        activation: ACTIVATIONS[config.dense_act_fn]!,
        dropout: { inner: rate, result: rate },
      }),
    );
    this.norms = Array.from({ length: last + 1 }, (_, i) =>
      this.child(new RmsNorm(`${path}.layer.${i}.layer_norm`, width, config.layer_norm_epsilon)),
    );
  }

  /** x + layer(norm(x)) for one layer after another; (B, L, d_model) float32 in and out. */
  forward(x: tf.Tensor3D, inputs: BlockInputs, context: Context): tf.Tensor3D {
    const { selfAttention, crossAttention, feedForward, norms } = this;
    const { bias, keyMask, memory, memoryMask } = inputs;
    let y = preNorm(x, norms[0]!, selfAttention.toSelf({ bias, keyMask }), context);
    if (crossAttention && memory)
      y = preNorm(y, norms[1]!, crossAttention.toMemory({ memory, keyMask: memoryMask }), context);
    return preNorm(y, norms.at(-1)!, feedForward, context);
  }

  /** {@link forward} of one step of decoding, (B, 1, d_model); see {@link T5Attention.toCache}. */
  step(x: tf.Tensor3D, { steps, memory }: BlockCache, inputs: StepInputs, context: Context): tf.Tensor3D {
    const { selfAttention, crossAttention, feedForward, norms } = this;
    const known = { ...memory, keyMask: inputs.memoryMask };
    let y = preNorm(x, norms[0]!, selfAttention.toCache(steps, inputs.bias), context);
    y = preNorm(y, norms[1]!, crossAttention!.toKnown(known), context);
    return preNorm(y, norms[2]!, feedForward, context);
  }
}

/** The encoder or the decoder: blocks and a final norm. Embedding happens outside, since frames come in as vectors. */
class T5Stack extends Module {
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
    const dropped = dropout(x, nextDropout(context, this.config.dropout_rate));
    return this.finish(runBlocks(this.block, dropped, inputs, context), context);
  }

  /** Final norm and dropout. */
  finish(hidden: tf.Tensor3D, context: Context): tf.Tensor3D {
    return dropout(this.finalLayerNorm.forward(hidden), nextDropout(context, this.config.dropout_rate));
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const [x, memory] = (Array.isArray(inputs) ? inputs : [inputs]) as [tf.Tensor3D, tf.Tensor3D?];
    const positions = Int32Array.from({ length: x.shape[1] }, (_, i) => i);
    const bias = this.positionBias(positions, positions);
    return this.forward(x, { bias, ...(memory ? { memory } : {}) }, inferenceContext());
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

  /** {@link embed} for the decoder's input ids. */
  embedTarget(ids: tf.Tensor): tf.Tensor {
    return embedding(ids, (this.decoderEmbedding ?? this.shared).value as tf.Tensor2D);
  }

  /** The output head's weight (vocab, d_model). */
  get head(): tf.Tensor2D {
    return (this.lmHead ?? this.shared).value as tf.Tensor2D;
  }

  /** Scales the decoder's output for the head: by d_model^-0.5 where the head is tied. */
  headInput(hidden: tf.Tensor3D): tf.Tensor3D {
    return this.config.scale_decoder_outputs ? tf.mul(hidden, this.config.d_model ** -0.5) : hidden;
  }

  /** One step of decoding: from the next token of every row, (B, 1) int32, to the head's input, (B, 1, d_model). */
  step(ids: tf.Tensor2D, state: DecoderState, context: Context): tf.Tensor3D {
    const { block } = this.decoder;
    const inputs = { bias: state.nextBias(), memoryMask: state.memoryMask };
    const last = block.reduce(
      (x, block, i) => block.step(x, state.blocks[i]!, inputs, context),
      this.embedTarget(ids) as tf.Tensor3D,
    );
    return this.headInput(this.decoder.finish(last, context));
  }
}

/** The decoder with its key/value caches, for {@link T5.step}. */
export class DecoderState {
  readonly blocks: BlockCache[];
  /** (B * heads, 1, steps): the last step's bias to every step. It depends on distance alone: earlier ones end it. */
  private readonly bias: tf.Tensor3D;
  private position = 0;

  /**
   * @param memory (B, S, d_model), the encoder's output
   * @param memoryMask (B, S): 1 = real, 0 = padding
   * @param steps how many there will be at most
   */
  constructor(
    decoder: T5Stack,
    memory: tf.Tensor3D,
    readonly memoryMask: tf.Tensor2D,
    private readonly steps: number,
    context: Context,
  ) {
    const positions = Int32Array.from({ length: steps }, (_, i) => i);
    this.bias = tf.tidy(() => tf.tile(decoder.positionBias([steps - 1], positions), [memory.shape[0], 1, 1]));
    this.blocks = decoder.block.map(({ crossAttention }) => ({
      steps: new KeyValueCache(),
      memory: crossAttention!.keyValue(memory, context),
    }));
  }

  /** (B * heads, 1, steps so far and the next one): the next step's bias. */
  nextBias(): tf.Tensor3D {
    return tf.slice(this.bias, [0, 0, this.steps - ++this.position]);
  }

  dispose(): void {
    for (const { steps, memory } of this.blocks) {
      steps.dispose();
      tf.dispose([memory.key, memory.value]);
    }
    this.bias.dispose();
  }
}
