/** Small students and random batches for the tests of models. */
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { messageOf } from '../../src/base/errors.js';
import { Rng } from '../../src/base/random.js';
import { selectEngine } from '../../src/engine/engine.js';
import { nativeDevice } from '../../src/engine/native/load.js';
import { findPackage } from '../../src/engine/tensorflow/package.js';
import type { Blip2, EncoderBatch } from '../../src/model/blip2/blip2.js';
import { Blip2Student } from '../../src/model/blip2/student.js';
import type { Context, Precision, Recompute } from '../../src/model/context.js';
import { inferenceContext } from '../../src/model/context.js';
import { linearsOf } from '../../src/model/layers/linear.js';
import type { Parameter } from '../../src/model/layers/module.js';
import type { StudentInput, Target, TokenRows } from '../../src/model/student.js';
import { type Labels, padLabels, padTokens } from '../../src/model/tokens.js';
import { DropoutStream } from '../../src/ops/dropout.js';
import type { NamedLoss } from '../../src/training/objectives/objective.js';
import { type Blip2Config, parseBlip2Config } from '../../src/weights/config.js';
import { cudaMissing } from '../support/cuda.js';

export type TestedEngine = 'cpu' | 'wasm' | 'native-cpu' | 'native-cuda' | 'tensorflow';

/** Why native-cpu cannot run here, or undefined when it can. */
export const nativeMissing = reasonOf(nativeDevice);
/** The same for tensorflow: not set up, or its package is not complete. */
export const tensorflowMissing = reasonOf(findPackage);
const MISSING: Partial<Record<TestedEngine, string | undefined>> = {
  'native-cpu': nativeMissing,
  'native-cuda': cudaMissing,
  tensorflow: tensorflowMissing,
};

/** Why `probe` fails, or undefined when it does not. */
function reasonOf(probe: () => unknown): string | undefined {
  try {
    probe();
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** Declares the same tests for each engine; an engine that cannot run here is a skipped test that says why. */
export function onEngines(
  title: string,
  engines: readonly TestedEngine[],
  body: (engine: TestedEngine) => void,
): void {
  for (const engine of engines) {
    describe(`${title}, on ${engine}`, () => {
      if (MISSING[engine] !== undefined) {
        it.skip(`SKIPPED, ${engine} cannot run: ${MISSING[engine]}`, () => undefined);
        return;
      }
      let before = '';
      beforeAll(async () => {
        before = tf.getBackend();
        await selectEngine(engine);
      });
      afterAll(async () => {
        if (before) await tf.setBackend(before);
      });
      body(engine);
    });
  }
}

/** The fastest engine here, for tests of what does not depend on it. */
export async function useFastEngine(): Promise<void> {
  await selectEngine(nativeMissing === undefined ? 'native-cpu' : 'wasm');
}

interface Sections {
  vision_config?: object;
  qformer_config?: object;
  text_config?: object;
  num_query_tokens?: number;
}

/** A student a few thousand parameters large, of odd sizes; dropout 0 unless a section says otherwise. */
export function tinyConfig(sections: Sections = {}): Blip2Config {
  return parseBlip2Config({
    vision_config: {
      hidden_size: 12,
      intermediate_size: 20,
      num_hidden_layers: 2,
      num_attention_heads: 3,
      image_size: 9,
      patch_size: 4,
      layer_norm_eps: 1e-6,
      qkv_bias: true,
      attention_dropout: 0,
      ...sections.vision_config,
    },
    qformer_config: {
      hidden_size: 16,
      num_hidden_layers: 3,
      num_attention_heads: 2,
      intermediate_size: 24,
      encoder_hidden_size: 12,
      hidden_dropout_prob: 0,
      attention_probs_dropout_prob: 0,
      ...sections.qformer_config,
    },
    text_config: {
      vocab_size: 40,
      d_model: 20,
      d_kv: 6,
      d_ff: 28,
      num_layers: 2,
      num_heads: 3,
      dropout_rate: 0,
      feed_forward_proj: 'gated-gelu',
      dense_act_fn: 'gelu',
      tie_word_embeddings: false,
      ...sections.text_config,
    },
    num_query_tokens: sections.num_query_tokens ?? 4,
  });
}

export const DROPOUT: Sections = {
  vision_config: { attention_dropout: 0.1 },
  qformer_config: { hidden_dropout_prob: 0.1, attention_probs_dropout_prob: 0.2 },
  text_config: { dropout_rate: 0.1 },
};

/** Gives every parameter a random value, norms and biases included, so that each of them matters. */
export function randomise(parameters: Iterable<Parameter>, rng: Rng): void {
  for (const parameter of parameters) {
    const draw = rng.fork(parameter.name);
    const { shape } = parameter;
    const [centre, scale] =
      shape.length > 1
        ? [0, Math.min(1, (parameter.size / shape[0]!) ** -0.5)]
        : [/norm/i.test(parameter.name) && parameter.name.endsWith('weight') ? 1 : 0, 0.1];
    const values = Float32Array.from({ length: parameter.size }, () => centre + scale * draw.normal());
    parameter.set(tf.tensor(values, shape, 'float32'));
  }
}

interface TinyOptions {
  seed?: number;
  lora?: { r: number; scaling: number; dropout: number } | null;
  precision?: Precision;
}

/** A random student with an adapter on every q and v of the language model; the caller disposes it. */
export function tinyStudent(
  sections: Sections = {},
  { seed = 1, lora = { r: 2, scaling: 2, dropout: 0 }, precision = 'f32' }: TinyOptions = {},
): Blip2Student {
  const student = new Blip2Student(tinyConfig(sections), precision);
  const linears = linearsOf(student.module);
  if (lora) for (const [path, linear] of linears) if (/\.(q|v)$/.test(path)) linear.addLora(lora);
  randomise(student.module.parameters(), new Rng(seed));
  return student;
}

/** The layers of {@link tinyStudent} alone. */
export function tinyModel(sections: Sections = {}, options: TinyOptions = {}): Blip2 {
  return tinyStudent(sections, options).module;
}

/** Random token ids that end with 1 at random lengths, the first row at `columns`; `empty` rows have none at all. */
export function randomRows(
  rng: Rng,
  rows: number,
  columns: number,
  vocabulary: number,
  empty: readonly number[] = [],
): number[][] {
  return Array.from({ length: rows }, (_, row) => {
    if (empty.includes(row)) return [];
    // One row is always full, so that the column count is the longest length, as padding makes it.
    const length = row === 0 ? columns : 1 + rng.int(columns);
    return Array.from({ length }, (_, t) => (t === length - 1 ? 1 : 2 + rng.int(vocabulary - 2)));
  });
}

export interface BatchSizes {
  videos?: number;
  frames?: number;
  prefix?: number;
  prompt?: number;
  answer?: number;
  reasoning?: number;
  /** Rows without reasoning. */
  empty?: readonly number[];
  secondPrompt?: number;
}

/** What a student is asked, with what it should write. */
export interface TestBatch {
  input: StudentInput & { visual: { pixels: tf.Tensor4D } };
  answer: Target;
  /** Without rows where the batch has none. */
  reasoning: Target;
  targets: Target[];
  /** The input's own. */
  pixels: tf.Tensor4D;
}

/** A random batch with prompts of several lengths, as pixels; the caller disposes `pixels`. */
export function randomBatch(rng: Rng, config: Blip2Config, sizes: BatchSizes = {}): TestBatch {
  const { videos = 3, frames = 2, prefix = 2, prompt = 6, answer = 3, reasoning = 7, empty = [] } = sizes;
  const { vocab_size: vocabulary } = config.text_config;
  const image = config.vision_config.image_size;
  const ids = (count: number) => Array.from({ length: count }, () => 2 + rng.int(vocabulary - 2));
  const ragged = (columns: number): number[][] => {
    const lengths = Array.from({ length: videos }, (_, row) => (row === 0 ? columns : 1 + rng.int(columns)));
    return lengths.map((length) => ids(columns).slice(0, length));
  };
  const values = Float32Array.from({ length: videos * frames * 3 * image * image }, () => rng.normal());
  const pixels = tf.tensor4d(values, [videos * frames, 3, image, image]);
  const framePrefixes = Array.from({ length: frames }, () => ids(prefix));
  const input = {
    visual: { pixels },
    frames,
    ...(prefix > 0 ? { framePrefixes } : {}),
    prompts: ragged(prompt),
  };
  const first = { name: 'qa', rows: randomRows(rng, videos, answer, vocabulary) };
  const second = {
    name: 'reasoning',
    rows: reasoning > 0 ? randomRows(rng, videos, reasoning, vocabulary, empty) : [],
    ...(sizes.secondPrompt ? { prompts: ragged(sizes.secondPrompt) } : {}),
  };
  return {
    input,
    answer: first,
    reasoning: second,
    targets: reasoning > 0 ? [first, second] : [first],
    pixels,
  };
}

/** Row `row` of a batch alone. Its pixels are a slice of its own. */
export function rowOf({ input, answer, reasoning }: TestBatch, row: number): TestBatch {
  const { frames } = input;
  const pixels = tf.slice(input.visual.pixels, row * frames, frames);
  const pick = (rows: TokenRows) => rows.slice(row, row + 1);
  const own = (target: Target): Target => ({ ...target, rows: pick(target.rows) });
  const targets = [own(answer), own(reasoning)] as const;
  return {
    input: { ...input, visual: { pixels }, prompts: pick(input.prompts) },
    ...{ answer: targets[0], reasoning: targets[1], targets: [...targets], pixels },
  };
}

/** The same input as the layers of BLIP-2 take it, padded with `padId`. */
export function encoderBatch({ frames, framePrefixes, prompts }: StudentInput, padId = 0): EncoderBatch {
  return {
    videos: prompts.length,
    frames,
    ...(framePrefixes ? { prefix: padTokens(framePrefixes, padId) } : {}),
    prompt: padTokens(prompts, padId),
  };
}

/** Labels of targets as the layers of BLIP-2 take them. */
export function labelsOf(targets: readonly Target[]): Labels[] {
  return targets.map(({ rows }) => padLabels(rows));
}

/** The losses of {@link randomBatch}'s targets: alpha * qa + beta * reasoning. */
export function weighted(alpha: number, beta: number): { losses: NamedLoss[] } {
  return {
    losses: [
      { name: 'qa', weight: alpha },
      { name: 'reasoning', weight: beta },
    ],
  };
}

export const OBJECTIVE = weighted(0.2, 0.8);

/** Training with dropout drawn from `seed`; the rates are the model's. */
export function trainingContext(
  recompute: Recompute = false,
  seed = 5,
  precision: Precision = 'f32',
): Context {
  const dropout = new DropoutStream(seed);
  dropout.startStep(3);
  return { ...inferenceContext(precision), training: true, dropout, recompute };
}

/** max |a - b| / max |b|; 0 for two empty or all-zero arrays, infinite where one is NaN. */
export function relativeDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new Error(`${a.length} values, ${b.length} expected`);
  let worst = 0;
  let largest = 0;
  for (let i = 0; i < b.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!);
    if (!(difference <= worst)) worst = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
    largest = Math.max(largest, Math.abs(b[i]!));
  }
  return worst === 0 ? 0 : worst / Math.max(largest, 1e-30);
}
