/** Running the same test on every instruction set of this CPU and on the GPU, and comparing arrays. */
import { describe, it } from 'vitest';
import type { Rng } from '../../src/base/random.js';
import type { NativeDevice } from '../../src/engine/native/addon.js';
import { nativeDevice } from '../../src/engine/native/load.js';
import { cudaMissing, gpu } from '../support/cuda.js';

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

/** What the same test runs on. */
export interface Machine {
  title: string;
  device: NativeDevice;
  /** Makes it the one in use; for beforeAll. */
  prepare(): void;
}

const CPUS: Machine[] = ISAS.map((isa) => ({ title: isa, device, prepare: () => useIsa(isa, 2) }));

/** Every instruction set of this CPU with two threads, and the GPU (or its shim) where it can be used. */
export const MACHINES: Machine[] =
  cudaMissing === undefined
    ? [...CPUS, { title: 'native-cuda', device: gpu(), prepare: () => undefined }]
    : CPUS;

if (cudaMissing !== undefined) {
  describe('native-cuda', () => {
    it.skip(`SKIPPED, native-cuda cannot run: ${cudaMissing}`, () => undefined);
  });
}

export type Values = Float32Array | Int32Array | Uint8Array;

/** Buffers of one machine that are released together. */
export class Buffers {
  private readonly ids: number[] = [];

  constructor(private readonly on: NativeDevice) {}

  /** A buffer holding the values. */
  of(values: Values): number {
    this.ids.push(upload(values, this.on));
    return this.ids.at(-1)!;
  }

  /** A buffer holding the values rounded to bf16. */
  inBf16(values: Float32Array): number {
    this.ids.push(this.on.castStorage(this.of(values), values.length));
    return this.ids.at(-1)!;
  }

  /** Reads a buffer into `values` and gives them back. */
  read<T extends Values>(id: number, values: T): T {
    if (values.length > 0) this.on.read(id, values);
    return values;
  }

  release(): void {
    for (const id of this.ids.splice(0)) this.on.release(id);
  }
}

/** Runs `body` with buffers of the device that are released after it, whatever happens. */
export function withBuffers<T>(on: NativeDevice, body: (buffers: Buffers) => T): T {
  const buffers = new Buffers(on);
  try {
    return body(buffers);
  } finally {
    buffers.release();
  }
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
export function upload(values: Values, on: NativeDevice = device): number {
  const id = on.allocate(values.byteLength);
  if (values.length > 0) on.write(id, values);
  return id;
}

export function download(id: number, n: number, on: NativeDevice = device): Float32Array {
  const values = new Float32Array(n);
  if (n > 0) on.read(id, values);
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
