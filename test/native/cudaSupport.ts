/** What tests of fused calls share: making them by name, on the CUDA device and on native-cpu. */
import { expect } from 'vitest';
import type { Rng } from '../../src/base/random.js';
import type { NativeDevice } from '../../src/engine/native/addon.js';
import { fusedCalls, type Operand } from '../../src/engine/native/calls.js';
import type { Entries, FusedName } from '../../src/engine/native/entries.js';
import { nativeDevice } from '../../src/engine/native/load.js';
import { type AttrsOf, type Dropout, NO_DROPOUT, type OperandsOf } from '../../src/ops/kernels.js';
import { nearestBf16 } from '../support/bf16.js';
import { gpu } from '../support/cuda.js';
import { mismatch, randomFloats } from './support.js';

/** A tensor of a call; what is marked bf16 is stored so where the device can. */
export interface Given {
  shape: number[];
  values: Float32Array | Int32Array;
  bf16?: boolean;
}
/** A result of a call. */
export interface Wanted {
  shape: number[];
  bf16?: boolean;
}
export type Inputs<Name extends FusedName> = OperandsOf<Entries[Name], Given>;
/** Attributes that only TypeScript reads are left out. */
export type Attrs<Name extends FusedName> = Omit<AttrsOf<Entries[Name]>, 'bf16' | 'keepInverses' | 'keep'>;
/** Results by name; undefined is not wanted. */
export type Results = Record<string, Wanted | undefined>;

export { NO_DROPOUT };
export const dropout = (rate: number): Dropout =>
  rate ? { rate, threshold: Math.round(rate * 2 ** 32), seed: 0xfffffff0, step: 123, call: 7 } : NO_DROPOUT;
const sizeOf = (shape: number[]): number => shape.reduce((product, size) => product * size, 1);
export const operand = (rng: Rng, ...shape: number[]): Given & { values: Float32Array } => ({
  shape,
  values: randomFloats(rng, sizeOf(shape)),
});
export const roundToBf16 = (values: Float32Array): Float32Array => values.map(nearestBf16);
/** Random numbers that bf16 holds. */
export const rounded = (rng: Rng, ...shape: number[]): Given & { values: Float32Array } => {
  const { values } = operand(rng, ...shape);
  return { shape, values: roundToBf16(values) };
};
export const result = (...shape: number[]): Wanted => ({ shape });

/** Runs a call on operands that lie on the device already. */
export function callOn<Name extends FusedName>(
  device: NativeDevice,
  name: Name,
  inputs: OperandsOf<Entries[Name], Operand>,
  attrs: Attrs<Name>,
  results: Record<string, Operand | undefined>,
): unknown {
  const calls = fusedCalls(device, ({ id }: Operand) => id);
  (calls[name] as (...fields: unknown[]) => void)(inputs, attrs, results);
  return (device[name] as () => unknown)();
}

/** Runs a call and returns its results in the order they are given in. */
export function run<Name extends FusedName>(
  device: NativeDevice,
  name: Name,
  inputs: Inputs<Name>,
  attrs: Attrs<Name>,
  results: Results,
): Float32Array[] {
  const ids: number[] = [];
  const inBf16 = (bf16?: boolean): boolean => bf16 === true && device === gpu();
  const place = ({ values, shape, bf16 }: Given): Operand => {
    const id = device.allocate(values.byteLength);
    ids.push(id);
    if (values.length > 0) device.write(id, values);
    if (!inBf16(bf16)) return { id, shape };
    ids.push(device.castStorage(id, values.length));
    return { id: ids.at(-1)!, shape };
  };
  const room = ({ shape, bf16 }: Wanted): Operand => {
    const size = sizeOf(shape);
    ids.push(inBf16(bf16) ? device.allocateBf16(size) : device.allocate(4 * size));
    return { id: ids.at(-1)!, shape };
  };
  try {
    const placed = mapGiven(inputs as Record<string, Given | undefined>, place);
    const made = mapGiven(results, room);
    callOn(device, name, placed as OperandsOf<Entries[Name], Operand>, attrs, made);
    return Object.values(made).flatMap((operand) => {
      if (operand === undefined) return [];
      const into = new Float32Array(sizeOf([...operand.shape]));
      if (into.length > 0) device.read(operand.id, into);
      return [into];
    });
  } finally {
    for (const id of ids) device.release(id);
  }
}

function mapGiven<T, U>(
  named: Record<string, T | undefined>,
  f: (each: T) => U,
): Record<string, U | undefined> {
  return Object.fromEntries(
    Object.entries(named).map(([name, each]) => [name, each === undefined ? undefined : f(each)]),
  );
}

/** Compares every result within relative error of its largest element; a second run must give the same bits. */
export function compare<Name extends FusedName>(
  name: Name,
  inputs: Inputs<Name>,
  attrs: Attrs<Name>,
  results: Results,
  tolerance = 1e-5,
  truth = inputs,
): void {
  const expected = run(nativeDevice(), name, truth, attrs, results);
  const actual = run(gpu(), name, inputs, attrs, results);
  const again = run(gpu(), name, inputs, attrs, results);
  expected.forEach((values, i) => {
    const largest = values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    expect(
      mismatch(actual[i]!, values, tolerance, tolerance * largest),
      `${name}, result ${i}`,
    ).toBeUndefined();
    expect(Buffer.from(again[i]!.buffer).equals(Buffer.from(actual[i]!.buffer)), `${name}, bits`).toBe(true);
  });
}
