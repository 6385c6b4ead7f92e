/**
 * LLaVA-OneVision (Li et al. 2024) over a clip of frames:
 *
 *   frames -> SigLIP (frozen) -> projector, pooled -> [.. visual tokens .. newline] in the prompt -> Qwen2 -> head
 *
 * One pass serves both losses of the paper (section 3.3): sequence.ts lays prompt, answer and reasoning out.
 */
import * as tf from '@tensorflow/tfjs-core';
import { causalMask } from '../../ops/causalAttention.js';
import { embedding } from '../../ops/embedding.js';
import { linear } from '../../ops/linear.js';
import { type RopeTable, ropeTable } from '../../ops/rope.js';
import type { Context } from '../context.js';
import { Module, type Parameter } from '../layers/module.js';
import type { TokenRows } from '../student.js';
import { type LlavaConfig, usedLayers, visionSide } from './config.js';
import { HEAD } from './names.js';
import { pooledSide } from './pooling.js';
import { Projector } from './projector.js';
import { type KeyValue, Qwen2 } from './qwen2.js';
import { type Sequence, sequenceOf } from './sequence.js';
import { VisionTower } from './siglip.js';

export class Llava extends Module {
  static className = 'LlavaOnevision';
  readonly vision: VisionTower;
  readonly projector: Projector;
  readonly imageNewline: Parameter;
  readonly languageModel: Qwen2;
  /** Absent where the embedding is the head. */
  private lmHead: Parameter | undefined;

  constructor(readonly config: LlavaConfig) {
    super('');
    const { text_config: text } = config;
    this.vision = this.child(new VisionTower('model.vision_tower', config.vision_config, usedLayers(config)));
    this.projector = this.child(new Projector('model.multi_modal_projector', config));
    this.imageNewline = this.parameter('model.image_newline', [text.hidden_size], {
      normal: text.hidden_size ** -0.5,
    });
    this.languageModel = this.child(new Qwen2('model.language_model', text));
    if (!config.tie_word_embeddings) this.addHead();
  }

  /** Gives the output a table of its own, for checkpoints that hold one whatever their configuration says. */
  addHead(): void {
    const { vocab_size: rows, hidden_size: width } = this.config.text_config;
    this.lmHead ??= this.parameter(HEAD, [rows, width], { normal: 0.02 });
  }

  /** (vocabulary, d) */
  get head(): tf.Tensor2D {
    return (this.lmHead?.value ?? this.languageModel.table) as tf.Tensor2D;
  }

  /** The head's own parameter, if it has one. */
  get ownHead(): Parameter | undefined {
    return this.lmHead;
  }

  /** Visual tokens of a frame after pooling. */
  get tokensPerFrame(): number {
    return pooledSide(visionSide(this.config.vision_config)) ** 2;
  }

  /**
   * Lays prompts and segments out around clips of so many frames.
   *
   * @throws DataError as {@link sequenceOf}
   */
  lay(prompts: TokenRows, segments: readonly TokenRows[], frames: number): Sequence {
    const { video_token_index: id, text_config: text } = this.config;
    const video = { id, frames, count: frames * this.tokensPerFrame };
    return sequenceOf(prompts, segments, video, text.max_position_embeddings);
  }

  /** @param looked (rows * frames, tokens, d). @returns the columns' embeddings, (rows, columns, d) */
  embed({ rows, columns, sources, text }: Sequence, looked: tf.Tensor3D): tf.Tensor3D {
    const width = looked.shape[2];
    const parts = [tf.reshape(looked, [-1, width]), tf.reshape(this.imageNewline.value, [1, width])];
    if (text.length > 0) parts.push(this.languageModel.embed(tf.tensor1d(text, 'int32')));
    const table = tf.concat(parts, 0) as tf.Tensor2D;
    return embedding(tf.tensor2d(sources, [rows, columns], 'int32'), table) as tf.Tensor3D;
  }

  /** @returns the states of every column, (rows, columns, d), before the final norm */
  forward(sequence: Sequence, looked: tf.Tensor3D, context: Context): tf.Tensor3D {
    return this.languageModel.forward(this.embed(sequence, looked), this.inputs(sequence, context), context);
  }

  /** {@link forward} of prompts, with the keys and values of every block; the caller disposes all of them. */
  prefill(
    sequence: Sequence,
    looked: tf.Tensor3D,
    context: Context,
  ): { hidden: tf.Tensor3D; known: KeyValue[] } {
    const begun = tf.tidy(() => ({ x: this.embed(sequence, looked), ...this.inputs(sequence, context) }));
    const { x, ...inputs } = begun;
    try {
      return this.languageModel.prefill(x, inputs, context);
    } finally {
      tf.dispose(begun);
    }
  }

  private inputs(sequence: Sequence, context: Context) {
    const { attention_dropout: rate } = this.config.text_config;
    return { ...this.turns(sequence.positions), ...causalMask(sequence, context.training && rate > 0) };
  }

  /** Rotary angles of positions. */
  turns(positions: ArrayLike<number>): RopeTable {
    const { head_dim, rope_theta } = this.config.text_config;
    return ropeTable(positions, head_dim, rope_theta);
  }

  /** States before the final norm to what the head reads; (..., d). */
  headInput<T extends tf.Tensor>(hidden: T): T {
    return this.languageModel.norm.forward(hidden);
  }

  /** {@link headInput} to logits, (..., vocabulary) float32. Losses never hold them all (linearCrossEntropy). */
  logits(read: tf.Tensor): tf.Tensor {
    return linear(read, this.head);
  }
}
