/** Matrix products of every instruction set against float64. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import type { NativeDevice } from '../../src/engine/native/addon.js';
import { nearestBf16 } from '../support/bf16.js';
import { bits, device, ISAS, MACHINES, mismatch, randomFloats, useIsa, withBuffers } from './support.js';

interface Case {
  batch: number;
  m: number;
  n: number;
  k: number;
  transA: boolean;
  transB: boolean;
  sharedA: boolean;
  sharedB: boolean;
  alpha: number;
  accumulate: boolean;
}

/** Sizes around the tiles (4 x 8, 8 x 8, 6 x 16, 12 x 32), the few-rows limit (12), depth blocks (256) and beyond. */
const EDGES = [0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 15, 16, 17, 24, 31, 32, 33, 47, 64, 65, 97, 128, 129];
const DEPTHS = [...EDGES, 255, 256, 257, 300, 513];

function randomCase(rng: Rng): Case {
  const batch = rng.pick([1, 1, 1, 2, 3, 5]);
  return {
    batch,
    m: rng.pick(EDGES),
    n: rng.pick(EDGES),
    k: rng.pick(DEPTHS),
    transA: rng.float() < 0.5,
    transB: rng.float() < 0.5,
    sharedA: batch > 1 && rng.float() < 0.3,
    sharedB: batch > 1 && rng.float() < 0.4,
    alpha: rng.pick([1, 1, 0.125, -2]),
    accumulate: rng.float() < 0.3,
  };
}

interface Operands {
  a: Float32Array;
  b: Float32Array;
  c: Float32Array;
}

function operands(rng: Rng, t: Case, special: boolean): Operands {
  return {
    a: randomFloats(rng, (t.sharedA ? 1 : t.batch) * t.m * t.k, special),
    b: randomFloats(rng, (t.sharedB ? 1 : t.batch) * t.k * t.n, special),
    c: randomFloats(rng, t.batch * t.m * t.n),
  };
}

function run(on: NativeDevice, t: Case, { a, b, c }: Operands, bf16 = false): Float32Array {
  const strideA = t.sharedA ? 0 : t.m * t.k;
  const strideB = t.sharedB ? 0 : t.k * t.n;
  const flags = [Number(t.transA), Number(t.transB)] as const;
  const strides = [strideA, strideB, t.m * t.n] as const;
  return withBuffers(on, (buffers) => {
    const ids = [buffers.of(a), bf16 ? buffers.inBf16(b) : buffers.of(b), buffers.of(c)] as const;
    on.matmul(...ids, t.batch, t.m, t.n, t.k, ...flags, ...strides, t.alpha, Number(t.accumulate));
    return buffers.read(ids[2], new Float32Array(c.length));
  });
}

/** The product in float64, and for each element the sum of magnitudes, which scales its rounding error. */
function truth(t: Case, { a, b, c }: Operands): { value: Float64Array; scale: Float64Array } {
  const value = new Float64Array(c.length);
  const scale = new Float64Array(c.length);
  for (let item = 0; item < t.batch; item++) {
    const atA = t.sharedA ? 0 : item * t.m * t.k;
    const atB = t.sharedB ? 0 : item * t.k * t.n;
    for (let i = 0; i < t.m; i++) {
      for (let j = 0; j < t.n; j++) {
        let sum = 0;
        let magnitude = 0;
        for (let d = 0; d < t.k; d++) {
          const product =
            a[atA + (t.transA ? d * t.m + i : i * t.k + d)]! *
            b[atB + (t.transB ? j * t.k + d : d * t.n + j)]!;
          sum += product;
          magnitude += Math.abs(product);
        }
        const at = (item * t.m + i) * t.n + j;
        value[at] = t.alpha * sum + (t.accumulate ? c[at]! : 0);
        scale[at] = Math.abs(t.alpha) * magnitude + Math.abs(c[at]!);
      }
    }
  }
  return { value, scale };
}

/** First element that is off by more than 2^-24 * sqrt(k) * 4 of its scale, or differs in being NaN or infinite. */
function firstWrong(actual: Float32Array, t: Case, ops: Operands): string | undefined {
  const { value, scale } = truth(t, ops);
  const tolerance = (4 + Math.sqrt(t.k)) * 2 ** -23;
  for (let i = 0; i < actual.length; i++) {
    const e = value[i]!;
    const a = actual[i]!;
    const same = Number.isFinite(e) ? Math.abs(a - e) <= tolerance * scale[i]! : Object.is(a, e);
    if (!same) return `${JSON.stringify(t)} [${i}] is ${a}, expected ${e}`;
  }
  return undefined;
}

describe.each(MACHINES)('matmul with $title kernels', ({ title, device: on, prepare }) => {
  beforeAll(prepare);
  afterAll(() => useIsa(device.bestIsa(), 2));

  it('equals the float64 product for random shapes, transposes, batches, alpha and accumulation', () => {
    const rng = new Rng(`gemm ${title}`);
    for (let i = 0; i < 250; i++) {
      const t = randomCase(rng);
      const ops = operands(rng, t, false);
      expect(firstWrong(run(on, t, ops), t, ops)).toBeUndefined();
    }
  });

  it('equals it past every block size', () => {
    const rng = new Rng(`gemm large ${title}`);
    const base = { batch: 1, sharedA: false, sharedB: false, alpha: 1, accumulate: false };
    for (const [m, n, k] of [
      [301, 65, 300],
      [13, 4200, 40],
      [8, 700, 520],
      [700, 9, 520],
      [150, 150, 600],
    ] as const) {
      for (const [transA, transB] of [
        [false, false],
        [true, false],
        [false, true],
        [true, true],
      ] as const) {
        const t = { ...base, m, n, k, transA, transB };
        const ops = operands(rng, t, false);
        expect(firstWrong(run(on, t, ops), t, ops)).toBeUndefined();
      }
    }
  });

  it('carries NaN and infinities where the sum has them, and only there', () => {
    const rng = new Rng(`gemm special ${title}`);
    for (let i = 0; i < 60; i++) {
      const t = { ...randomCase(rng), alpha: 1, accumulate: false };
      const ops = operands(rng, t, true);
      // Products of huge values overflow f32 but not f64; keep the rest of the odd ones.
      for (const values of [ops.a, ops.b]) {
        for (let j = 0; j < values.length; j++)
          if (Number.isFinite(values[j]!) && Math.abs(values[j]!) > 1e38) values[j] = 2;
      }
      expect(firstWrong(run(on, t, ops), t, ops)).toBeUndefined();
    }
  });

  it('gives the same bits every time', () => {
    const rng = new Rng(`gemm again ${title}`);
    for (let i = 0; i < 40; i++) {
      const t = { ...randomCase(rng), m: rng.pick([...EDGES, 200]), n: rng.pick([...EDGES, 300]) };
      const ops = operands(rng, t, false);
      expect(mismatch(bits(run(on, t, ops)), bits(run(on, t, ops)), 0), JSON.stringify(t)).toBeUndefined();
    }
  });

  it('does not read the result unless it accumulates', () => {
    const t: Case = {
      batch: 1,
      m: 14,
      n: 35,
      k: 20,
      transA: false,
      transB: false,
      sharedA: false,
      sharedB: false,
      alpha: 1,
      accumulate: false,
    };
    const ops = operands(new Rng(3), t, false);
    ops.c.fill(Number.NaN);
    expect(run(on, t, ops).some(Number.isNaN)).toBe(false);
    const none = { ...t, k: 0 };
    expect([...run(on, none, operands(new Rng(4), none, false))].every((x) => x === 0)).toBe(true);
  });
});

describe.each(ISAS)('matmul with %s kernels and b in bf16', (isa) => {
  beforeAll(() => useIsa(isa, 2));
  afterAll(() => useIsa(device.bestIsa(), 2));
  const rounded = (ops: Operands): Operands => ({ ...ops, b: ops.b.map(nearestBf16) });

  it('equals the float64 product of the rounded values, for random shapes and past every block size', () => {
    const rng = new Rng(`gemm bf16 ${isa}`);
    const large = [
      [301, 65, 300],
      [13, 4200, 40],
      [8, 700, 520],
      [700, 9, 520],
      [150, 150, 600],
    ].flatMap(([m, n, k]) =>
      [false, true].map((transB): Case => ({ ...randomCase(rng), batch: 1, m: m!, n: n!, k: k!, transB })),
    );
    for (const t of [...Array.from({ length: 250 }, () => randomCase(rng)), ...large]) {
      const ops = rounded(operands(rng, t, false));
      expect(firstWrong(run(device, t, ops, true), t, ops)).toBeUndefined();
    }
  });

  it('carries NaN and infinities of either operand', () => {
    const rng = new Rng(`gemm bf16 special ${isa}`);
    for (let i = 0; i < 60; i++) {
      const t = { ...randomCase(rng), alpha: 1, accumulate: false };
      const ops = operands(rng, t, false);
      for (const values of [ops.a, ops.b])
        if (values.length > 0) values[rng.int(values.length)] = rng.pick([Number.NaN, Infinity, -Infinity]);
      ops.b = ops.b.map((x) => (Number.isFinite(x) ? nearestBf16(x) : x));
      expect(firstWrong(run(device, t, ops, true), t, ops)).toBeUndefined();
    }
  });

  it('gives the same bits for every thread count', () => {
    const rng = new Rng(`gemm bf16 threads ${isa}`);
    for (let i = 0; i < 40; i++) {
      const t = { ...randomCase(rng), m: rng.pick([...EDGES, 200]), n: rng.pick([...EDGES, 300]) };
      const ops = rounded(operands(rng, t, false));
      useIsa(isa, 1);
      const one = run(device, t, ops, true);
      useIsa(isa, 3);
      expect(mismatch(bits(run(device, t, ops, true)), bits(one), 0), JSON.stringify(t)).toBeUndefined();
    }
  });
});

describe.each(ISAS)('matmul with %s kernels on threads', (isa) => {
  afterAll(() => useIsa(device.bestIsa(), 2));

  it('gives the same bits for every thread count', () => {
    const rng = new Rng(`gemm threads ${isa}`);
    for (let i = 0; i < 60; i++) {
      const t = { ...randomCase(rng), m: rng.pick([...EDGES, 200]), n: rng.pick([...EDGES, 300]) };
      const ops = operands(rng, t, false);
      useIsa(isa, 1);
      const one = run(device, t, ops);
      for (const threads of [2, 3, 5]) {
        device.setThreads(threads);
        expect(mismatch(bits(run(device, t, ops)), bits(one), 0), JSON.stringify(t)).toBeUndefined();
      }
    }
  });
});

describe.each(MACHINES)('matmul arguments with $title kernels', ({ device: on }) => {
  it('rejects buffers that are too small, dead or missing', () => {
    const [a, b, c] = [on.allocate(4 * 6), on.allocate(4 * 6), on.allocate(4 * 4)];
    const call = (x: number, y: number, z: number, m = 2): void =>
      on.matmul(x, y, z, 1, m, 2, 3, 0, 0, 6, 6, 4, 1, 0);
    expect(() => call(a, b, c)).not.toThrow();
    expect(() => call(a, b, c, 3)).toThrow(/holds 24 bytes, 36 needed/);
    expect(() => call(-1, b, c)).toThrow(/buffer -1 is not live/);
    on.release(b);
    expect(() => call(a, b, c)).toThrow(/is not live \(used after release\?\)/);
    expect(() => on.release(b)).toThrow(/released twice/);
    on.release(a);
    on.release(c);
  });
});
