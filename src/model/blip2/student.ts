/** BLIP-2 FlanT5 as a student: ragged token rows and named targets in, blip2.ts's padded and packed batches inside. */

import * as tf from '@tensorflow/tfjs-core';
import { withHalfProducts } from '../../ops/bf16.js';
import { IGNORED } from '../../ops/labels.js';
import { CLIP_MEAN, CLIP_STD } from '../../video/normalisation.js';
import { type Blip2Config, patchesPerSide } from '../../weights/config.js';
import { DECODER_TABLE, HEAD_TABLE } from '../../weights/ownTables.js';
import { type Context, inferenceContext, type Precision } from '../context.js';
import { linearsOf } from '../layers/linear.js';
import type { Parameter } from '../layers/module.js';
import { finish } from '../sampling.js';
import type {
  Encoded,
  Generated,
  GenerateOptions,
  Preprocessing,
  Student,
  StudentInput,
  Target,
  TokenLosses,
  TokenRows,
  Visual,
} from '../student.js';
import { joined, learnedTargets, type Member, promptGroups, repeated, tempered } from '../targets.js';
import { padLabels, padTokens } from '../tokens.js';
import { architecture } from './architecture.js';
import { Blip2, type Encoded as Blip2Encoded, type EncoderBatch } from './blip2.js';
import { generateSteps, lastLogits } from './generate.js';
import type { PackedTargets } from './packing.js';

const VISION = 'vision_model.';

export class Blip2Student implements Student {
  readonly kind = architecture;
  readonly module: Blip2;
  readonly preprocessing: Preprocessing;
  readonly vocabulary: number;
  readonly featureShape: readonly [number, number];
  readonly visualShape: readonly [number, number];
  readonly visionSettings: unknown;
  readonly languageModelPath = 'language_model.';

  constructor(
    readonly config: Blip2Config,
    readonly precision: Precision = 'f32',
  ) {
    const { vision_config: vision, text_config: text } = config;
    this.module = new Blip2(config);
    this.preprocessing = { imageSize: vision.image_size, mean: CLIP_MEAN, std: CLIP_STD };
    this.vocabulary = text.vocab_size;
    this.featureShape = [patchesPerSide(vision) ** 2 + 1, vision.hidden_size];
    this.visualShape = [config.num_query_tokens, text.d_model];
    this.visionSettings = vision;
  }

  features(pixels: tf.Tensor4D, context: Context = inferenceContext(this.precision)): tf.Tensor3D {
    return withHalfProducts(context.mixed, () => tf.tidy(() => this.module.visionFeatures(pixels, context)));
  }

  featureParameters(): Parameter[] {
    return [...this.module.vision.parameters()].filter(
      ({ name }) => name.startsWith(VISION) && architecture.groupOf(name) === undefined,
    );
  }

  matrices(): Parameter[] {
    const weights = [...linearsOf(this.module).values()].map((linear) => linear.weight);
    const { lmHead } = this.module.languageModel;
    return lmHead === undefined ? weights : [...weights, lmHead];
  }

  look(visual: Visual, context: Context): tf.Tensor3D {
    if (visual.tokens) return visual.tokens;
    const features = visual.features ?? this.module.visionFeatures(visual.pixels, context);
    return this.module.project(features, context);
  }

  encode(input: StudentInput): Encoded {
    const context = inferenceContext(this.precision);
    return withHalfProducts(context.mixed, () => {
      const encoded = tf.tidy(() => {
        const projected = this.look(input.visual, context);
        return { ...this.module.encode(projected, this.encoderBatch(input, input.prompts), context) };
      });
      return new EncodedInput(encoded);
    });
  }

  losses(input: StudentInput, targets: readonly Target[], context: Context): TokenLosses {
    const learned = learnedTargets(targets);
    return withHalfProducts(context.mixed, () => {
      const projected = this.look(input.visual, context);
      const groups = promptGroups(learned, input.prompts).map(({ prompts, members }) => ({
        members,
        encoded: this.module.encode(projected, this.encoderBatch(input, prompts), context),
      }));
      return joined(groups.map(({ encoded, members }) => this.decoded(encoded, members, context)));
    });
  }

  /** Losses of all targets of one encoded prompt, in one pass of the decoder. */
  private decoded(encoded: Blip2Encoded, members: Member[], context: Context): TokenLosses {
    const { module } = this;
    const packed = module.pack(
      members.map(({ target }) => padLabels(target.rows)),
      members.map(({ target }) => target.start ?? this.config.text_config.decoder_start_token_id),
    );
    const places = placesOf(
      packed,
      members.map(({ index }) => index),
    );
    const hidden = module.decode(encoded, packed, context);
    const flat = tf.reshape(hidden, [packed.labels.length, -1]) as tf.Tensor2D;
    return {
      values: module.tokenLosses(tempered(flat, members, places.target), packed),
      ...places,
      likeliest: () => tf.tidy(() => tf.argMax(module.logits(hidden), 2).dataSync() as Int32Array),
    };
  }

  tokenScores(
    encoded: Encoded,
    prefix: readonly number[],
    candidates: ArrayLike<number>,
    start: number = this.config.text_config.decoder_start_token_id,
  ): number[][] {
    const context = inferenceContext(this.precision);
    return withHalfProducts(context.mixed, () => {
      const logits = lastLogits(this.module, own(encoded), [start, ...prefix], context);
      const [rows, width] = logits.shape;
      const values = logits.dataSync();
      logits.dispose();
      return Array.from({ length: rows }, (_, row) =>
        Array.from(candidates, (id) => values[row * width + id] as number),
      );
    });
  }

  generate(encoded: Encoded, options: GenerateOptions): Generated {
    return finish(this.generateSteps(encoded, options));
  }

  generateSteps(encoded: Encoded, options: GenerateOptions): Generator<Generated, Generated, void> {
    return generateSteps(this.module, own(encoded), options, inferenceContext(this.precision));
  }

  addOptional(names: readonly string[]): void {
    const { languageModel } = this.module;
    if (names.includes(HEAD_TABLE)) languageModel.addHead();
    if (names.includes(DECODER_TABLE)) languageModel.addDecoderEmbedding();
  }

  dispose(): void {
    this.module.dispose();
  }

  private encoderBatch({ frames, framePrefixes }: StudentInput, prompts: TokenRows): EncoderBatch {
    const { pad_token_id: padId } = this.config.text_config;
    return {
      videos: prompts.length,
      frames,
      ...(framePrefixes ? { prefix: padTokens(framePrefixes, padId) } : {}),
      prompt: padTokens(prompts, padId),
    };
  }
}

/** The encoder's output, owned. */
class EncodedInput implements Encoded {
  constructor(readonly inner: Blip2Encoded) {}

  get rows(): number {
    return this.inner.hidden.shape[0];
  }

  pick(row: number): Encoded {
    const { hidden, keyMask } = this.inner;
    return new EncodedInput(
      tf.tidy(() => ({
        hidden: tf.slice(hidden, [row, 0, 0], [1, hidden.shape[1], hidden.shape[2]]),
        keyMask: tf.slice(keyMask, [row, 0], [1, keyMask.shape[1]]),
      })),
    );
  }

  repeat(times: number): Encoded {
    const { hidden, keyMask } = this.inner;
    return new EncodedInput({ hidden: repeated(hidden, times), keyMask: repeated(keyMask, times) });
  }

  dispose(): void {
    tf.dispose([this.inner.hidden, this.inner.keyMask]);
  }
}

function own(encoded: Encoded): Blip2Encoded {
  if (encoded instanceof EncodedInput) return encoded.inner;
  throw new Error('an input that another architecture encoded');
}

/** Which target and row each packed column belongs to. */
function placesOf(packed: PackedTargets, targets: readonly number[]): Pick<TokenLosses, 'target' | 'row'> {
  const target = new Int16Array(packed.labels.length).fill(-1);
  const row = new Int32Array(packed.labels.length);
  let at = 0;
  for (let r = 0; r < packed.rows; r++)
    packed.lengths.forEach((length, segment) => {
      for (let t = 0; t < length; t++, at++) {
        row[at] = r;
        if (packed.labels[at] !== IGNORED) target[at] = targets[segment]!;
      }
    });
  return { target, row };
}
