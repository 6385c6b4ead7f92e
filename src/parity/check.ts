/**
 * `weights check`: compares what this implementation computes with what PyTorch computed from the same weights and
 * inputs (reference.safetensors: `input.*`, `expect.*`, `grad.*`; tools/reference/make_reference.py writes such
 * folders). Every tensor's largest error is taken relative to the reference tensor's largest magnitude.
 */
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { shown } from '../data/problems.js';
import { DataError } from '../errors.js';
import { IGNORED } from '../ops/labels.js';
import { evaluateLosses, gradients, type Objective, type TrainBatch } from '../training/objective.js';
import { AdamW } from '../training/optimizer.js';
import { SafetensorsFile } from '../weights/safetensors.js';
import { loadAdapter } from '../model/adapter.js';
import { type Context, inferenceContext } from '../model/context.js';
import { generate } from '../model/blip2/generate.js';
import { loadModel } from '../model/load.js';
import { bf16Parameters, type Precision, usePrecision } from '../model/precision.js';
import type { Encoded, Blip2 } from '../model/blip2/blip2.js';
import { selectTrainable } from '../model/trainable.js';

export interface CheckRow {
  name: string;
  /** Largest error over the reference's largest magnitude; for greedy ids the share of tokens that differ. */
  error: number;
  tolerance: number;
  ok: boolean;
}

export interface CheckResult {
  rows: CheckRow[];
  ok: boolean;
}

/** Largest allowed error of every kind of tensor, by the precision of frozen weights. */
const TOLERANCES = {
  f32: { expect: 1e-4, grad: 1e-3, adamw: 1e-3, greedy: 0 },
  bf16: { expect: 3e-2, grad: 3e-2, adamw: 1e-2, greedy: 0 },
} as const;
type Tolerance = (typeof TOLERANCES)[Precision];

/** What the reference's gradients and AdamW steps are about. */
const TRAINED = ['qformer', 'query_tokens', 'language_projection', 'post_layernorm', 'lora'] as const;

interface Reference {
  names: string[];
  metadata: Record<string, string>;
  read(name: string): Promise<{ shape: number[]; data: Float32Array | Int32Array }>;
}

/**
 * Runs the whole comparison on the engine in use.
 *
 * @param folder config.json, model.safetensors, adapter_config.json, adapter_model.safetensors, reference.safetensors.
 * @param precision of the weights that the reference's training steps leave frozen.
 * @throws DataError when the folder is incomplete or a tensor is missing; EngineError for a precision that the engine lacks.
 */
export async function weightsCheck(folder: string, precision: Precision = 'f32'): Promise<CheckResult> {
  usePrecision(precision, '--precision');
  try {
    return await checkFolder(folder, precision);
  } finally {
    usePrecision('f32', '--precision');
  }
}

async function checkFolder(folder: string, precision: Precision): Promise<CheckResult> {
  const file = await SafetensorsFile.open(join(folder, 'reference.safetensors'));
  try {
    const bf16 = precision === 'bf16' ? (model: Blip2) => bf16Parameters(model, TRAINED) : undefined;
    const { model } = await loadModel(folder, undefined, bf16);
    try {
      await loadAdapter(model, folder);
      return await compareAll(model, folder, file, TOLERANCES[precision]);
    } finally {
      model.dispose();
    }
  } finally {
    await file.close();
  }
}

async function compareAll(
  model: Blip2,
  folder: string,
  file: SafetensorsFile,
  limits: Tolerance,
): Promise<CheckResult> {
  const reference: Reference = {
    names: file.names,
    metadata: file.metadata,
    read: async (name) => {
      const { shape, data } = await file.read(name);
      return { shape, data: data as Float32Array | Int32Array };
    },
  };
  const rows: CheckRow[] = [];
  const gradientFloor = GRADIENT_FLOOR * (await largestGradient(reference));
  const compare = async (name: string, actual: ArrayLike<number>, limit: number) => {
    const { data, shape } = await reference.read(name);
    if (data.length !== actual.length)
      throw new DataError(
        `${folder}: ${name} has shape (${shape.join(', ')}), the model computes ${actual.length} values`,
      );
    const error = relativeError(actual, data, await scaleFloor(reference, name, gradientFloor));
    rows.push({ name, error, tolerance: limit, ok: error <= limit });
  };
  const batch = await readBatch(model, folder, reference);
  try {
    await compareForward(model, batch, reference, (name, actual) => compare(name, actual, limits.expect));
    await compareGreedy(model, batch, reference, rows, limits);
    await compareTraining(model, batch, folder, reference, limits, compare);
  } finally {
    batch.pixels.dispose();
  }
  const compared = new Set(rows.map((row) => row.name));
  for (const name of reference.names)
    if (/^(expect|grad)\./.test(name) && !compared.has(name))
      rows.push({ name: `${name} (not computed)`, error: Number.POSITIVE_INFINITY, tolerance: 0, ok: false });
  return { rows, ok: rows.every((row) => row.ok) };
}

/**
 * A gradient far below the folder's largest is mostly rounding in the reference itself: magnitudes below this share of
 * the largest gradient are compared on that scale instead of their own. Queries over a single key, as with targets of
 * one token, have no gradient in exact arithmetic; PyTorch's rounding there was seen up to 2e-7 of the largest, which
 * has to stay below the tolerance of 1e-3 on this scale.
 */
const GRADIENT_FLOOR = 5e-4;

/**
 * The smallest magnitude that an error in `name` is taken relative to. The gradients of the Q-Former's key biases are
 * zero in exact arithmetic (softmax ignores a shift) and pure rounding in any other: their scale is that of the same
 * keys' weights, sums over the same terms.
 */
async function scaleFloor(reference: Reference, name: string, gradientFloor: number): Promise<number> {
  if (!name.startsWith('grad.')) return 0;
  const weight = name.replace(/\.key\.bias$/, '.key.weight');
  if (weight === name || !reference.names.includes(weight)) return gradientFloor;
  return Math.max(gradientFloor, largestOf((await reference.read(weight)).data));
}

function largestOf(values: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < values.length; i++) largest = Math.max(largest, Math.abs(values[i] as number));
  return largest;
}

async function largestGradient(reference: Reference): Promise<number> {
  let largest = 0;
  for (const name of reference.names)
    if (name.startsWith('grad.')) largest = Math.max(largest, largestOf((await reference.read(name)).data));
  return largest;
}

/** max |actual - expected| / max(max |expected|, floor); NaN must meet NaN, else it counts as infinite. */
function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>, floor: number): number {
  let worst = 0;
  let largest = floor;
  for (let i = 0; i < expected.length; i++) {
    if (Number.isNaN(actual[i]) && Number.isNaN(expected[i])) continue;
    const difference = Math.abs((actual[i] as number) - (expected[i] as number));
    if (!(difference <= worst)) worst = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
    largest = Math.max(largest, Math.abs(expected[i] as number));
  }
  return largest === 0 ? worst : worst / largest;
}

/** The reference's inputs as a batch; pixel values stay pixels. @throws DataError naming the one that does not fit. */
async function readBatch(
  { config }: Blip2,
  folder: string,
  reference: Reference,
): Promise<TrainBatch & { pixels: tf.Tensor4D }> {
  const refuse = (name: string, found: string, expected: string) => {
    throw new DataError(`${join(folder, 'reference.safetensors')}: ${name} ${found}, expected ${expected}`);
  };
  const requireShape = (name: string, shape: number[], expected: (number | string)[]) => {
    const fits =
      shape.length === expected.length && expected.every((n, i) => typeof n === 'string' || n === shape[i]);
    if (!fits) refuse(name, `has shape (${shape.join(', ')})`, `(${expected.join(', ')})`);
  };
  const { image_size: image } = config.vision_config;
  const pixels = await reference.read('input.pixel_values');
  requireShape('input.pixel_values', pixels.shape, ['videos', 'frames', 3, image, image]);
  const [videos, frames, channels, height, width] = pixels.shape as [number, number, number, number, number];
  const ids = async (name: string, rows: number, columns: number | string = 'tokens') => {
    const { shape, data } = await reference.read(name);
    requireShape(name, shape, [rows, columns]);
    const { vocab_size: vocab } = config.text_config;
    const wrong = data.find(
      (id) => !(id >= 0 && id < vocab) && !(id === IGNORED && name.endsWith('_labels')),
    );
    if (wrong !== undefined) refuse(name, `holds ${wrong}`, `ids from 0 to ${vocab - 1}`);
    return { data: Int32Array.from(data), columns: shape[1] as number };
  };
  const prefix = await ids('input.frame_prefix_ids', frames);
  const prompt = await ids('input.prompt_ids', videos);
  const promptMask = await ids('input.prompt_mask', videos, prompt.columns);
  return {
    encoder: {
      videos,
      frames,
      ...(prefix.columns > 0
        ? {
            prefix: {
              ids: prefix.data,
              mask: new Int32Array(prefix.data.length).fill(1),
              columns: prefix.columns,
            },
          }
        : {}),
      prompt: { ids: prompt.data, mask: promptMask.data, columns: prompt.columns },
    },
    pixels: tf.tensor4d(pixels.data as Float32Array, [videos * frames, channels, height, width]),
    answer: await ids('input.answer_labels', videos),
    reasoning: await ids('input.reasoning_labels', videos),
  };
}

/** Every stage of the forward pass. */
async function compareForward(
  model: Blip2,
  batch: TrainBatch & { pixels: tf.Tensor4D },
  reference: Reference,
  compare: (name: string, actual: ArrayLike<number>) => Promise<void>,
): Promise<void> {
  const context = inferenceContext();
  const stages = tf.tidy(() => {
    const image = model.vision.postLayernorm.forward(model.visionFeatures(batch.pixels)) as tf.Tensor3D;
    const qformer = model.queryOutput(image, context);
    const projection = model.languageProjection.forward(qformer, context) as tf.Tensor3D;
    const encoded = model.encode(projection, batch.encoder, context);
    const packed = model.pack([batch.answer, batch.reasoning!]);
    const logits = model.logits(model.decode(encoded, packed, context));
    const [answer, reasoning] = tf.split(logits, packed.lengths, 1) as [tf.Tensor, tf.Tensor];
    return {
      'expect.vision': image.dataSync(),
      'expect.qformer': qformer.dataSync(),
      'expect.projection': projection.dataSync(),
      'expect.encoder': tf.mul(encoded.hidden, tf.expandDims(encoded.keyMask, 2)).dataSync(),
      'expect.answer_logits': answer.dataSync(),
      'expect.reasoning_logits': reasoning.dataSync(),
    } as unknown as tf.TensorContainerObject;
  }) as unknown as Record<string, Float32Array>;
  for (const [name, actual] of Object.entries(stages))
    if (reference.names.includes(name)) await compare(name, actual);
}

async function compareGreedy(
  model: Blip2,
  batch: TrainBatch & { pixels: tf.Tensor4D },
  reference: Reference,
  rows: CheckRow[],
  limits: Tolerance,
): Promise<void> {
  const name = 'expect.greedy_ids';
  if (!reference.names.includes(name)) return;
  const { shape, data } = await reference.read(name);
  const columns = shape[1] as number;
  const encoded = tf.tidy(() => {
    const context = inferenceContext();
    const projected = model.project(model.visionFeatures(batch.pixels), context);
    return model.encode(projected, batch.encoder, context) as Encoded & tf.TensorContainerObject;
  });
  const ids = generate(model, encoded, { maxNewTokens: columns });
  tf.dispose(encoded);
  const different = ids.flat().filter((id, i) => id !== data[i]).length;
  const error = different / data.length;
  rows.push({ name, error, tolerance: limits.greedy, ok: error <= limits.greedy });
}

/** Losses, every gradient, and the losses of a few AdamW steps on this one batch. */
async function compareTraining(
  model: Blip2,
  batch: TrainBatch & { pixels: tf.Tensor4D },
  folder: string,
  reference: Reference,
  limits: Tolerance,
  compare: (name: string, actual: ArrayLike<number>, limit: number) => Promise<void>,
): Promise<void> {
  const number = (key: string) => {
    const text = reference.metadata[key];
    if (!text?.trim() || !Number.isFinite(Number(text)))
      throw new DataError(
        `${join(folder, 'reference.safetensors')}: metadata ${key} is ${shown(text)}, expected a number`,
      );
    return Number(text);
  };
  const start = number('decoder_start_token_id');
  const objective: Objective = {
    alpha: number('alpha'),
    beta: number('beta'),
    answerStartId: start,
    reasoningStartId: start,
  };
  const parameters = selectTrainable(model, TRAINED);
  const context: Context = { ...inferenceContext(), training: true };
  context.dropout.enabled = false;
  const { pixels, ...rest } = batch;
  const frozen: TrainBatch = { ...rest, features: tf.tidy(() => model.visionFeatures(pixels)) };
  const optimizer = new AdamW(parameters, {
    beta1: number('adamw_beta1'),
    beta2: number('adamw_beta2'),
    eps: number('adamw_eps'),
    weightDecay: number('adamw_weight_decay'),
    clipNorm: 0,
  });
  // PyTorch's mean over no tokens is NaN, and with it the total; ours leaves the task out.
  const isDefined = batch.reasoning!.data.some((id) => id !== IGNORED);
  const losses: number[] = [];
  try {
    for (let step = 0; step < number('adamw_steps'); step++) {
      const { losses: pending, grads } = gradients(model, frozen, objective, parameters, context);
      const { loss } = pending.read();
      losses.push(isDefined ? loss : Number.NaN);
      if (step === 0) {
        // With weight 1 each, so that a reference with beta 0 still has both compared.
        const both = evaluateLosses(model, frozen, { ...objective, alpha: 1, beta: 1 }, context);
        await compare('expect.loss_qa', [both.qa], limits.expect);
        await compare('expect.loss_reasoning', [both.reasoning], limits.expect);
        await compare('expect.loss', losses, limits.expect);
        for (const [i, parameter] of parameters.entries()) {
          const name = gradientName(parameter.name);
          if (reference.names.includes(name)) await compare(name, grads[i]!.dataSync(), limits.grad);
        }
      }
      optimizer.update(grads, () => number('adamw_lr'));
      tf.dispose(grads);
    }
    await compare('expect.adamw_losses', losses, limits.adamw);
  } finally {
    optimizer.dispose();
    tf.dispose(frozen.features!);
  }
}

/** The reference names LoRA gradients by their path inside the language model. */
function gradientName(parameter: string): string {
  return /\.lora_[AB]\.weight$/.test(parameter)
    ? `grad.lora.${parameter.replace(/^language_model\./, '')}`
    : `grad.${parameter}`;
}
