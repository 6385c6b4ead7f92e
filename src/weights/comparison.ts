/** Compares a checkpoint with the tensors that its config.json asks for. */
import { DataError } from '../base/errors.js';
import { type Dtype, isReal, REAL_TYPES } from './dtypes.js';
import { formatShape } from './header.js';
import { describeOwnTable, type OwnTable, type SharedTable } from './ownTables.js';
import { refusedType, type TensorSource } from './source.js';

/** Canonical tensor names and shapes; Linear weights are (out, in), as PyTorch stores them. */
export type ExpectedTensors = Map<string, number[]>;

/** Result of comparing the headers of a checkpoint. */
interface HeaderComparison {
  /** Expected and absent. */
  missing: string[];
  /** Present and not expected; harmless, but worth a look. */
  unexpected: string[];
  misshaped: { name: string; expected: number[]; found: number[] }[];
  /** Expected and of a type that is not read as a weight. */
  unreadable: { name: string; dtype: Dtype; file: string }[];
}

export interface Comparison extends HeaderComparison {
  /** Tables that replace the shared one; looked for only in checkpoints that can be loaded. */
  own: OwnTable[];
  /** Names of weight files that are passed over for model.safetensors. */
  unread: string[];
}

/**
 * Compares the tensors of a source under canonical names with those that a config asks for. Reads no data.
 *
 * @param shared whose copies may be there, in its shape
 */
export function compareCheckpoint(
  expected: ExpectedTensors,
  source: TensorSource,
  shared?: SharedTable,
): HeaderComparison {
  const comparison: HeaderComparison = { missing: [], unexpected: [], misshaped: [], unreadable: [] };
  const wanted = new Map(expected);
  const table = shared && expected.get(shared.name);
  for (const name of shared?.again ?? []) if (table && source.has(name)) wanted.set(name, table);
  for (const [name, shape] of wanted) {
    if (!source.has(name)) {
      comparison.missing.push(name);
      continue;
    }
    const { shape: found, dtype } = source.info(name);
    if (found.length !== shape.length || found.some((size, i) => size !== shape[i])) {
      comparison.misshaped.push({ name, expected: shape, found });
    }
    if (!isReal(dtype)) comparison.unreadable.push({ name, dtype, file: source.fileOf(name) });
  }
  comparison.unexpected = source.names().filter((name) => !wanted.has(name));
  return comparison;
}

/** One line a finding, for people. */
export function formatComparison(comparison: Comparison): string[] {
  return [
    ...comparison.missing.map((name) => `missing     ${name}`),
    ...comparison.unreadable.map(
      ({ name, dtype }) => `wrong type  ${name}: ${dtype}, expected ${REAL_TYPES}`,
    ),
    ...comparison.misshaped.map(
      ({ name, expected, found }) =>
        `wrong shape ${name}: ${formatShape(found)}, expected ${formatShape(expected)}`,
    ),
    ...comparison.unexpected.map((name) => `unexpected  ${name}`),
    ...comparison.own.map((name) => `own table   ${describeOwnTable(name)}`),
  ];
}

/** Notices for the user about a checkpoint that has more tensors or files than the model needs. */
export function noticesOf({ unexpected, own, unread }: Comparison, path: string): string[] {
  const notices = own.map((name) => `${path}: ${describeOwnTable(name)}`);
  const count = unexpected.length;
  const which = count === 1 ? 'a tensor that has' : `${count} tensors that have`;
  if (count > 0) notices.push(`${path}: ${which} no place in the model: ${firstThree(unexpected)}; not used`);
  if (unread.length > 0) notices.push(`${path}: model.safetensors is read, not ${firstThree(unread)}`);
  return notices;
}

/** Counts of the faults that keep a checkpoint from being loaded, in one line; undefined without any. */
export function faultsOf({ missing, misshaped, unreadable }: HeaderComparison): string | undefined {
  const faults = [
    [missing.length, 'missing'],
    [misshaped.length, 'of another shape'],
    [unreadable.length, 'of a type that is not read'],
  ] as const;
  const found = faults.filter(([count]) => count > 0);
  return found.length === 0 ? undefined : found.map(([count, what]) => `${count} ${what}`).join(', ');
}

/**
 * Refuses a checkpoint that lacks a tensor or has one of another type or shape; unexpected ones pass. The type comes
 * first: quantised weights have shapes of their own.
 *
 * @throws DataError naming the first tensors, and how many more there are.
 */
export function requireComplete({ missing, misshaped, unreadable }: HeaderComparison, path: string): void {
  if (unreadable.length > 0) {
    const { name, dtype, file } = unreadable[0]!;
    const others = unreadable.length > 1 ? ` (so are ${unreadable.length - 1} more)` : '';
    throw new DataError(`${refusedType(file, name, dtype)}${others}`);
  }
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
