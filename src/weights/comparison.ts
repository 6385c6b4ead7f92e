import { DataError } from '../errors.js';
import { formatShape } from './header.js';
import type { TensorSource } from './source.js';

/** Canonical tensor names and shapes; Linear weights are (out, in), as PyTorch stores them. */
export type ExpectedTensors = Map<string, number[]>;

export interface Comparison {
  /** Expected and absent. */
  missing: string[];
  /** Present and not expected; harmless, but worth a look. */
  unexpected: string[];
  misshaped: { name: string; expected: number[]; found: number[] }[];
}

/** Compares the tensors of a source under canonical names with what a config asks for. Reads no data. */
export function compareCheckpoint(expected: ExpectedTensors, source: TensorSource): Comparison {
  const comparison: Comparison = { missing: [], unexpected: [], misshaped: [] };
  for (const [name, shape] of expected) {
    if (!source.has(name)) comparison.missing.push(name);
    else {
      const found = source.info(name).shape;
      if (found.length !== shape.length || found.some((size, i) => size !== shape[i])) {
        comparison.misshaped.push({ name, expected: shape, found });
      }
    }
  }
  for (const name of source.names()) {
    // A tied model has no head of its own; files may still hold the copy.
    if (!expected.has(name) && name !== 'language_model.lm_head.weight') comparison.unexpected.push(name);
  }
  return comparison;
}

/** One line a finding, for people. */
export function formatComparison(comparison: Comparison): string[] {
  return [
    ...comparison.missing.map((name) => `missing     ${name}`),
    ...comparison.misshaped.map(
      ({ name, expected, found }) =>
        `wrong shape ${name}: ${formatShape(found)}, expected ${formatShape(expected)}`,
    ),
    ...comparison.unexpected.map((name) => `unexpected  ${name}`),
  ];
}

/** What is said when a checkpoint that can be loaded has more than the model: at most one line. */
export function noticesOf({ unexpected }: Comparison, path: string): string[] {
  const count = unexpected.length;
  if (count === 0) return [];
  const which = count === 1 ? 'a tensor that has' : `${count} tensors that have`;
  return [`${path}: ${which} no place in the model: ${firstThree(unexpected)}; not used`];
}

/**
 * Refuses a checkpoint that lacks a tensor or has one of another shape; unexpected ones pass.
 *
 * @throws DataError naming the first tensors, and how many more there are.
 */
export function requireComplete(comparison: Comparison, path: string): void {
  const { missing, misshaped } = comparison;
  if (misshaped.length > 0) {
    const { name, expected, found } = misshaped[0]!;
    throw new DataError(
      `${path}: tensor ${name} has shape ${formatShape(found)}, expected ${formatShape(expected)}${more(misshaped.length - 1)}; config.json and weights belong to different models`,
    );
  }
  if (missing.length > 0) {
    throw new DataError(
      `${path}: missing tensor${missing.length > 1 ? 's' : ''} ${firstThree(missing)}; see reasvqa weights show`,
    );
  }
}

function firstThree(names: readonly string[]): string {
  return `${names.slice(0, 3).join(', ')}${more(names.length - 3)}`;
}

function more(count: number): string {
  return count > 0 ? ` and ${count} more` : '';
}
