/** Reductions, softmax, running sums and the k largest against float64, past every length at which the way changes. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { DTYPE, type NativeDevice, type ReduceOp } from '../../src/engine/native/addon.js';
import {
  device,
  MACHINES,
  mismatch,
  randomFloats,
  randomInts,
  useIsa,
  type Values,
  withBuffers,
} from './support.js';

type Shape = readonly [outer: number, reduced: number, inner: number];

/** Empty, short, past a warp, a block, a chunk and many chunks, with one, few and many columns. */
const SHAPES: Shape[] = [
  [1, 0, 3],
  [4, 1, 1],
  [7, 33, 1],
  [3, 1024, 1],
  [2, 1025, 1],
  [2, 5000, 1],
  [1, 40_001, 1],
  [3, 300, 2],
  [2, 17, 33],
  [1, 9001, 5],
  [1, 700, 130],
];

const COMBINE: Record<string, { start: number; f: (a: number, b: number) => number }> = {
  sum: { start: 0, f: (a, b) => a + b },
  prod: { start: 1, f: (a, b) => a * b },
  max: { start: Number.NEGATIVE_INFINITY, f: (a, b) => Math.max(a, b) },
  min: { start: Number.POSITIVE_INFINITY, f: (a, b) => Math.min(a, b) },
  any: { start: 0, f: (a, b) => Number(a !== 0 || b !== 0) },
  all: { start: 1, f: (a, b) => Number(a !== 0 && b !== 0) },
};

/** f over the columns of the middle dimension. */
function columns(x: Values, [outer, reduced, inner]: Shape, f: (column: number[]) => number): number[] {
  return Array.from({ length: outer * inner }, (_, item) => {
    const first = Math.floor(item / inner) * reduced * inner + (item % inner);
    return f(Array.from({ length: reduced }, (_, r) => x[first + r * inner]!));
  });
}

function reduce<T extends Values>(
  on: NativeDevice,
  op: string,
  x: Values,
  y: T,
  [outer, reduced, inner]: Shape,
  scale = 1,
): T {
  const dtype =
    x instanceof Float32Array ? DTYPE.float32 : x instanceof Int32Array ? DTYPE.int32 : DTYPE.bool;
  return withBuffers(on, (buffers) => {
    const to = buffers.of(y);
    on.reduce(on.codes.reduce[op as ReduceOp], dtype, buffers.of(x), to, outer, reduced, inner, scale);
    return buffers.read(to, y);
  });
}

describe.each(MACHINES)('reductions with $title kernels', ({ title, device: on, prepare }) => {
  beforeAll(prepare);
  afterAll(() => useIsa(device.bestIsa(), 2));

  it.each(SHAPES)('sums, products and extremes of floats in %i x %i x %i', (...shape) => {
    const [outer, reduced, inner] = shape;
    const rng = new Rng(`reduce ${title} ${shape}`);
    const x = randomFloats(rng, outer * reduced * inner);
    const near1 = x.map((v) => 1 + v / 1000);
    // Of a product of n numbers, each rounded: about sqrt(n) roundings of 2^-24.
    const relative = 8 * Math.sqrt(reduced + 1) * 2 ** -24;
    for (const [op, values, scale] of [
      ['sum', x, 0.25],
      ['max', x, 1],
      ['min', x, 1],
      ['prod', near1, 1],
    ] as const) {
      const { start, f } = COMBINE[op]!;
      const expected = columns(values, shape, (column) => scale * column.reduce((a, b) => f(a, b), start));
      const actual = reduce(on, op, values, new Float32Array(outer * inner), shape, scale);
      const exact = op === 'max' || op === 'min';
      expect(mismatch(actual, expected, exact ? 0 : relative, op === 'sum' ? 1e-4 : 0), op).toBeUndefined();
    }
  });

  it.each(SHAPES)('wraps integers and decides bools in %i x %i x %i', (...shape) => {
    const [outer, reduced, inner] = shape;
    const rng = new Rng(`reduce integers ${title} ${shape}`);
    const x = randomInts(rng, outer * reduced * inner, -(2 ** 30), 2 ** 30);
    const wrap = (op: string): number[] =>
      columns(x, shape, (column) =>
        column.reduce((a, b) => (op === 'sum' ? (a + b) | 0 : Math.imul(a, b)), op === 'sum' ? 0 : 1),
      );
    for (const op of ['sum', 'prod']) {
      expect([...reduce(on, op, x, new Int32Array(outer * inner), shape)], op).toEqual(wrap(op));
    }
    for (const op of reduced > 0 ? ['max', 'min'] : []) {
      const expected = columns(x, shape, (column) => column.reduce((a, b) => COMBINE[op]!.f(a, b)));
      expect([...reduce(on, op, x, new Int32Array(outer * inner), shape)], op).toEqual(expected);
    }
    for (const [op, odds] of [
      ['any', 1 / (reduced + 1)],
      ['all', 1 - 1 / (reduced + 1)],
    ] as const) {
      const flags = Uint8Array.from({ length: outer * reduced * inner }, () => Number(rng.float() < odds));
      const { start, f } = COMBINE[op]!;
      const expected = columns(flags, shape, (column) => column.reduce((a, b) => f(a, b), start));
      expect([...reduce(on, op, flags, new Uint8Array(outer * inner), shape)], op).toEqual(expected);
    }
  });

  it.each(SHAPES.filter(([, reduced]) => reduced > 0))(
    'finds the first largest and smallest in %i x %i x %i; NaN counts only in front',
    (...shape) => {
      const [outer, reduced, inner] = shape;
      const rng = new Rng(`arg ${title} ${shape}`);
      // Few values, so that there are ties; some NaN, some of them at position 0.
      const x = Float32Array.from({ length: outer * reduced * inner }, () =>
        rng.float() < 0.1 ? Number.NaN : rng.int(5),
      );
      for (const [values, y] of [
        [x, new Int32Array(outer * inner)],
        [randomInts(rng, x.length, -3, 3), new Int32Array(outer * inner)],
      ] as const) {
        for (const [op, better] of [
          ['argMax', (a: number, b: number) => a > b],
          ['argMin', (a: number, b: number) => a < b],
        ] as const) {
          const expected = columns(values, shape, (column) =>
            column.reduce((best, value, i) => (better(value, column[best]!) ? i : best), 0),
          );
          expect([...reduce(on, op, values, y, shape)], op).toEqual(expected);
        }
      }
    },
  );

  it('carries a NaN through sums and extremes of any length', () => {
    for (const length of [1, 31, 700, 1500, 20_000]) {
      for (const at of new Set([0, length >> 1, length - 1])) {
        const x = new Float32Array(length).fill(1);
        x[at] = Number.NaN;
        for (const op of ['sum', 'max', 'min', 'prod']) {
          expect(reduce(on, op, x, new Float32Array(1), [1, length, 1])[0], `${op} of ${length}`).toBeNaN();
        }
      }
    }
  });

  it.each([1, 31, 33, 1024, 1025, 3000])('softmax of rows of %i, in place too', (length) => {
    const rows = 6;
    const x = randomFloats(new Rng(`softmax ${title} ${length}`), rows * length).map((v) => v * 5);
    x[0] = Number.NEGATIVE_INFINITY;
    x[length + (length >> 1)] = Number.NaN;
    x.fill(Number.NEGATIVE_INFINITY, 2 * length, 3 * length);
    x[4 * length - 1] = Number.POSITIVE_INFINITY;
    const expected = Array.from({ length: rows }, (_, row) => {
      const values = [...x.subarray(row * length, (row + 1) * length)];
      const top = values.reduce((a, b) => Math.max(a, b));
      const powers = values.map((v) => Math.exp(v - top));
      const total = powers.reduce((a, b) => a + b);
      return powers.map((power) => power / total);
    }).flat();
    withBuffers(on, (buffers) => {
      const [from, to] = [buffers.of(x), buffers.of(new Float32Array(x.length))];
      on.softmax(from, to, rows, length);
      expect(mismatch(buffers.read(to, new Float32Array(x.length)), expected, 3e-6, 1e-12)).toBeUndefined();
      on.softmax(from, from, rows, length);
      expect(mismatch(buffers.read(from, new Float32Array(x.length)), expected, 3e-6, 1e-12)).toBeUndefined();
    });
  });

  it.each([1, 31, 256, 257, 700])('running sums of rows of %i', (length) => {
    const rng = new Rng(`cumsum ${title} ${length}`);
    const rows = 3;
    const floats = randomFloats(rng, rows * length);
    floats[length + (length >> 1)] = Number.POSITIVE_INFINITY;
    floats[2 * length + (length >> 1)] = Number.NaN;
    for (const [exclusive, reverse] of [
      [false, false],
      [true, false],
      [false, true],
      [true, true],
    ]) {
      for (const x of [floats, randomInts(rng, rows * length, -(2 ** 30), 2 ** 30)]) {
        const y = x.slice();
        for (let row = 0; row < rows; row++) {
          let sum = 0;
          for (let i = 0; i < length; i++) {
            const at = row * length + (reverse ? length - 1 - i : i);
            const before = sum;
            sum = x instanceof Int32Array ? (sum + x[at]!) | 0 : sum + x[at]!;
            y[at] = exclusive ? before : sum;
          }
        }
        const actual = withBuffers(on, (buffers) => {
          const to = buffers.of(x);
          const dtype = x instanceof Int32Array ? DTYPE.int32 : DTYPE.float32;
          on.cumsum(dtype, buffers.of(x), to, rows, length, Number(exclusive), Number(reverse));
          return buffers.read(to, x.slice());
        });
        const exact = x instanceof Int32Array;
        expect(
          mismatch(actual, y, exact ? 0 : 2e-7, exact ? 0 : 1e-6),
          `${exclusive} ${reverse}`,
        ).toBeUndefined();
      }
    }
  });

  it.each([
    [1, 1, 1],
    [3, 40, 0],
    [3, 40, 5],
    [2, 300, 300],
    [1, 1500, 7],
  ])('the largest of %i rows of %i: %i of them, ties in order', (rows, length, k) => {
    const rng = new Rng(`top ${title} ${length}`);
    const x = Float32Array.from({ length: rows * length }, () => rng.int(length));
    const order = Array.from({ length: rows }, (_, row) => {
      const values = x.subarray(row * length, (row + 1) * length);
      const all = Array.from(values, (_, i) => i).sort((a, b) => values[b]! - values[a]! || a - b);
      return all.slice(0, k);
    });
    withBuffers(on, (buffers) => {
      const [values, indices] = [
        buffers.of(new Float32Array(rows * k)),
        buffers.of(new Int32Array(rows * k)),
      ];
      on.topK(buffers.of(x), values, indices, rows, length, k);
      expect([...buffers.read(indices, new Int32Array(rows * k))]).toEqual(order.flat());
      const expected = order.flatMap((all, row) => all.map((i) => x[row * length + i]!));
      expect([...buffers.read(values, new Float32Array(rows * k))]).toEqual(expected);
    });
  });

  it('refuses unsupported calls', () => {
    const none = new Float32Array(0);
    const one = new Float32Array(1);
    expect(() => reduce(on, 'argMax', none, new Int32Array(1), [1, 0, 1])).toThrow(/argMax of nothing/);
    expect(() => reduce(on, 'any', one, new Uint8Array(1), [1, 1, 1])).toThrow(/bool is expected/);
    expect(() => reduce(on, 'sum', new Uint8Array(1), one, [1, 1, 1])).toThrow(/float32 or int32/);
    expect(() => reduce(on, 'sum', one, one, [1, 2, 1])).toThrow(/holds 4 bytes, 8 needed/);
  });
});
