/** Running the same test on every instruction set of this CPU, and comparing arrays. */
import { nativeDevice } from '../../src/engine/native/addon.js';
import type { Rng } from '../../src/random.js';

export const device = nativeDevice();
const ALL = ['plain', 'avx2', 'avx512'];

/** Instruction sets that this CPU has, weakest first. */
export const ISAS = ALL.slice(0, ALL.indexOf(device.bestIsa()) + 1);

/** Those it lacks, for the title of a skipped test. */
export const MISSING_ISAS = ALL.filter((isa) => !ISAS.includes(isa));

export function useIsa(isa: string, threads: number): void {
  device.setIsa(isa);
  device.setThreads(threads);
}

/** Normal numbers; with `special`, now and then NaN, an infinity, a zero of either sign or a huge or tiny value. */
export function randomFloats(rng: Rng, n: number, special = false): Float32Array {
  const odd = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -0, 3e38, -1e-40, 1];
  return Float32Array.from({ length: n }, () =>
    special && rng.float() < 0.05 ? rng.pick(odd) : rng.normal(),
  );
}

export function randomInts(rng: Rng, n: number, low: number, high: number): Int32Array {
  return Int32Array.from({ length: n }, () => low + rng.int(high - low));
}

/** A buffer holding the values. */
export function upload(values: Float32Array | Int32Array | Uint8Array): number {
  const id = device.allocate(values.byteLength);
  if (values.length > 0) device.write(id, values);
  return id;
}

export function download(id: number, n: number): Float32Array {
  const values = new Float32Array(n);
  if (n > 0) device.read(id, values);
  return values;
}

/** The worst mismatch as text, or undefined when all agree within absolute + relative * |expected|. */
export function mismatch(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  relative: number,
  absolute = 0,
): string | undefined {
  if (actual.length !== expected.length) return `length ${actual.length}, expected ${expected.length}`;
  let worst = 0;
  let text: string | undefined;
  for (let i = 0; i < actual.length; i++) {
    const a = actual[i]!;
    const e = expected[i]!;
    if (Object.is(a, e) || a === e) continue;
    const bad =
      Number.isFinite(a) && Number.isFinite(e)
        ? Math.abs(a - e) / (absolute + relative * Math.abs(e))
        : Infinity;
    if (bad > 1 && bad > worst) {
      worst = bad;
      text = `[${i}] is ${a}, expected ${e}`;
    }
  }
  return text;
}

/** Bits of a float array, so that NaN compares equal to NaN and 0 differs from -0. */
export function bits(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}
