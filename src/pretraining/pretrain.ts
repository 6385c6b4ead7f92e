/**
 * Trains the small base model of the shapes world from random weights, on frames and texts. It learns here what a
 * published model already knows in the paper's setting: seeing what a frame shows, reading, and answering with a letter.
 * It learns nothing of what happens between frames: no motion, touch or effect, no cause and no law of a shape. The
 * questions of the data set are never used, and its clips come from other seeds.
 */
import * as tf from '@tensorflow/tfjs-core';
import { UsageError } from '../base/errors.js';
import { Rng } from '../base/random.js';
import { type Context, inferenceContext } from '../model/context.js';
import type { StudentKind } from '../model/kind.js';
import { initialiseMissing } from '../model/layers/module.js';
import type { PretrainingSupport } from '../model/pretraining.js';
import { studentKind, studentKinds } from '../model/registry.js';
import type { Student, TokenLosses } from '../model/student.js';
import { selectTrainable } from '../model/trainable.js';
import { valueAndGradients } from '../ops/backward.js';
import { sampleFrames } from '../shapes/render.js';
import { BEATS } from '../shapes/scene.js';
import { framePrefixRows } from '../text/encode.js';
import type { Tokenizer } from '../text/tokenizer.js';
import { AdamW } from '../training/optimizer.js';
import { learningRateAt } from '../training/schedule.js';
import { toPixelValues } from '../video/preprocess.js';
import { type Batch, type BatchSettings, batches, type Group } from './batch.js';
import { SceneSymbols, SLOTS } from './symbols.js';

/** One stage of pre-training. A part of the model with no samples in this stage stays frozen. */
export interface PretrainStage extends BatchSettings {
  name: string;
  /** Visual tokens of the stage: symbols (symbols.ts), or the model's own of the frames. */
  sees: 'symbols' | 'frames';
  steps: number;
  /** Learning rate of the first step after the warm-up; it falls along a cosine to 0. */
  learningRate: number;
  warmupSteps: number;
}

const COMMON = { learningRate: 1e-3, warmupSteps: 100, lists: 0, stories: 0, single: 0, clips: 0, texts: 0 };

/** The stages that made weights/shapes/model.safetensors, in this order. */
export const PRETRAIN_STAGES: readonly PretrainStage[] = [
  { ...COMMON, name: 'sight', sees: 'frames', steps: 3000, clips: 12 },
  { ...COMMON, name: 'words', sees: 'symbols', steps: 1000, lists: 24, single: 32 },
  {
    ...COMMON,
    ...{ name: 'language', sees: 'symbols', steps: 2300 },
    ...{ lists: 12, stories: 8, single: 12, clips: 12, texts: 3 },
  },
];

/** Sampled frames of a clip: each shows one beat. */
const FRAMES = BEATS;

/** A fresh student of the architecture that the shapes world uses. */
async function freshStudent(kind: StudentKind, tokenizer: Tokenizer, seed: number): Promise<Student> {
  const support = await supportOf(kind);
  const config = kind.parseConfig(support.smallConfig(tokenizer.vocabSize, SLOTS), 'the shapes world');
  const student = await kind.create(config, 'f32');
  initialiseMissing(student.module, new Rng(`${seed}/base`));
  const words = new SceneSymbols(student.visualShape[1]).words();
  const idOf = (word: string) => tokenizer.encode(word, { addEos: false })[0]!;
  support.startLanguageModel(student, new Map([...words].map(([word, vector]) => [idOf(word), vector])));
  return student;
}

async function supportOf(kind: StudentKind): Promise<PretrainingSupport> {
  if (!kind.pretraining) throw new UsageError(`${kind.title}: no small model of it is trained from nothing`);
  return kind.pretraining();
}

/** Samples of each task, and those whose whole target was predicted (teacher forced). */
type TaskScores = Record<string, { exact: number; count: number }>;

interface Stage {
  settings: PretrainStage;
  optimizer: AdamW;
  batches: Generator<Batch, never>;
  done: number;
}

/** A base model in training, one {@link Pretraining.step} at a time, stage by stage. */
export class Pretraining {
  private readonly symbols: SceneSymbols;
  /** No dropout: the model does not overfit an endless stream. */
  private readonly context: Context = inferenceContext();
  private stage: Stage | undefined;

  private constructor(
    private readonly tokenizer: Tokenizer,
    private readonly seed: number,
    readonly student: Student,
    private readonly support: PretrainingSupport,
  ) {
    this.symbols = new SceneSymbols(student.visualShape[1]);
  }

  /**
   * @param seed of the initial weights and of the data.
   * @param student as an earlier stage left it, taken over; fresh weights when absent.
   */
  static async open(tokenizer: Tokenizer, seed: number, student?: Student): Promise<Pretraining> {
    const kind = student ? studentKind(student.kind.modelType) : studentKinds()[0]!;
    const begun = student ?? (await freshStudent(kind, tokenizer, seed));
    return new Pretraining(tokenizer, seed, begun, await supportOf(kind));
  }

  /** Frees the model and the optimizer's state. */
  dispose(): void {
    this.stage?.optimizer.dispose();
    this.student.dispose();
  }

  /** Begins a stage, with fresh moments and clips of its own. */
  begin(settings: PretrainStage): void {
    this.stage?.optimizer.dispose();
    const { lists, stories, single, texts } = settings;
    const reads = lists + stories + single + texts > 0;
    const looks = settings.sees === 'frames';
    const parameters = selectTrainable(this.student, ['all']).filter(({ name }) =>
      name.startsWith(this.student.languageModelPath) ? reads : looks,
    );
    const adam = { beta1: 0.9, beta2: 0.98, eps: 1e-8, weightDecay: 0.01, clipNorm: 1 };
    const optimizer = new AdamW(parameters, adam);
    this.stage = { settings, optimizer, batches: this.stream(settings, settings.name), done: 0 };
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
    optimizer.update(ordered, ({ name }) => rate * this.support.learningRateFactor(name));
    tf.dispose([value, pixels ?? [], ...ordered]);
    stage.done++;
    return loss;
  }

  private current(): Stage {
    if (this.stage === undefined) throw new Error('pretraining: begin a stage first');
    return this.stage;
  }

  private stream(settings: PretrainStage, name: string): Generator<Batch, never> {
    return batches(`${this.seed}/${name}`, settings, this.tokenizer);
  }

  private loss(batch: Batch, pixels: tf.Tensor4D | undefined): tf.Scalar {
    const visual = this.lookAt(batch, pixels);
    const parts: tf.Scalar[] = [];
    if (batch.groups.length > 0) {
      const losses = batch.groups.map((group) => this.lossesOf(visual, group));
      const shares = tf.tensor1d(tokenShares(losses, batch.groups));
      parts.push(tf.sum(tf.mul(tf.concat(losses.map(({ values }) => values)), shares)));
    }
    if (pixels) parts.push(tf.mean(tf.squaredDifference(visual!, this.symbols.tokens(batch.shown))));
    return tf.addN(parts);
  }

  /** The visual tokens of a batch, (clips * 4, slots, width). */
  private lookAt({ shown }: Batch, pixels: tf.Tensor4D | undefined): tf.Tensor3D | undefined {
    if (shown.length === 0) return undefined;
    if (!pixels) return this.symbols.tokens(shown);
    return this.student.look({ pixels }, this.context);
  }

  /** Losses of a group; a clip is seen once for all its captions. */
  private lossesOf(visual: tf.Tensor3D | undefined, { frames, prompts, targets }: Group): TokenLosses {
    const { student, context } = this;
    const count = frames[0]!.length;
    const learned = [{ name: 'text', rows: targets }];
    if (!visual || count === 0) {
      const tokens = tf.zeros([0, ...student.visualShape]) as tf.Tensor3D;
      return student.losses({ visual: { tokens }, frames: count, prompts }, learned, context);
    }
    const tokens = tf.gather(visual, tf.tensor1d(frames.flat(), 'int32'));
    const framePrefixes = framePrefixRows(this.tokenizer, count);
    return student.losses({ visual: { tokens }, frames: count, framePrefixes, prompts }, learned, context);
  }

  /** The frames of a batch, (clips * 4, 3, image, image); undefined where symbols stand for them. */
  private async pixelsOf({ shown }: Batch): Promise<tf.Tensor4D | undefined> {
    if (this.current().settings.sees === 'symbols') return undefined;
    const { imageSize } = this.student.preprocessing;
    const parts = await Promise.all(
      shown.map((clip) => toPixelValues(sampleFrames(clip, FRAMES, imageSize), { imageSize })),
    );
    const pixels = new Float32Array(shown.length * FRAMES * 3 * imageSize ** 2);
    parts.forEach((part, i) => {
      pixels.set(part, i * part.length);
    });
    return tf.tensor4d(pixels, [shown.length * FRAMES, 3, imageSize, imageSize]);
  }

  /**
   * Scores samples of another stream, which training never sees; `places` is the share of objects that the visual
   * tokens place right.
   */
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
        for (const group of batch.groups) addScores(scores, group, this.lossesOf(visual, group));
      });
      pixels?.dispose();
    }
    return { scores, ...(this.current().settings.sees === 'frames' ? { places } : {}) };
  }
}

/**
 * Weight of every token: 1 / sqrt(length of its target), normalised. With equal weights the long descriptions would
 * drown the two tokens of a choice; with one weight a sample, words of descriptions would hardly count.
 */
function tokenShares(losses: readonly TokenLosses[], groups: readonly Group[]): Float32Array {
  const weights = losses.flatMap(({ target, row }, g) => {
    const weightOf = groups[g]!.targets.map((tokens) => tokens.length ** -0.5);
    return Array.from(target, (index, i) => (index < 0 ? 0 : weightOf[row[i]!]!));
  });
  const sum = weights.reduce((a, b) => a + b, 0);
  return Float32Array.from(weights, (weight) => weight / sum);
}

function addScores(scores: TaskScores, { tasks, targets }: Group, losses: TokenLosses): void {
  const best = losses.likeliest();
  const rows = tasks.map((): number[] => []);
  losses.target.forEach((index, i) => {
    if (index >= 0) rows[losses.row[i]!]!.push(best[i]!);
  });
  tasks.forEach((task, row) => {
    scores[task] ??= { exact: 0, count: 0 };
    scores[task].count++;
    if (targets[row]!.every((id, t) => rows[row]![t] === id)) scores[task].exact++;
  });
}
