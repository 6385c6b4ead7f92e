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
import { type CaptionSample, captionSamples } from '../shapes/captions.js';
import { sampleFrames } from '../shapes/render.js';
import { encodeFramePrefixes, type PaddedIds, padIds, padLabels } from '../text/encode.js';
import type { Tokenizer } from '../text/tokenizer.js';
import { toPixelValues } from '../video/preprocess.js';
import { parseBlip2Config } from '../weights/config.js';
import { GroundingHead, groundingLabels } from './grounding.js';
import { AdamW } from './optimizer.js';
import { learningRateAt } from './schedule.js';

export interface PretrainSettings {
  seed: number;
  steps: number;
  /** Where the cosine of the learning rate ends; `steps` when the stage runs to its end. */
  horizon: number;
  /** Clips per step, and caption samples of each. */
  clips: number;
  samplesPerClip: number;
  learningRate: number;
  warmupSteps: number;
  frames: number;
  /** First steps on grounding alone (see grounding.ts); afterwards it goes on beside the captions. */
  groundingSteps: number;
  /** Weight of grounding beside the captions. */
  groundingWeight: number;
}

/** What the committed weights were made with. */
export const PRETRAIN_DEFAULTS: PretrainSettings = {
  seed: 1,
  steps: 2500,
  horizon: 3000,
  clips: 12,
  samplesPerClip: 4,
  learningRate: 1e-3,
  warmupSteps: 100,
  frames: 4,
  groundingSteps: 1000,
  groundingWeight: 0.3,
};

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
      num_layers: 3,
      num_decoder_layers: 3,
      num_heads: 4,
      feed_forward_proj: 'gated-gelu',
      dense_act_fn: 'gelu',
      tie_word_embeddings: false,
    },
    num_query_tokens: 8,
  });
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

interface CaptionBatch {
  pixels: tf.Tensor4D;
  /** What lies where in every frame; see grounding.ts. */
  places: Int32Array[];
  /** Choices (long prompt, short target) apart from the rest: padding both to both lengths would cost 40 % more. */
  groups: Group[];
}

/** A base model in training, one {@link Pretraining.step} at a time. */
export class Pretraining {
  readonly model: ReasVqa;
  private readonly optimizer: AdamW;
  private readonly grounding: GroundingHead;
  private readonly stream: Generator<CaptionSample>;
  private readonly prefix: PaddedIds;
  /** No dropout: the model is far from fitting an endless stream. */
  private readonly context: Context = { training: false, dropout: new DropoutStream(0), recompute: false };

  constructor(
    private readonly tokenizer: Tokenizer,
    readonly settings: PretrainSettings,
  ) {
    this.model = new ReasVqa(shapesConfig(tokenizer.vocabSize));
    initialiseMissing(this.model, new Rng(`${settings.seed}/base`));
    const { num_query_tokens: queries, qformer_config: qformer } = this.model.config;
    this.grounding = new GroundingHead(queries, qformer.hidden_size);
    initialiseMissing(this.grounding.linear, new Rng(`${settings.seed}/grounding`));
    this.grounding.linear.setTrainable(() => true);
    const parameters = [...selectTrainable(this.model, ['all']), ...this.grounding.linear.parameters()];
    this.optimizer = new AdamW(parameters, {
      beta1: 0.9,
      beta2: 0.98,
      eps: 1e-8,
      weightDecay: 0.01,
      clipNorm: 1,
    });
    const { samplesPerClip, frames } = settings;
    this.stream = captionSamples(settings.seed, { samplesPerClip, frames: 4 * frames });
    this.prefix = encodeFramePrefixes(tokenizer, frames);
  }

  /** Frees the model and the optimizer's state. */
  dispose(): void {
    this.optimizer.dispose();
    this.grounding.linear.dispose();
    this.model.dispose();
  }

  /** One update; returns the weighted loss. */
  async step(index: number): Promise<number> {
    const { settings } = this;
    const batch = await this.nextBatch(this.stream, settings.clips);
    const weights = tf.tensor1d(tokenShares(batch.groups.map((group) => group.packed)));
    const variables = this.optimizer.parameters.map((p) => p.value);
    const { value, grads } = tf.variableGrads(() => {
      const queries = this.see(batch);
      const grounding = this.grounding.loss(queries, batch.places);
      if (index < settings.groundingSteps) return grounding;
      const losses = this.decode(queries, batch).map((hidden, i) =>
        this.model.tokenLosses(hidden, batch.groups[i]!.packed),
      );
      const captions = tf.sum(tf.mul(tf.concat(losses), weights)) as tf.Scalar;
      return tf.add(captions, tf.mul(grounding, settings.groundingWeight));
    }, variables);
    const loss = value.dataSync()[0]!;
    if (!Number.isFinite(loss)) throw new Error(`pretraining: loss is ${loss} at step ${index + 1}`);
    const rate = learningRateAt(
      { ...settings, schedule: 'cosine-step', minLearningRate: 0, warmupLearningRate: 0 },
      index,
      settings.horizon,
      1,
    );
    const ordered = variables.map((v) => grads[v.name] ?? tf.zerosLike(v));
    this.optimizer.update(ordered, () => rate);
    tf.dispose([value, weights, batch.pixels, ...ordered]);
    return loss;
  }

  private async nextBatch(stream: Generator<CaptionSample>, clips: number): Promise<CaptionBatch> {
    const { samplesPerClip, frames } = this.settings;
    const samples = Array.from(
      { length: clips * samplesPerClip },
      () => stream.next().value as CaptionSample,
    );
    const { image_size: imageSize } = this.model.config.vision_config;
    const shown = Array.from({ length: clips }, (_, i) => samples[i * samplesPerClip]!.clip);
    const parts = await Promise.all(
      shown.map((clip) => toPixelValues(sampleFrames(clip, frames, imageSize), { imageSize })),
    );
    const pixels = new Float32Array(shown.length * frames * 3 * imageSize ** 2);
    parts.forEach((part, i) => {
      pixels.set(part, i * part.length);
    });
    const isChoice = ({ task }: CaptionSample) => task === 'choice';
    const groups = [isChoice, (sample: CaptionSample) => !isChoice(sample)]
      .map((belongs) =>
        samples.flatMap((sample, i) =>
          belongs(sample) ? [{ sample, clip: Math.floor(i / samplesPerClip) }] : [],
        ),
      )
      .filter((members) => members.length > 0)
      .map((members) => this.group(members));
    return {
      pixels: tf.tensor4d(pixels, [shown.length * frames, 3, imageSize, imageSize]),
      places: groundingLabels(shown),
      groups,
    };
  }

  private group(members: { sample: CaptionSample; clip: number }[]): Group {
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

  /** The Q-Former's output for every frame; a clip is seen once for all its samples. */
  private see({ pixels }: CaptionBatch): tf.Tensor3D {
    const { model, context } = this;
    const image = model.vision.postLayernorm.forward(model.visionFeatures(pixels, context));
    return model.queryOutput(image as tf.Tensor3D, context);
  }

  /** Decoder output of every group. */
  private decode(queryOutput: tf.Tensor3D, batch: CaptionBatch): tf.Tensor3D[] {
    const { model, context } = this;
    const { frames } = this.settings;
    const projected = model.languageProjection.forward(queryOutput, context) as tf.Tensor3D;
    const [images, queries, width] = projected.shape;
    const perClip = tf.reshape(projected, [images / frames, frames * queries * width]);
    return batch.groups.map(({ clips, prompt, packed }) => {
      const chosen = tf.gather(perClip, tf.tensor1d(clips, 'int32'));
      const encoded = model.encode(
        tf.reshape(chosen, [clips.length * frames, queries, width]),
        { videos: clips.length, frames, prefix: masked(this.prefix), prompt: masked(prompt) },
        context,
      );
      return model.decode(encoded, packed, context);
    });
  }

  /** Scores clips of another stream, which training never sees; `places` is the accuracy of the grounding head. */
  async evaluate(batches: number): Promise<{ scores: TaskScores; places: number }> {
    const { samplesPerClip, frames, seed, clips } = this.settings;
    const stream = captionSamples(`${seed}/held-out`, { samplesPerClip, frames: 4 * frames });
    const scores: TaskScores = {};
    let places = 0;
    for (let i = 0; i < batches; i++) {
      const batch = await this.nextBatch(stream, clips);
      tf.tidy(() => {
        const queries = this.see(batch);
        places += this.grounding.accuracy(queries, batch.places) / batches;
        this.decode(queries, batch).forEach((hidden, g) => {
          const { packed, tasks } = batch.groups[g]!;
          const losses = this.model.tokenLosses(hidden, packed).dataSync();
          const best = tf.argMax(this.model.logits(hidden), 2).dataSync();
          addScores(scores, tasks, packed, losses, best);
        });
      });
      batch.pixels.dispose();
    }
    for (const score of Object.values(scores)) {
      score.loss /= score.count;
      score.exact /= score.count;
    }
    return { scores, places };
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
