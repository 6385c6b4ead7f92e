/**
 * The student: BLIP-2 FlanT5 (Li et al. 2023) over several frames.
 *
 *   frames -> ViT-g (frozen) -> post_layernorm -> Q-Former -> language_projection -+
 *   "Frame i: " embeddings, before each frame's queries --------------------------+-> T5 encoder -> T5 decoder
 *   prompt embeddings, after all frames -------------------------------------------+     (once)    [answer | reasoning]
 *
 * One forward pass serves both losses of the paper (section 3.3): the encoder runs once, both targets go through the
 * decoder packed in one sequence (packing.ts).
 */
import * as tf from '@tensorflow/tfjs-core';
import { linearCrossEntropy } from '../../ops/crossEntropy.js';
import { linear } from '../../ops/linear.js';
import type { Blip2Config } from '../../weights/config.js';
import { type Context, inferenceContext } from '../context.js';
import { Linear } from '../layers/linear.js';
import { Module, type Parameter } from '../layers/module.js';
import type { Labels, Tokens } from '../tokens.js';
import { type PackedTargets, packTargets } from './packing.js';
import { QFormer } from './qformer.js';
import { T5 } from './t5.js';
import { VisionModel } from './vit.js';

/** Token ids of a batch, as the encoder reads them. */
export interface EncoderBatch {
  /** Videos (B) and frames of each (N). */
  videos: number;
  frames: number;
  /** "Frame i: " of each frame, (N, P); absent when frames are not announced. */
  prefix?: Tokens;
  /** The question and its options, (B, L). */
  prompt: Tokens;
}

/** The encoder's output, and its padding mask. */
export interface Encoded {
  /** (B, S, d_model) */
  hidden: tf.Tensor3D;
  /** (B, S) float32: 1 = real, 0 = padding. */
  keyMask: tf.Tensor2D;
}

export class Blip2 extends Module {
  static className = 'Blip2';
  readonly queryTokens: Parameter;
  readonly vision: VisionModel;
  readonly qformer: QFormer;
  readonly languageProjection: Linear;
  readonly languageModel: T5;

  constructor(readonly config: Blip2Config) {
    super('');
    const { vision_config: vision, qformer_config: qformer, text_config: text } = config;
    this.queryTokens = this.parameter('query_tokens', [1, config.num_query_tokens, qformer.hidden_size], {
      normal: 0.02,
    });
    this.vision = this.child(new VisionModel('vision_model', vision));
    this.qformer = this.child(new QFormer('qformer', qformer));
    this.languageProjection = this.child(
      new Linear('language_projection', qformer.hidden_size, text.d_model, true),
    );
    this.languageModel = this.child(new T5('language_model', text));
  }

  /**
   * Frozen part of the vision model.
   *
   * @param pixels (B * N, 3, image, image) float32. @returns (B * N, tokens, hidden), before post_layernorm.
   */
  visionFeatures(pixels: tf.Tensor4D, context: Context = inferenceContext()): tf.Tensor3D {
    return this.vision.features(pixels, context);
  }

  /** @param features (n, tokens, hidden) of {@link visionFeatures}. @returns (n, queries, qformer hidden). */
  queryOutput(image: tf.Tensor3D, context: Context): tf.Tensor3D {
    const [, queries, width] = this.queryTokens.shape as [number, number, number];
    const expanded = tf.tile(this.queryTokens.value as tf.Tensor3D, [image.shape[0], 1, 1]);
    return this.qformer.forward(tf.reshape(expanded, [image.shape[0], queries, width]), image, context);
  }

  /** Features of every frame -> the language model's visual tokens, (B * N, queries, d_model). */
  project(features: tf.Tensor3D, context: Context): tf.Tensor3D {
    const image = this.vision.postLayernorm.forward(features);
    return this.languageProjection.forward(this.queryOutput(image, context), context);
  }

  /**
   * @param projected (B * N, queries, d_model) of {@link project}.
   * @returns hidden (B, N * (P + queries) + L, d_model), padded positions included.
   */
  encode(projected: tf.Tensor3D, batch: EncoderBatch, context: Context): Encoded {
    const { videos, frames, prompt } = batch;
    const { encoder } = this.languageModel;
    const [, queries, width] = projected.shape;
    const promptEmbeds = this.embedIds(prompt, videos);
    let perFrame = tf.reshape(projected, [videos, frames, queries, width]) as tf.Tensor4D;
    if (batch.prefix) {
      const prefix = tf.reshape(this.embedIds(batch.prefix, frames), [
        1,
        frames,
        batch.prefix.columns,
        width,
      ]);
      perFrame = tf.concat([tf.tile(prefix as tf.Tensor4D, [videos, 1, 1, 1]), perFrame], 2);
    }
    const frameLength = frames * ((batch.prefix?.columns ?? 0) + queries);
    const visual = tf.reshape(perFrame, [videos, frameLength, width]) as tf.Tensor3D;
    const input = tf.concat([visual, promptEmbeds], 1);
    const keyMask = this.encoderMask(batch, queries);
    const length = input.shape[1];
    const positions = Int32Array.from({ length }, (_, i) => i);
    const bias = encoder.positionBias(positions, positions);
    return { hidden: encoder.forward(input, { bias, keyMask }, context), keyMask };
  }

  private embedIds({ ids, columns }: Tokens, rows: number): tf.Tensor3D {
    if (ids.length !== rows * columns)
      throw new Error(`encode: ${ids.length} token ids for ${rows} rows of ${columns}`);
    return this.languageModel.embed(tf.tensor2d(ids, [rows, columns], 'int32')) as tf.Tensor3D;
  }

  /** (B, S): frames' queries are always real, prefixes and prompts as their masks say. */
  private encoderMask({ videos, frames, prefix, prompt }: EncoderBatch, queries: number): tf.Tensor2D {
    const step = (prefix?.columns ?? 0) + queries;
    const length = frames * step + prompt.columns;
    const mask = new Float32Array(videos * length).fill(1);
    for (let b = 0; b < videos; b++) {
      const row = b * length;
      if (prefix)
        for (let f = 0; f < frames; f++)
          for (let p = 0; p < prefix.columns; p++)
            mask[row + f * step + p] = prefix.mask[f * prefix.columns + p] as number;
      const start = row + frames * step;
      for (let t = 0; t < prompt.columns; t++)
        mask[start + t] = prompt.mask[b * prompt.columns + t] as number;
    }
    return tf.tensor2d(mask, [videos, length]);
  }

  /** @returns the decoder's output for every packed column, (B, columns, d_model), ready for the head. */
  decode(encoded: Encoded, packed: PackedTargets, context: Context): tf.Tensor3D {
    const { decoder } = this.languageModel;
    const ids = tf.tensor2d(packed.inputIds, [packed.rows, packed.columns], 'int32');
    const bias = decoder.positionBias(packed.positions, packed.positions, packed.mask);
    const hidden = decoder.forward(
      this.languageModel.embedTarget(ids) as tf.Tensor3D,
      { bias, memory: encoded.hidden, memoryMask: encoded.keyMask },
      context,
    );
    return this.languageModel.headInput(hidden);
  }

  /** Decoder output -> logits, (..., vocab) float32. For losses use {@link tokenLosses}, which never holds them all. */
  logits(hidden: tf.Tensor3D): tf.Tensor3D {
    return linear(hidden, this.languageModel.head) as tf.Tensor3D;
  }

  /** Cross-entropy of every packed column, (B * columns) float32; 0 where the label is ignored. */
  tokenLosses(hidden: tf.Tensor, packed: PackedTargets): tf.Tensor1D {
    const flat = tf.reshape(hidden, [packed.rows * packed.columns, -1]) as tf.Tensor2D;
    return linearCrossEntropy(flat, this.languageModel.head, packed.labels);
  }

  /** Packs targets with this model's start and padding tokens. */
  pack(segments: Labels[], startIds?: number[]): PackedTargets {
    const { decoder_start_token_id: start, pad_token_id: pad } = this.config.text_config;
    return packTargets(segments, startIds ?? segments.map(() => start), pad);
  }
}
