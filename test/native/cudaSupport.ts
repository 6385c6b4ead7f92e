/** What tests of the CUDA device's fused functions share: calling them as the seam does, on it and on native-cpu. */
import { expect } from 'vitest';
import { type NativeDevice, nativeDevice } from '../../src/engine/native/addon.js';
import type { Rng } from '../../src/random.js';
import { nearestBf16 } from '../support/bf16.js';
import { gpu } from '../support/cuda.js';
import { mismatch, randomFloats } from './support.js';

/** An argument: a number, an operand (null: left out), or the size of a result. */
export type Argument =
  | number
  | null
  | { values: Float32Array | Int32Array; bf16?: boolean }
  | { size: number; bf16?: boolean };

export const NO_DROPOUT = [0, 0, 0, 0, 0];
export const dropout = (rate: number): number[] => [rate, Math.round(rate * 2 ** 32), 0xfffffff0, 123, 7];
export const operand = (rng: Rng, n: number): { values: Float32Array } => ({ values: randomFloats(rng, n) });
export const roundToBf16 = (values: Float32Array): Float32Array => values.map(nearestBf16);
export const result = (size: number): { size: number } => ({ size });

/** Calls a function of a device and returns its results; what is marked bf16 is stored so where the device can. */
export function run(device: NativeDevice, name: string, args: Argument[]): Float32Array[] {
  const ids: number[] = [];
  const results: [id: number, size: number][] = [];
  const place = (argument: Argument): number => {
    if (argument === null) return -1;
    if (typeof argument === 'number') return argument;
    const size = 'size' in argument ? argument.size : argument.values.length;
    const stored = argument.bf16 && device === gpu();
    let id = stored && 'size' in argument ? gpu().allocateBf16(size) : device.allocate(4 * size);
    ids.push(id);
    if ('size' in argument) {
      results.push([id, size]);
      return id;
    }
    if (size > 0) device.write(id, argument.values);
    if (stored) {
      id = gpu().castStorage(id, size);
      ids.push(id);
    }
    return id;
  };
  const placed = args.map(place);
  (device.raw as Record<string, (...args: number[]) => void>)[name]!(...placed);
  const values = results.map(([id, size]) => {
    const into = new Float32Array(size);
    if (size > 0) device.read(id, into);
    return into;
  });
  for (const id of ids) device.release(id);
  return values;
}

/** Compares every result within relative error of its largest element; a second run must give the same bits. */
export function compare(name: string, args: Argument[], tolerance = 1e-5, truth = args): void {
  const expected = run(nativeDevice(), name, truth);
  const actual = run(gpu(), name, args);
  const again = run(gpu(), name, args);
  expected.forEach((values, i) => {
    const largest = values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    expect(
      mismatch(actual[i]!, values, tolerance, tolerance * largest),
      `${name}, result ${i}`,
    ).toBeUndefined();
    expect(Buffer.from(again[i]!.buffer).equals(Buffer.from(actual[i]!.buffer)), `${name}, bits`).toBe(true);
  });
}
