/**
 * A second architecture, as small as one can be, that shares nothing with BLIP-2: decoder-only, a bag of embeddings and a
 * linear head. It sees four mean colours a frame, adds up what it saw, was asked and has written, and guesses the next
 * token. Importing this file registers it, which has to come before anything that imports the config's schema.
 */
import * as tf from '@tensorflow/tfjs-core';
import { DataError } from '../../src/base/errors.js';
import { type Context, inferenceContext, type Precision } from '../../src/model/context.js';
import type { StudentKind } from '../../src/model/kind.js';
import { Linear } from '../../src/model/layers/linear.js';
import { Module, type Parameter } from '../../src/model/layers/module.js';
import { registerStudent } from '../../src/model/registry.js';
import { finish, HostChooser } from '../../src/model/sampling.js';
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
} from '../../src/model/student.js';
import { repeated } from '../../src/model/targets.js';
import { linearCrossEntropy } from '../../src/ops/crossEntropy.js';

export interface ToyConfig {
  model_type: 'toy';
  width: number;
  image_size: number;
  vocab_size: number;
}

/** Cells of a picture whose colour it sees, a side. */
const CELLS = 2;

class ToyModule extends Module {
  static className = 'Toy';
  /** Colours to features; frozen. */
  readonly eye: Linear;
  readonly projector: Linear;
  readonly embedding: Parameter;
  readonly mix: Linear;
  readonly head: Parameter;

  constructor({ width, vocab_size: vocabulary }: ToyConfig) {
    super('');
    this.eye = this.child(new Linear('eye', 3, width, true));
    this.projector = this.child(new Linear('projector', width, width, true));
    this.embedding = this.parameter('text.embedding', [vocabulary, width], { normal: 1 });
    this.mix = this.child(new Linear('text.mix', width, width, true));
    this.head = this.parameter('text.head', [vocabulary, width], { normal: 1 });
  }

  override call(): tf.Tensor {
    throw new Error('Toy: use the student');
  }
}

/** What was seen and asked, summed up. */
class Seen implements Encoded {
  /** @param sum (rows, width). */
  constructor(readonly sum: tf.Tensor2D) {}

  get rows(): number {
    return this.sum.shape[0];
  }

  pick(row: number): Encoded {
    return new Seen(tf.slice(this.sum, [row, 0], [1, -1]));
  }

  repeat(times: number): Encoded {
    return new Seen(repeated(this.sum, times));
  }

  dispose(): void {
    this.sum.dispose();
  }
}

export class ToyStudent implements Student {
  readonly kind = toy;
  readonly module: ToyModule;
  readonly preprocessing: Preprocessing;
  readonly vocabulary: number;
  readonly featureShape: readonly [number, number];
  readonly visualShape: readonly [number, number];
  readonly visionSettings: unknown;
  readonly languageModelPath = 'text.';

  constructor(
    readonly config: ToyConfig,
    readonly precision: Precision = 'f32',
  ) {
    this.module = new ToyModule(config);
    this.preprocessing = { imageSize: config.image_size, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };
    this.vocabulary = config.vocab_size;
    this.featureShape = [CELLS ** 2, config.width];
    this.visualShape = this.featureShape;
    this.visionSettings = { imageSize: config.image_size };
  }

  features(pixels: tf.Tensor4D, context: Context = inferenceContext()): tf.Tensor3D {
    return tf.tidy(() => {
      const side = this.config.image_size / CELLS;
      const cells = tf.reshape(pixels, [pixels.shape[0] * 3, CELLS, side, CELLS * side]);
      const rows = tf.reshape(tf.mean(cells, 2), [pixels.shape[0], 3, CELLS * CELLS, side]);
      const colours = tf.transpose(tf.mean(rows, 3), [0, 2, 1]);
      return this.module.eye.forward(colours, context) as tf.Tensor3D;
    });
  }

  featureParameters(): Parameter[] {
    return [...this.module.eye.parameters()];
  }

  matrices(): Parameter[] {
    return [this.module.mix.weight];
  }

  look(visual: Visual, context: Context): tf.Tensor3D {
    if (visual.tokens) return visual.tokens;
    const features = visual.features ?? this.features(visual.pixels, context);
    return this.module.projector.forward(features, context) as tf.Tensor3D;
  }

  encode(input: StudentInput): Encoded {
    return new Seen(tf.tidy(() => this.sum(input, input.prompts, inferenceContext(this.precision))));
  }

  losses(input: StudentInput, targets: readonly Target[], context: Context): TokenLosses {
    const hidden: tf.Tensor2D[] = [];
    const [labels, target, row]: [number[], number[], number[]] = [[], [], []];
    targets.forEach(({ rows, start = 0, prompts = input.prompts }, index) => {
      const places = rows.flatMap((ids, r) =>
        ids.map((id, t) => ({ r, id, before: [start, ...ids.slice(0, t)] })),
      );
      if (places.length === 0) return;
      const chosen = tf.oneHot(
        places.map(({ r }) => r),
        rows.length,
      );
      const seen = tf.matMul(tf.cast(chosen, 'float32'), this.sum(input, prompts, context)) as tf.Tensor2D;
      hidden.push(
        this.hidden(
          seen,
          places.map(({ before }) => before),
          context,
        ),
      );
      labels.push(...places.map(({ id }) => id));
      target.push(...places.map(() => index));
      row.push(...places.map(({ r }) => r));
    });
    if (hidden.length === 0) throw new Error('losses: no target has a token');
    const all = tf.concat(hidden, 0);
    return {
      values: linearCrossEntropy(all, this.head, Int32Array.from(labels)),
      target: Int16Array.from(target),
      row: Int32Array.from(row),
      likeliest: () => tf.tidy(() => tf.argMax(this.logits(all), 1).dataSync() as Int32Array),
    };
  }

  tokenScores(
    encoded: Encoded,
    prefix: readonly number[],
    candidates: ArrayLike<number>,
    start = 0,
  ): number[][] {
    const { sum } = encoded as Seen;
    const rows = tf.tidy(() => {
      const before = Array.from({ length: encoded.rows }, () => [start, ...prefix]);
      return this.logits(this.hidden(sum, before, inferenceContext(this.precision))).arraySync();
    });
    return rows.map((scores) => Array.from(candidates, (id) => scores[id]!));
  }

  generate(encoded: Encoded, options: GenerateOptions): Generated {
    return finish(this.generateSteps(encoded, options));
  }

  *generateSteps(encoded: Encoded, options: GenerateOptions): Generator<Generated, Generated, void> {
    const { maxNewTokens, eosId, start = 0, notFirst, forced, sampling, logProbs: wanted } = options;
    const chooser = new HostChooser(encoded.rows, sampling);
    const written: number[][] = Array.from({ length: encoded.rows }, () => []);
    const logProbs: number[][] = written.map(() => []);
    const done = written.map(() => false);
    for (let step = 0; step < maxNewTokens && done.includes(false); step++) {
      const choice = tf.tidy(() => {
        const before = written.map((ids) => [start, ...ids]);
        const hidden = this.hidden((encoded as Seen).sum, before, inferenceContext(this.precision));
        const banned = step === 0 ? notFirst : undefined;
        return chooser.choose(this.logits(hidden), banned, forced?.[step]) as unknown as tf.TensorContainer;
      }) as unknown as ReturnType<HostChooser['choose']>;
      choice.ids.forEach((id, row) => {
        if (done[row]) return;
        if (wanted || sampling) logProbs[row]!.push(choice.logProbs[row]!);
        if (id === eosId) done[row] = true;
        else written[row]!.push(id);
      });
      yield { ids: written, logProbs };
    }
    return { ids: written, logProbs };
  }

  addOptional(): void {}

  dispose(): void {
    this.module.dispose();
  }

  private get head(): tf.Tensor2D {
    return this.module.head.value as tf.Tensor2D;
  }

  private logits(hidden: tf.Tensor2D): tf.Tensor2D {
    return tf.matMul(hidden, this.head, false, true);
  }

  /** (rows, width): the mean of what is seen, and of the words of the prompt and before the frames. */
  private sum(
    { visual, framePrefixes = [] }: StudentInput,
    prompts: TokenRows,
    context: Context,
  ): tf.Tensor2D {
    const tokens = this.look(visual, context);
    const seen = tf.mean(tf.reshape(tokens, [prompts.length, -1, this.config.width]), 1) as tf.Tensor2D;
    return tf.add(seen, this.bag(prompts.map((prompt) => [...framePrefixes.flat(), ...prompt])));
  }

  private hidden(seen: tf.Tensor2D, before: TokenRows, context: Context): tf.Tensor2D {
    return tf.tanh(this.module.mix.forward(tf.add(seen, this.bag(before)), context)) as tf.Tensor2D;
  }

  /** (rows, width): the mean embedding of each row. */
  private bag(rows: TokenRows): tf.Tensor2D {
    const shares = new Float32Array(rows.length * this.vocabulary);
    for (const [i, row] of rows.entries())
      for (const id of row) shares[i * this.vocabulary + id]! += 1 / row.length;
    const table = this.module.embedding.value as tf.Tensor2D;
    return tf.matMul(tf.tensor2d(shares, [rows.length, this.vocabulary]), table);
  }
}

export const toy: StudentKind = {
  modelType: 'toy',
  title: 'a bag of words',
  groups: ['projector', 'mix'],
  defaultGroups: ['projector', 'lora'],
  groupOf: (name) => /^(?:text\.)?(projector|mix)\./.exec(name)?.[1],
  parseConfig: (json, origin) => {
    const config = json as ToyConfig;
    if (!(config.width > 0)) throw new DataError(`${origin}: width ${config.width}, expected above 0`);
    return config;
  },
  create: async (config, precision) => new ToyStudent(config as ToyConfig, precision),
  canonical: (source) => ({ ...source, report: { ignored: [], unknown: [], renamed: new Map() } }),
};

registerStudent(toy);
