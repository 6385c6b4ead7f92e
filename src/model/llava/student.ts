/** LLaVA-OneVision as a student: ragged token rows and named targets in, packed sequences inside. */
import * as tf from '@tensorflow/tfjs-core';
import { UsageError } from '../../base/errors.js';
import { withHalfProducts } from '../../ops/bf16.js';
import { linearCrossEntropy } from '../../ops/crossEntropy.js';
import { embedding } from '../../ops/embedding.js';
import { tidied } from '../../ops/tidied.js';
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
import { joined, learnedTargets, type Member, promptGroups, tempered } from '../targets.js';
import { adapters } from './adapters.js';
import { architecture } from './architecture.js';
import { type LlavaConfig, usedLayers, visionSide } from './config.js';
import { generateSteps, LongTexts, ReadPrompts, readAfter } from './generate.js';
import { Llava } from './llava.js';
import type { Sequence } from './sequence.js';

export class LlavaStudent implements Student {
  readonly kind = architecture;
  readonly module: Llava;
  readonly preprocessing: Preprocessing;
  readonly vocabulary: number;
  readonly placeholders: NonNullable<Student['placeholders']>;
  readonly featureShape: readonly [number, number];
  readonly visualShape: readonly [number, number];
  readonly visionSettings: unknown;
  readonly languageModelPath = 'model.language_model.';
  readonly adapters = adapters;
  private readonly longTexts: LongTexts;

  constructor(
    readonly config: LlavaConfig,
    readonly precision: Precision = 'f32',
  ) {
    const { vision_config: vision, text_config: text } = config;
    const { mean, std } = config.normalisation;
    this.module = new Llava(config);
    this.preprocessing = { imageSize: vision.image_size, mean, std };
    this.vocabulary = text.vocab_size;
    this.longTexts = new LongTexts(text.max_position_embeddings);
    this.placeholders = [{ token: '<video>', id: config.video_token_index, key: 'video_token_index' }];
    this.featureShape = [visionSide(vision) ** 2, vision.hidden_size];
    this.visualShape = [this.module.tokensPerFrame, text.hidden_size];
    this.visionSettings = { ...vision, used: usedLayers(config), mean, std };
  }

  features(pixels: tf.Tensor4D, context: Context = inferenceContext(this.precision)): tf.Tensor3D {
    return withHalfProducts(context.mixed, () => tf.tidy(() => this.module.vision.features(pixels, context)));
  }

  featureParameters(): Parameter[] {
    return [...this.module.vision.parameters()];
  }

  matrices(): Parameter[] {
    const weights = [...linearsOf(this.module).values()].map((linear) => linear.weight);
    // A shared table is read as an embedding too, which bf16 storage does not serve.
    const { ownHead } = this.module;
    return ownHead === undefined ? weights : [...weights, ownHead];
  }

  look(visual: Visual, context: Context): tf.Tensor3D {
    if (visual.tokens) return visual.tokens;
    const features = visual.features ?? this.module.vision.features(visual.pixels, context);
    return this.module.projector.forward(features, context);
  }

  encode(input: StudentInput): Encoded {
    refusePrefixes(input);
    const context = inferenceContext(this.precision);
    const { module } = this;
    return withHalfProducts(context.mixed, () => {
      const sequence = module.lay(input.prompts, [], input.frames);
      const looked = tf.tidy(() => {
        const made = this.look(input.visual, context);
        return made === input.visual.tokens ? tf.clone(made) : made;
      });
      const { hidden, known } = module.prefill(sequence, looked, context);
      looked.dispose();
      const last = tf.tidy(() => {
        const { rows, columns } = sequence;
        const ends = tf.slice(hidden, [0, columns - 1, 0], [rows, 1, hidden.shape[2]]);
        return module.headInput(tf.reshape(ends, [rows, hidden.shape[2]]) as tf.Tensor2D);
      });
      hidden.dispose();
      return new ReadPrompts(last, known, Array.from(sequence.starts));
    });
  }

  losses(input: StudentInput, targets: readonly Target[], context: Context): TokenLosses {
    refusePrefixes(input);
    const learned = learnedTargets(targets);
    return withHalfProducts(context.mixed, () => {
      const looked = this.look(input.visual, context);
      const groups = promptGroups(learned, input.prompts);
      return joined(
        groups.map(({ prompts, members }) => this.written(looked, prompts, members, input.frames, context)),
      );
    });
  }

  /** Losses of all targets of one prompt, in one pass. */
  private written(
    looked: tf.Tensor3D,
    prompts: TokenRows,
    members: Member[],
    frames: number,
    context: Context,
  ): TokenLosses {
    const { module } = this;
    const segments = members.map(({ target }) => target.rows.map((row) => inputOf(row, target.start)));
    const sequence = module.lay(prompts, segments, frames);
    const { labels, columns, target, row } = placesOf(sequence, members);
    const hidden = module.forward(sequence, looked, context);
    const states = tf.reshape(hidden, [-1, hidden.shape[2]]) as tf.Tensor2D;
    // The prompt's last column writes the first token of every target, so it is picked several times.
    const picked = embedding(tf.tensor1d(columns, 'int32'), states) as tf.Tensor2D;
    const read = module.headInput(picked);
    return {
      values: linearCrossEntropy(tempered(read, members, target), module.head, labels),
      target,
      row,
      likeliest: () => tf.tidy(() => tf.argMax(module.logits(read), 1).dataSync() as Int32Array),
    };
  }

  tokenScores(
    encoded: Encoded,
    prefix: readonly number[],
    candidates: ArrayLike<number>,
    start?: number,
  ): number[][] {
    const context = inferenceContext(this.precision);
    const tokens = start === undefined ? prefix : [start, ...prefix];
    return withHalfProducts(context.mixed, () => {
      const read = readAfter(this.module, own(encoded), tokens, context);
      const logits = tidied(() => this.module.logits(read).dataSync());
      read.dispose();
      return Array.from({ length: encoded.rows }, (_, row) =>
        Array.from(candidates, (id) => logits[row * this.vocabulary + id]!),
      );
    });
  }

  generate(encoded: Encoded, options: GenerateOptions): Generated {
    return finish(this.generateSteps(encoded, options));
  }

  *generateSteps(encoded: Encoded, options: GenerateOptions): Generator<Generated, Generated, void> {
    const prompts = own(encoded);
    const written = yield* generateSteps(this.module, prompts, options, inferenceContext(this.precision));
    this.longTexts.add(prompts, written);
    return written;
  }

  notice(): string | undefined {
    return this.longTexts.notice();
  }

  addOptional(names: readonly string[]): void {
    if (names.length > 0) this.module.addHead();
  }

  dispose(): void {
    this.module.dispose();
  }
}

/** @throws UsageError for text before frames, whose tokens follow each other without a gap */
function refusePrefixes({ framePrefixes }: StudentInput): void {
  if (framePrefixes)
    throw new UsageError('video.prefix: LLaVA-OneVision has no text between frames; set video.prefix=false');
}

function own(encoded: Encoded): ReadPrompts {
  if (encoded instanceof ReadPrompts) return encoded;
  throw new Error('an input that another architecture encoded');
}

/** Tokens that a target's segment reads: all but the last, which is only written, behind its start token if it has one. */
function inputOf(row: readonly number[], start: number | undefined): number[] {
  if (row.length === 0) return [];
  return [...(start === undefined ? [] : [start]), ...row.slice(0, -1)];
}

/** Columns, of the flattened rows, that write a token, with the token, its target and its row. */
function placesOf({ columns: width, prefix, segments }: Sequence, members: readonly Member[]) {
  const columns: number[] = [];
  const labels: number[] = [];
  const targets: number[] = [];
  const rows: number[] = [];
  let begin = prefix;
  members.forEach(({ target, index }, s) => {
    // Without a start token the prompt's last column writes the first token.
    const ahead = target.start === undefined ? 1 : 0;
    target.rows.forEach((row, r) => {
      row.forEach((label, t) => {
        columns.push(r * width + (t < ahead ? prefix - 1 : begin + t - ahead));
        labels.push(label);
        targets.push(index);
        rows.push(r);
      });
    });
    begin += segments[s]!;
  });
  return {
    columns: Int32Array.from(columns),
    labels: Int32Array.from(labels),
    target: Int16Array.from(targets),
    row: Int32Array.from(rows),
  };
}
