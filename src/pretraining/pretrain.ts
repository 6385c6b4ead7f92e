/**
 * Trains the small base model of the shapes world from nothing, on captions: what FlanT5 and EVA ViT-g bring along in
 * the paper's setting (seeing, and following a multiple-choice instruction) this model learns here. The questions of
 * the data set are never used, and its clips come from other seeds.
 */
import * as tf from '@tensorflow/tfjs-core';
import { Blip2 } from '../model/blip2/blip2.js';
import { blip2 } from '../model/blip2/kind.js';
import type { PackedTargets } from '../model/blip2/packing.js';
import { type Context, inferenceContext } from '../model/context.js';
import { initialiseMissing } from '../model/layers/module.js';
import { padTokens } from '../model/tokens.js';
import { selectTrainable } from '../model/trainable.js';
import { valueAndGradients } from '../ops/backward.js';
import { IGNORED } from '../ops/labels.js';
import { Rng } from '../random.js';
import { sampleFrames } from '../shapes/render.js';
import { BEATS } from '../shapes/scene.js';
import { framePrefixRows } from '../text/encode.js';
import type { Tokenizer } from '../text/tokenizer.js';
import { AdamW } from '../training/optimizer.js';
import { learningRateAt } from '../training/schedule.js';
import { toPixelValues } from '../video/preprocess.js';
import { parseBlip2Config } from '../weights/config.js';
import { type BatchSettings, type CaptionBatch, captionBatches, type Group } from './captionBatch.js';
import { type Depth, deepened, startLanguageModel } from './startingPoint.js';
import { SceneSymbols, SLOTS } from './symbols.js';

/** One stage of pre-training. What it has no samples for does not learn in it. */
export interface PretrainStage extends BatchSettings {
  name: string;
  /** What stands for the frames: tokens that tell them (symbols.ts), or what the model sees. */
  sees: 'symbols' | 'frames';
  /** The language model grows to these layers first. */
  depth?: Depth;
  steps: number;
  /** Of the first step after the warm-up; it falls along a cosine to nothing. */
  learningRate: number;
  warmupSteps: number;
}

const COMMON = { learningRate: 1e-3, warmupSteps: 100 };
const NOTHING = { reading: 0, single: 0, clips: 0, captions: 0 };
const CAPTIONS = { clips: 12, captions: 4 };
/** Mostly what happens: it is learned last, and most questions are about it. */
const EVENTS = {
  sceneShare: 0.15,
  mix: { describe: 0.5, frame: 0.25, change: 2, follow: 0.5, cloze: 5, choice: 6, explain: 2 },
} as const;

/** The answer as a letter: finding it and then its option takes more layers than saying it, and is learned slowest. */
const CHOICES = {
  sceneShare: 0.2,
  statementShare: 0,
  mix: { describe: 0, frame: 0, change: 0.5, follow: 0.25, cloze: 2, choice: 8, explain: 3, narrate: 0.5 },
} as const;
/**
 * Plain questions (FlanT5 answers questions before it sees ours), over any number of frames, among wrong options that
 * the clip suggests. With others, whether a thing was seen anywhere was enough: which object is at a place was found
 * among the clip's own objects in 26 % after `choices`, in 86 % after this.
 */
const QUESTIONS = {
  ...CHOICES,
  sceneShare: 0.3,
  spanShare: 0.4,
  nearShare: 0.75,
  questionShare: 0.7,
  mix: { describe: 0, frame: 0, change: 0.5, follow: 0.25, cloze: 5, choice: 9, explain: 2, narrate: 0.5 },
} as const;
/**
 * Prose beside questions, as the teacher's reasoning will be. Without it reasoning began at a loss of 7.2 a token, and
 * learning it cost 11 of 57 points of accuracy; with it at 2.2, and half a point.
 */
const REASONS = { ...QUESTIONS, mix: { ...QUESTIONS.mix, cloze: 3, narrate: 1, reason: 6 } } as const;
const PROSE = { ...EVENTS, mix: { ...EVENTS.mix, change: 1, narrate: 5 } } as const;

/** What weights/shapes/model.safetensors was made with, in this order; its time is in the README. */
export const PRETRAIN_STAGES: readonly PretrainStage[] = [
  { ...COMMON, ...NOTHING, name: 'words', sees: 'symbols', steps: 2000, reading: 24, single: 32 },
  { ...COMMON, name: 'language', sees: 'symbols', steps: 2500, reading: 8, single: 8, ...CAPTIONS },
  { ...COMMON, name: 'events', sees: 'symbols', steps: 1900, reading: 4, single: 4, ...CAPTIONS, ...EVENTS },
  { ...COMMON, ...NOTHING, name: 'sight', sees: 'frames', steps: 3500, clips: 12 },
  { ...COMMON, ...NOTHING, name: 'both', sees: 'frames', steps: 500, ...CAPTIONS, ...PROSE },
  {
    ...COMMON,
    name: 'choices',
    sees: 'symbols',
    steps: 1800,
    learningRate: 8e-4,
    reading: 4,
    single: 4,
    ...CAPTIONS,
    ...CHOICES,
  },
  {
    ...COMMON,
    name: 'questions',
    sees: 'symbols',
    // How an object moved it could say (74 % of cloze) but not find among options (26 %): that takes more layers.
    depth: { num_layers: 4, num_decoder_layers: 6 },
    steps: 5500,
    learningRate: 6e-4,
    reading: 4,
    single: 16,
    ...CAPTIONS,
    ...QUESTIONS,
  },
  {
    ...COMMON,
    name: 'reasons',
    sees: 'symbols',
    steps: 800,
    learningRate: 4e-4,
    reading: 4,
    single: 16,
    ...CAPTIONS,
    ...REASONS,
  },
];

/** Sampled frames of a clip: each shows one beat. */
const FRAMES = BEATS;

/**
 * T5's relative biases learn this much faster. They are added to attention scores, where single numbers of about 5 make
 * a head look at one neighbour; Adam moves a number by at most the learning rate a step, so at 1e-3 telling the option
 * beside a letter took 3,000 steps to begin.
 */
const BIAS_RATE = 30;
const isBias = (name: string) => name.endsWith('relative_attention_bias.weight');

/** The architecture of BLIP-2 FlanT5 with 3.95 M parameters; the last stage makes it 5.18 M. */
export function shapesConfig(vocabularySize: number) {
  return parseBlip2Config({
    vision_config: {
      hidden_size: 128,
      intermediate_size: 384,
      num_hidden_layers: 4,
      num_attention_heads: 4,
      image_size: 64,
      patch_size: 8,
    },
    qformer_config: {
      hidden_size: 128,
      intermediate_size: 384,
      num_hidden_layers: 4,
      num_attention_heads: 4,
      encoder_hidden_size: 128,
    },
    text_config: {
      vocab_size: vocabularySize,
      d_model: 128,
      d_kv: 32,
      d_ff: 384,
      num_layers: 4,
      num_decoder_layers: 3,
      // T5 shares its biases between layers, so its heads are all the positional patterns it has: reading reached a loss
      // of 0.50 in 700 steps with eight, of 0.51 in 1,100 with four.
      num_heads: 8,
      feed_forward_proj: 'gated-gelu',
      dense_act_fn: 'gelu',
      tie_word_embeddings: false,
    },
    num_query_tokens: SLOTS,
  });
}

function freshModel(tokenizer: Tokenizer, seed: number): Blip2 {
  const model = new Blip2(shapesConfig(tokenizer.vocabSize));
  initialiseMissing(model, new Rng(`${seed}/base`));
  startLanguageModel(model, tokenizer);
  return model;
}

/** Mean loss and share of samples whose whole target was predicted (teacher forced), by caption task. */
export type TaskScores = Record<string, { loss: number; exact: number; count: number }>;

interface Stage {
  settings: PretrainStage;
  optimizer: AdamW;
  batches: Generator<CaptionBatch, never>;
  done: number;
}

/** A base model in training, one {@link Pretraining.step} at a time, stage by stage. */
export class Pretraining {
  /** Another one after a stage that makes it deeper. */
  model: Blip2;
  private readonly symbols: SceneSymbols;
  /** No dropout: the model is far from fitting an endless stream. */
  private readonly context: Context = inferenceContext();
  private stage: Stage | undefined;

  /**
   * @param seed of the first weights and of what is learned from.
   * @param model as an earlier stage left it; without it, fresh weights. It is taken over.
   */
  constructor(
    private readonly tokenizer: Tokenizer,
    private readonly seed: number,
    model?: Blip2,
  ) {
    this.model = model ?? freshModel(tokenizer, seed);
    this.symbols = new SceneSymbols(this.model.config.text_config.d_model);
  }

  /** Frees the model and the optimizer's state. */
  dispose(): void {
    this.stage?.optimizer.dispose();
    this.model.dispose();
  }

  /** Begins a stage: with fresh moments, and clips no other stage has. */
  begin(settings: PretrainStage): void {
    this.stage?.optimizer.dispose();
    if (settings.depth) this.model = deepened(this.model, settings.depth);
    const reads = settings.reading + settings.single + settings.captions > 0;
    const looks = settings.sees === 'frames';
    const parameters = selectTrainable({ kind: blip2, module: this.model }, ['all']).filter(({ name }) =>
      name.startsWith('language_model.') ? reads : looks,
    );
    const optimizer = new AdamW(parameters, {
      beta1: 0.9,
      beta2: 0.98,
      eps: 1e-8,
      weightDecay: 0.01,
      clipNorm: 1,
    });
    const batches = this.stream(settings, settings.name);
    this.stage = { settings, optimizer, batches, done: 0 };
  }

  /** One update of the stage; returns the weighted loss. */
  async step(): Promise<number> {
    const stage = this.current();
    const { settings, optimizer, done } = stage;
    const batch = stage.batches.next().value;
    const pixels = await this.pixelsOf(batch);
    const variables = optimizer.parameters.map((p) => p.value);
    const { value, grads } = valueAndGradients(() => this.loss(batch, pixels), variables);
    const loss = value.dataSync()[0]!;
    if (!Number.isFinite(loss))
      throw new Error(`pretraining: loss is ${loss} at step ${done + 1} of ${settings.name}`);
    const rate = learningRateAt(
      { ...settings, schedule: 'cosine-step', minLearningRate: 0, warmupLearningRate: 0 },
      done,
      settings.steps,
      1,
    );
    const ordered = grads.map((grad, i) => grad ?? tf.zerosLike(variables[i]!));
    optimizer.update(ordered, ({ name }) => (isBias(name) ? BIAS_RATE * rate : rate));
    tf.dispose([value, pixels ?? [], ...ordered]);
    stage.done++;
    return loss;
  }

  private current(): Stage {
    if (this.stage === undefined) throw new Error('pretraining: begin a stage first');
    return this.stage;
  }

  private stream(settings: PretrainStage, name: string): Generator<CaptionBatch, never> {
    return captionBatches(`${this.seed}/${name}`, settings, this.tokenizer, this.model);
  }

  private loss(batch: CaptionBatch, pixels: tf.Tensor4D | undefined): tf.Scalar {
    const visual = this.lookAt(batch, pixels);
    const parts: tf.Scalar[] = [];
    if (batch.groups.length > 0) {
      const shares = tf.tensor1d(tokenShares(batch.groups.map((group) => group.packed)));
      const losses = batch.groups.map((group) =>
        this.model.tokenLosses(this.decode(visual, group), group.packed),
      );
      parts.push(tf.sum(tf.mul(tf.concat(losses), shares)));
    }
    if (pixels) parts.push(tf.mean(tf.squaredDifference(visual!, this.symbols.tokens(batch.shown))));
    return tf.addN(parts);
  }

  /** What stands for the frames, (clips * 4, slots, d_model). */
  private lookAt({ shown }: CaptionBatch, pixels: tf.Tensor4D | undefined): tf.Tensor3D | undefined {
    if (shown.length === 0) return undefined;
    if (!pixels) return this.symbols.tokens(shown);
    return this.model.project(this.model.visionFeatures(pixels, this.context), this.context);
  }

  /** Decoder output of a group; a clip is seen once for all its captions. */
  private decode(visual: tf.Tensor3D | undefined, { frames, prompt, packed }: Group): tf.Tensor3D {
    const { model, context } = this;
    const count = frames[0]!.length;
    const batch = { videos: packed.rows, frames: count, prompt };
    if (!visual || count === 0) {
      const none = tf.zeros([0, SLOTS, model.config.text_config.d_model]) as tf.Tensor3D;
      return model.decode(model.encode(none, batch, context), packed, context);
    }
    const chosen = tf.gather(visual, tf.tensor1d(frames.flat(), 'int32'));
    const prefix = padTokens(framePrefixRows(this.tokenizer, count), this.tokenizer.padId);
    return model.decode(model.encode(chosen, { ...batch, prefix }, context), packed, context);
  }

  /** The frames of a batch, (clips * 4, 3, image, image); undefined where symbols stand for them. */
  private async pixelsOf({ shown }: CaptionBatch): Promise<tf.Tensor4D | undefined> {
    if (this.current().settings.sees === 'symbols') return undefined;
    const { image_size: imageSize } = this.model.config.vision_config;
    const parts = await Promise.all(
      shown.map((clip) => toPixelValues(sampleFrames(clip, FRAMES, imageSize), { imageSize })),
    );
    const pixels = new Float32Array(shown.length * FRAMES * 3 * imageSize ** 2);
    parts.forEach((part, i) => {
      pixels.set(part, i * part.length);
    });
    return tf.tensor4d(pixels, [shown.length * FRAMES, 3, imageSize, imageSize]);
  }

  /** Scores samples of another stream, which training never sees; `places` is what can be read off the tokens. */
  async evaluate(batches: number): Promise<{ scores: TaskScores; places?: number }> {
    const stream = this.stream(this.current().settings, 'held-out');
    const scores: TaskScores = {};
    let places = 0;
    for (let i = 0; i < batches; i++) {
      const batch = stream.next().value;
      const pixels = await this.pixelsOf(batch);
      tf.tidy(() => {
        const visual = this.lookAt(batch, pixels);
        if (pixels) places += this.symbols.accuracy(visual!, batch.shown) / batches;
        for (const group of batch.groups) {
          const hidden = this.decode(visual, group);
          const losses = this.model.tokenLosses(hidden, group.packed).dataSync();
          const best = tf.argMax(this.model.logits(hidden), 2).dataSync();
          addScores(scores, group.tasks, group.packed, losses, best);
        }
      });
      pixels?.dispose();
    }
    for (const score of Object.values(scores)) {
      score.loss /= score.count;
      score.exact /= score.count;
    }
    return { scores, ...(this.current().settings.sees === 'frames' ? { places } : {}) };
  }
}

/**
 * Weight of every token: 1 / sqrt(length of its target), normalised. With equal weights the long descriptions would
 * drown the two tokens of a choice; with one weight a sample, words of descriptions would hardly count.
 */
function tokenShares(groups: PackedTargets[]): Float32Array {
  const weights = groups.flatMap(({ labels, rows, columns }) =>
    Array.from({ length: rows }, (_, row) => labels.subarray(row * columns, (row + 1) * columns)).flatMap(
      (target) => {
        const weight = target.filter((id) => id !== IGNORED).length ** -0.5;
        return Array.from(target, (id) => (id === IGNORED ? 0 : weight));
      },
    ),
  );
  const sum = weights.reduce((a, b) => a + b, 0);
  return Float32Array.from(weights, (weight) => weight / sum);
}

function addScores(
  scores: TaskScores,
  tasks: string[],
  packed: PackedTargets,
  losses: ArrayLike<number>,
  best: ArrayLike<number>,
): void {
  tasks.forEach((task, row) => {
    let loss = 0;
    let tokens = 0;
    let exact = 1;
    for (let t = 0; t < packed.columns; t++) {
      const at = row * packed.columns + t;
      const label = packed.labels[at];
      if (label === IGNORED) continue;
      loss += losses[at]!;
      tokens++;
      if (best[at] !== label) exact = 0;
    }
    scores[task] ??= { loss: 0, exact: 0, count: 0 };
    scores[task].loss += loss / tokens;
    scores[task].exact += exact;
    scores[task].count++;
  });
}
