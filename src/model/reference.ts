/** PyTorch's recorded results of a small model (tools/reference), as an architecture presents them to src/parity. */
import * as tf from '@tensorflow/tfjs-core';
import { DataError } from '../base/errors.js';
import { shown } from '../data/problems.js';
import { IGNORED } from '../ops/labels.js';
import type { Student, StudentInput, Target, TokenRows } from './student.js';
import type { Labels } from './tokens.js';

/** The tensors of reference.safetensors: `input.*`, `expect.*`, `grad.*`. */
export interface Reference {
  /** File, for messages. */
  path: string;
  names: readonly string[];
  metadata: Readonly<Record<string, string>>;
  read(name: string): Promise<{ shape: number[]; data: Float32Array | Int32Array }>;
}

/** The recorded inputs, and this implementation's results for them. */
export interface ReferenceCase {
  /** Pixels of the recorded batch; freed by {@link dispose}. */
  input: StudentInput;
  /** The answer first, then the reasoning. */
  targets: [answer: Target, reasoning: Target];
  /** Every stage of the forward pass, by the names of `expect.*`. */
  stages(): Record<string, ArrayLike<number>>;
  /** Greedily written tokens of every row, without stopping. */
  greedy(tokens: number): number[][];
  /** Name of a parameter's gradient in the file. */
  gradientName(parameter: string): string;
  dispose(): void;
}

/** @throws DataError naming the input that does not fit the student */
export type OpenReference = (student: Student, reference: Reference) => Promise<ReferenceCase>;

/** A number of the file's metadata. @throws DataError when it is none */
export function metadataNumber({ metadata, path }: Reference, key: string): number {
  const text = metadata[key];
  if (!text?.trim() || !Number.isFinite(Number(text)))
    throw new DataError(`${path}: metadata ${key} is ${shown(text)}, expected a number`);
  return Number(text);
}

function requireShape(
  { path }: Reference,
  name: string,
  shape: readonly number[],
  expected: readonly (number | string)[],
): void {
  const fits =
    shape.length === expected.length && expected.every((n, i) => typeof n === 'string' || n === shape[i]);
  if (!fits)
    throw new DataError(
      `${path}: ${name} has shape (${shape.join(', ')}), expected (${expected.join(', ')})`,
    );
}

/**
 * `input.pixel_values` as (videos * frames, 3, image, image); the caller disposes them.
 *
 * @throws DataError for another shape
 */
export async function readPixels(
  reference: Reference,
  image: number,
): Promise<{ pixels: tf.Tensor4D; videos: number; frames: number }> {
  const name = 'input.pixel_values';
  const { shape, data } = await reference.read(name);
  requireShape(reference, name, shape, ['videos', 'frames', 3, image, image]);
  const [videos, frames] = shape as [number, number];
  const pixels = tf.tensor4d(data as Float32Array, [videos * frames, 3, image, image]);
  return { pixels, videos, frames };
}

/**
 * Token ids, or labels with -100 where the name ends so.
 *
 * @throws DataError for another shape than (rows, columns), or an id outside the vocabulary
 */
export async function readIds(
  reference: Reference,
  name: string,
  { rows, columns, vocabulary }: { rows: number; columns?: number | undefined; vocabulary: number },
): Promise<Labels> {
  const { shape, data } = await reference.read(name);
  requireShape(reference, name, shape, [rows, columns ?? 'tokens']);
  const wrong = data.find(
    (id) => !(id >= 0 && id < vocabulary) && !(id === IGNORED && name.endsWith('_labels')),
  );
  if (wrong !== undefined)
    throw new DataError(
      `${reference.path}: ${name} holds ${wrong}, expected ids from 0 to ${vocabulary - 1}`,
    );
  return { data: Int32Array.from(data), columns: shape[1] as number };
}

/** @throws DataError for labels that begin again after -100: a row is one text */
export function labelRows(
  { data, columns }: Labels,
  rows: number,
  name: string,
  { path }: Reference,
): TokenRows {
  return Array.from({ length: rows }, (_, row) => {
    const labels = [...data.subarray(row * columns, (row + 1) * columns)];
    const end = labels.indexOf(IGNORED);
    if (end < 0) return labels;
    if (labels.slice(end).some((id) => id !== IGNORED))
      throw new DataError(
        `${path}: ${name}: row ${row} goes on after ${IGNORED}, expected only ${IGNORED} there`,
      );
    return labels.slice(0, end);
  });
}
