/**
 * `weights check`: compares this implementation's results with PyTorch's for the same weights and inputs
 * (reference.safetensors: `input.*`, `expect.*`, `grad.*`; tools/reference/make_reference.py writes such folders).
 * Every tensor's largest error is taken relative to the reference tensor's largest magnitude.
 */
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { DataError } from '../base/errors.js';
import { disposeVisual } from '../batches/batch.js';
import { loadAdapter } from '../model/adapter.js';
import { type Context, inferenceContext, type Precision } from '../model/context.js';
import { loadStudent } from '../model/load.js';
import { requirePrecision } from '../model/precision.js';
import {
  metadataNumber,
  type OpenReference,
  type Reference,
  type ReferenceCase,
} from '../model/reference.js';
import { readStudentConfig } from '../model/registry.js';
import type { Student, StudentInput } from '../model/student.js';
import { selectTrainable } from '../model/trainable.js';
import { evaluateLosses, gradients } from '../training/gradients.js';
import { AdamW } from '../training/optimizer.js';
import { SafetensorsFile } from '../weights/safetensors.js';

interface CheckRow {
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

/**
 * Runs the whole comparison on the engine in use.
 *
 * @param folder config.json, model.safetensors, adapter_config.json, adapter_model.safetensors, reference.safetensors.
 * @param precision of the weights that stay frozen in the reference's training steps.
 * @throws DataError when the folder is incomplete or a tensor is missing; EngineError for a precision that the engine lacks.
 */
export async function weightsCheck(folder: string, precision: Precision = 'f32'): Promise<CheckResult> {
  requirePrecision(precision, '--precision');
  const file = await SafetensorsFile.open(join(folder, 'reference.safetensors'));
  try {
    const { kind } = await readStudentConfig(folder);
    if (!kind.openReference) throw new DataError(`${folder}: no references are read for ${kind.title}`);
    const { student } = await loadStudent(folder, { precision, groups: kind.defaultGroups });
    try {
      await loadAdapter(student, folder);
      return await compareAll(student, kind.openReference, folder, file, TOLERANCES[precision]);
    } finally {
      student.dispose();
    }
  } finally {
    await file.close();
  }
}

async function compareAll(
  student: Student,
  openReference: OpenReference,
  folder: string,
  file: SafetensorsFile,
  limits: Tolerance,
): Promise<CheckResult> {
  const reference: Reference = {
    path: join(folder, 'reference.safetensors'),
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
  const recorded = await openReference(student, reference);
  try {
    for (const [name, actual] of Object.entries(recorded.stages()))
      if (reference.names.includes(name)) await compare(name, actual, limits.expect);
    await compareGreedy(recorded, reference, rows, limits);
    await compareTraining(student, recorded, reference, limits, compare);
  } finally {
    recorded.dispose();
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
 * The smallest magnitude that an error in `name` is taken relative to. The gradients of key biases are zero in exact
 * arithmetic (softmax ignores a shift) and pure rounding in any other: they are compared on the scale of the same keys'
 * weights, which are sums over the same terms.
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

/**
 * max |actual - expected| / max(max |expected|, floor); NaN equals NaN only; against a number it counts as infinite.
 */
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

async function compareGreedy(
  recorded: ReferenceCase,
  reference: Reference,
  rows: CheckRow[],
  limits: Tolerance,
): Promise<void> {
  const name = 'expect.greedy_ids';
  if (!reference.names.includes(name)) return;
  const { shape, data } = await reference.read(name);
  const ids = recorded.greedy(shape[1] as number);
  const different = ids.flat().filter((id, i) => id !== data[i]).length;
  const error = different / data.length;
  rows.push({ name, error, tolerance: limits.greedy, ok: error <= limits.greedy });
}

/** Losses, every gradient, and the losses of a few AdamW steps on this one batch. */
async function compareTraining(
  student: Student,
  { input, targets, gradientName }: ReferenceCase,
  reference: Reference,
  limits: Tolerance,
  compare: (name: string, actual: ArrayLike<number>, limit: number) => Promise<void>,
): Promise<void> {
  const number = (key: string) => metadataNumber(reference, key);
  const weighted = (alpha: number, beta: number) => ({
    losses: targets.map(({ name }, i) => ({ name, weight: i === 0 ? alpha : beta })),
  });
  const [alpha, beta] = [number('alpha'), number('beta')];
  // As in training, a task of weight 0 is left out of the pass.
  const learned = beta > 0 ? targets : targets.slice(0, 1);
  const parameters = selectTrainable(student, student.kind.defaultGroups);
  const context: Context = { ...inferenceContext(student.precision), training: true };
  context.dropout.enabled = false;
  const frozen: StudentInput = { ...input, visual: { features: student.features(input.visual.pixels!) } };
  const optimizer = new AdamW(parameters, {
    beta1: number('adamw_beta1'),
    beta2: number('adamw_beta2'),
    eps: number('adamw_eps'),
    weightDecay: number('adamw_weight_decay'),
    clipNorm: 0,
  });
  // PyTorch's mean over no tokens is NaN, and with it the total; ours leaves the task out.
  const isDefined = targets[1].rows.some((row) => row.length > 0);
  const losses: number[] = [];
  try {
    for (let step = 0; step < number('adamw_steps'); step++) {
      const objective = weighted(alpha, beta);
      const { losses: pending, grads } = gradients(student, frozen, learned, objective, parameters, context);
      const { loss } = pending.read();
      losses.push(isDefined ? loss : Number.NaN);
      if (step === 0) {
        // With weight 1 each, so that a reference with beta 0 still has both compared.
        const { parts } = evaluateLosses(student, frozen, targets, weighted(1, 1), context);
        await compare('expect.loss_qa', [parts.qa ?? Number.NaN], limits.expect);
        await compare('expect.loss_reasoning', [parts.reasoning ?? Number.NaN], limits.expect);
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
    disposeVisual(frozen);
  }
}
