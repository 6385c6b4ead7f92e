/**
 * Trains the small base model of the shapes world from nothing, on captions: what FlanT5 and EVA ViT-g bring along in
 * the paper's setting (seeing, and following a multiple-choice instruction) this model learns here. The questions of
 * the data set are never used, and its clips come from other seeds.
 */
import * as tf from '@tensorflow/tfjs-core';
import { IGNORED } from '../labels.js';
import type { Context } from '../model/context.js';
import { initialiseMissing } from '../model/module.js';
import type { PackedTargets } from '../model/packing.js';
import { type MaskedIds, ReasVqa } from '../model/reasvqa.js';
import { selectTrainable } from '../model/trainable.js';
import { DropoutStream } from '../ops/dropout.js';
import { Rng } from '../random.js';
import { type CaptionOptions, captionSamples } from '../shapes/captions.js';
import { readingSamples } from '../shapes/reading.js';
import { sampleFrames } from '../shapes/render.js';
import { BEATS, type Clip } from '../shapes/scene.js';
import { encodeFramePrefixes, type PaddedIds, padIds, padLabels } from '../text/encode.js';
import type { Tokenizer } from '../text/tokenizer.js';
import { toPixelValues } from '../video/preprocess.js';
import { parseBlip2Config } from '../weights/config.js';
import { AdamW } from './optimizer.js';
import { learningRateAt } from './schedule.js';
import { SceneSymbols, SLOTS } from './symbols.js';

/** One stage of pre-training: what the language model reads, and what learns. */
export interface PretrainStage {
  name: string;
  /**
   * What stands for the frames: `text` nothing, only options to read (shapes/reading.ts); `symbols` tokens that tell
   * them (symbols.ts); `nothing` the language model rests; `frames` what the model sees.
   */
  reads: 'text' | 'symbols' | 'nothing' | 'frames';
  steps: number;
  /** Clips per step, and caption samples of each; of the text stage, their product. */
  clips: number;
  samplesPerClip: number;
  /** Of the first step after the warm-up; it falls along a cosine to nothing. */
  learningRate: number;
  warmupSteps: number;
  mix?: CaptionOptions['mix'];
}

/** What the committed weights were made with, in this order. */
export const PRETRAIN_STAGES: readonly PretrainStage[] = [
  {
    name: 'letters',
    reads: 'text',
    steps: 5000,
    clips: 32,
    samplesPerClip: 1,
    learningRate: 1e-3,
    warmupSteps: 100,
  },
  {
    name: 'language',
    reads: 'symbols',
    steps: 4000,
    clips: 16,
    samplesPerClip: 4,
    learningRate: 1e-3,
    warmupSteps: 100,
    mix: { describe: 1, frame: 1, change: 1, follow: 1, cloze: 5, choice: 7 },
  },
  {
    name: 'sight',
    reads: 'nothing',
    steps: 4000,
    clips: 12,
    samplesPerClip: 1,
    learningRate: 1e-3,
    warmupSteps: 100,
  },
  {
    name: 'both',
    reads: 'frames',
    steps: 800,
    clips: 12,
    samplesPerClip: 4,
    learningRate: 5e-4,
    warmupSteps: 100,
  },
];

/** Sampled frames of a clip: each shows one beat. */
const FRAMES = BEATS;

/** Weight of the distance to the symbols beside the captions. */
const SIGHT_WEIGHT = 1;

/** The architecture of BLIP-2 FlanT5 with about 3 M parameters. */
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
      num_heads: 4,
      feed_forward_proj: 'gated-gelu',
      dense_act_fn: 'gelu',
      tie_word_embeddings: false,
    },
    num_query_tokens: SLOTS,
  });
}

function freshModel(vocabularySize: number, seed: number): ReasVqa {
  const model = new ReasVqa(shapesConfig(vocabularySize));
  initialiseMissing(model, new Rng(`${seed}/base`));
  return model;
}

/** Mean loss and share of samples whose whole target was predicted (teacher forced), by caption task. */
export type TaskScores = Record<string, { loss: number; exact: number; count: number }>;

/** Samples of similar lengths, padded together. */
interface Group {
  /** Clip of each sample. */
  clips: number[];
  prompt: PaddedIds;
  packed: PackedTargets;
  tasks: string[];
}

interface Sample {
  prompt: string;
  target: string;
  task: string;
  clip?: Clip;
}

interface Batch {
  shown: Clip[];
  /** (clips * 4, 3, image, image), when frames are seen. */
  pixels?: tf.Tensor4D;
  /** Choices (long prompt, short target) apart from the rest: padding both to both lengths would cost 40 % more. */
  groups: Group[];
}

interface Stage {
  settings: PretrainStage;
  optimizer: AdamW;
  samples: Generator<Sample, never>;
  done: number;
}

/** A base model in training, one {@link Pretraining.step} at a time, stage by stage. */
export class Pretraining {
  readonly model: ReasVqa;
  private readonly symbols: SceneSymbols;
  private readonly prefix: PaddedIds;
  /** No dropout: the model is far from fitting an endless stream. */
  private readonly context: Context = { training: false, dropout: new DropoutStream(0), recompute: false };
  private stage: Stage | undefined;

  /**
   * @param seed of the first weights and of what is learned from.
   * @param model as an earlier stage left it; without it, fresh weights. It is taken over.
   */
  constructor(
    private readonly tokenizer: Tokenizer,
    private readonly seed: number,
    model?: ReasVqa,
  ) {
    this.model = model ?? freshModel(tokenizer.vocabSize, seed);
    this.symbols = new SceneSymbols(this.model.config.text_config.d_model);
    this.prefix = encodeFramePrefixes(tokenizer, FRAMES);
  }

  /** Frees the model and the optimizer's state. */
  dispose(): void {
    this.stage?.optimizer.dispose();
    this.model.dispose();
  }

  /** Begins a stage: with fresh moments, and clips no other stage has. */
  begin(settings: PretrainStage): void {
    this.stage?.optimizer.dispose();
    const language = (name: string) => name.startsWith('language_model.');
    const all = selectTrainable(this.model, ['all']);
    const learns = {
      text: language,
      symbols: language,
      nothing: (name: string) => !language(name),
      frames: () => true,
    }[settings.reads];
    const parameters = all.filter(({ name }) => learns(name));
    const optimizer = new AdamW(parameters, {
      beta1: 0.9,
      beta2: 0.98,
      eps: 1e-8,
      weightDecay: 0.01,
      clipNorm: 1,
    });
    this.stage = {
      settings,
      optimizer,
      samples: this.stream(settings, `${this.seed}/${settings.name}`),
      done: 0,
    };
  }

  /** One update of the stage; returns the weighted loss. */
  async step(): Promise<number> {
    const { settings, optimizer, samples, done } = this.current();
    const batch = await this.nextBatch(settings, samples);
    const variables = optimizer.parameters.map((p) => p.value);
    const { value, grads } = tf.variableGrads(() => this.loss(settings.reads, batch), variables);
    const loss = value.dataSync()[0]!;
    if (!Number.isFinite(loss))
      throw new Error(`pretraining: loss is ${loss} at step ${done + 1} of ${settings.name}`);
    const rate = learningRateAt(
      { ...settings, schedule: 'cosine-step', minLearningRate: 0, warmupLearningRate: 0 },
      done,
      settings.steps,
      1,
    );
    const ordered = variables.map((v) => grads[v.name] ?? tf.zerosLike(v));
    optimizer.update(ordered, () => rate);
    tf.dispose([value, batch.pixels ?? [], ...ordered]);
    this.current().done++;
    return loss;
  }

  private current(): Stage {
    if (this.stage === undefined) throw new Error('pretraining: begin a stage first');
    return this.stage;
  }

  private loss(reads: PretrainStage['reads'], batch: Batch): tf.Scalar {
    const { visual, sight } = this.lookAt(reads, batch);
    if (reads === 'nothing') return sight!;
    const shares = tf.tensor1d(tokenShares(batch.groups.map((group) => group.packed)));
    const losses = this.decode(visual, batch).map((hidden, i) =>
      this.model.tokenLosses(hidden, batch.groups[i]!.packed),
    );
    const captions = tf.sum(tf.mul(tf.concat(losses), shares)) as tf.Scalar;
    return sight === undefined ? captions : tf.add(captions, tf.mul(sight, SIGHT_WEIGHT));
  }

  /** What stands for the frames, (clips * 4, slots, d_model), and how far what is seen lies from the symbols. */
  private lookAt(reads: PretrainStage['reads'], batch: Batch): { visual?: tf.Tensor3D; sight?: tf.Scalar } {
    if (reads === 'text') return {};
    const symbols = this.symbols.tokens(batch.shown);
    if (reads === 'symbols') return { visual: symbols };
    const seen = this.model.project(this.model.visionFeatures(batch.pixels!, this.context), this.context);
    return { visual: seen, sight: tf.mean(tf.squaredDifference(seen, symbols)) };
  }

  /** Decoder output of every group; a clip is seen once for all its samples. */
  private decode(visual: tf.Tensor3D | undefined, batch: Batch): tf.Tensor3D[] {
    const { model, context } = this;
    return batch.groups.map(({ clips, prompt, packed }) => {
      const width = model.config.text_config.d_model;
      const text = { videos: clips.length, prompt: masked(prompt) };
      if (visual === undefined) {
        const none = tf.zeros([0, 0, width]) as tf.Tensor3D;
        return model.decode(model.encode(none, { ...text, frames: 0 }, context), packed, context);
      }
      const perClip = tf.reshape(visual, [batch.shown.length, FRAMES * SLOTS * width]);
      const chosen = tf.reshape(tf.gather(perClip, tf.tensor1d(clips, 'int32')), [-1, SLOTS, width]);
      const announced = { ...text, frames: FRAMES, prefix: masked(this.prefix) };
      return model.decode(model.encode(chosen as tf.Tensor3D, announced, context), packed, context);
    });
  }

  private *stream({ reads, samplesPerClip, mix }: PretrainStage, seed: string): Generator<Sample, never> {
    if (reads !== 'text') yield* captionSamples(seed, { samplesPerClip, frames: 4 * FRAMES, mix });
    for (const sample of readingSamples(seed)) yield { ...sample, task: taskOf(sample) };
    throw new Error('pretraining: the stream of samples has ended');
  }

  private async nextBatch(settings: PretrainStage, stream: Generator<Sample, never>): Promise<Batch> {
    const { clips, samplesPerClip, reads } = settings;
    const samples = Array.from({ length: clips * samplesPerClip }, () => stream.next().value);
    const shown = samples.flatMap(({ clip }, i) => (clip && i % samplesPerClip === 0 ? [clip] : []));
    const isChoice = ({ task }: Sample) => task === 'choice';
    const groups = [isChoice, (sample: Sample) => !isChoice(sample)]
      .map((belongs) =>
        samples.flatMap((sample, i) =>
          belongs(sample) ? [{ sample, clip: Math.floor(i / samplesPerClip) }] : [],
        ),
      )
      .filter((members) => members.length > 0)
      .map((members) => this.group(members));
    const sees = reads === 'frames' || reads === 'nothing';
    return { shown, groups, pixels: sees ? await this.pixelsOf(shown) : undefined };
  }

  /** (clips * 4, 3, image, image) */
  private async pixelsOf(clips: readonly Clip[]): Promise<tf.Tensor4D> {
    const { image_size: imageSize } = this.model.config.vision_config;
    const parts = await Promise.all(
      clips.map((clip) => toPixelValues(sampleFrames(clip, FRAMES, imageSize), { imageSize })),
    );
    const pixels = new Float32Array(clips.length * FRAMES * 3 * imageSize ** 2);
    parts.forEach((part, i) => {
      pixels.set(part, i * part.length);
    });
    return tf.tensor4d(pixels, [clips.length * FRAMES, 3, imageSize, imageSize]);
  }

  private group(members: { sample: Sample; clip: number }[]): Group {
    const encode = (text: string) => this.tokenizer.encode(text, { addEos: true });
    const { labels, length } = padLabels(members.map(({ sample }) => encode(sample.target)));
    return {
      clips: members.map(({ clip }) => clip),
      prompt: padIds(
        members.map(({ sample }) => encode(sample.prompt)),
        this.tokenizer.padId,
      ),
      packed: this.model.pack([{ data: labels, columns: length }]),
      tasks: members.map(({ sample }) => sample.task),
    };
  }

  /** Scores samples of another stream, which training never sees; `places` is what can be read off the tokens. */
  async evaluate(batches: number): Promise<{ scores: TaskScores; places?: number }> {
    const { settings } = this.current();
    const stream = this.stream(settings, `${this.seed}/held-out`);
    const scores: TaskScores = {};
    let places = 0;
    for (let i = 0; i < batches; i++) {
      const batch = await this.nextBatch(settings, stream);
      tf.tidy(() => {
        const { visual } = this.lookAt(settings.reads, batch);
        if (visual) places += this.symbols.accuracy(visual, batch.shown) / batches;
        if (settings.reads === 'nothing') return;
        this.decode(visual, batch).forEach((hidden, g) => {
          const { packed, tasks } = batch.groups[g]!;
          const losses = this.model.tokenLosses(hidden, packed).dataSync();
          const best = tf.argMax(this.model.logits(hidden), 2).dataSync();
          addScores(scores, tasks, packed, losses, best);
        });
      });
      batch.pixels?.dispose();
    }
    for (const score of Object.values(scores)) {
      score.loss /= score.count;
      score.exact /= score.count;
    }
    return { scores, ...(settings.reads === 'text' ? {} : { places }) };
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

function masked({ ids, mask, length }: PaddedIds): MaskedIds {
  return { ids, mask, columns: length };
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

function taskOf({ prompt, target }: { prompt: string; target: string }): string {
  if (prompt.startsWith('Explanation')) return 'repeat';
  return target.startsWith('Option') ? 'letter' : 'text';
}
