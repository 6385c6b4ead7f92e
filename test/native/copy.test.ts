/** Strided copies, fills, sequences, casts and choices against plain loops; nothing outside the target is touched. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { DTYPE, type NativeDevice } from '../../src/engine/native/addon.js';
import { device, MACHINES, randomFloats, useIsa, type Values, withBuffers } from './support.js';

interface Copy {
  dims: number[];
  from: number[];
  to: number[];
  fromOffset: number;
  toOffset: number;
}

/** Element offsets of a view, in row-major order of dims. */
function offsets(dims: number[], strides: number[], first: number): number[] {
  let all = [first];
  dims.forEach((dim, d) => {
    all = all.flatMap((offset) => Array.from({ length: dim }, (_, i) => offset + i * strides[d]!));
  });
  return all;
}

/** A permutation, part or repetition of a dense tensor into part of another, turned around now and then. */
function randomCopy(rng: Rng): Copy {
  const rank = 1 + rng.int(5);
  const dims = Array.from({ length: rank }, () => 1 + rng.int(rank < 4 ? 40 : 9));
  if (rng.float() < 0.5) dims[rank - 1] = 4 * (1 + rng.int(10));
  const order = rng.shuffle(dims.map((_, i) => i));
  const strides = (dense: number[], spare: number): number[] => {
    const result = new Array<number>(rank);
    let stride = 1;
    for (const d of [...dense].reverse()) {
      result[d] = stride;
      stride *= dims[d]! + (d === dense.at(-1) ? spare : 0);
    }
    return result;
  };
  const inOrder = dims.map((_, i) => i);
  const from = strides(rng.float() < 0.6 ? order : inOrder, rng.pick([0, 0, 1, 4]));
  const to = strides(inOrder, rng.pick([0, 0, 3, 4]));
  let fromOffset = rng.pick([0, 0, 4, 5]);
  for (let d = 0; d < rank; d++) {
    const fate = rng.float();
    if (fate < 0.1) from[d] = 0;
    if (fate > 0.9) {
      fromOffset += (dims[d]! - 1) * from[d]!;
      from[d] = -from[d]!;
    }
  }
  return { dims, from, to, fromOffset, toOffset: rng.pick([0, 0, 4, 3]) };
}

function sameCopy(
  on: NativeDevice,
  rng: Rng,
  { dims, from, to, fromOffset, toOffset }: Copy,
  bytes: 1 | 4,
): void {
  const sources = offsets(dims, from, fromOffset);
  const targets = offsets(dims, to, toOffset);
  const make = (n: number, f: () => number): Int32Array | Uint8Array =>
    bytes === 4 ? Int32Array.from({ length: n }, f) : Uint8Array.from({ length: n }, f);
  const x = make(1 + sources.reduce((a, b) => Math.max(a, b)), () => rng.int(250));
  const y = make(3 + targets.reduce((a, b) => Math.max(a, b)), () => 251);
  const expected = y.slice();
  targets.forEach((target, i) => {
    expected[target] = x[sources[i]!]!;
  });
  withBuffers(on, (buffers) => {
    const [source, target] = [buffers.of(x), buffers.of(y)];
    on.params.set([...dims, ...from, ...to]);
    on.copyStrided(bytes, source, fromOffset, target, toOffset, dims.length);
    const about = JSON.stringify({ dims, from, to, fromOffset, toOffset, bytes });
    expect(
      Buffer.compare(Buffer.from(buffers.read(target, y).buffer), Buffer.from(expected.buffer)),
      about,
    ).toBe(0);
  });
}

function toInt32(x: number): number {
  return x | 0;
}

describe.each(MACHINES)('copies with $title kernels', ({ title, device: on, prepare }) => {
  beforeAll(prepare);
  afterAll(() => useIsa(device.bestIsa(), 2));

  it('moves any part, permutation or repetition, and nothing else', () => {
    const rng = new Rng(`copy ${title}`);
    for (let i = 0; i < 120; i++) sameCopy(on, rng, randomCopy(rng), rng.pick([1, 4]));
  });

  it.each([
    [33, 65],
    [64, 32],
    [8, 100],
    [7, 100],
  ])('transposes planes of %i x %i past the edges of tiles', (rows, columns) => {
    const rng = new Rng(`transpose ${title}`);
    const plane = rows * columns;
    for (const bytes of [1, 4] as const) {
      // (3, columns, rows) from (3, rows, columns), with a gap between the planes of the target.
      const copy = { dims: [3, columns, rows], from: [plane, 1, columns], to: [plane + 5, rows, 1] };
      sameCopy(on, rng, { ...copy, fromOffset: 2, toOffset: 1 }, bytes);
    }
  });

  it('refuses a copy within one buffer and a view before its start', () => {
    withBuffers(on, (buffers) => {
      const [a, b] = [buffers.of(new Float32Array(4)), buffers.of(new Float32Array(4))];
      on.params.set([2, -1, 1]);
      expect(() => on.copyStrided(4, a, 0, b, 0, 1)).toThrow(/reaches before the buffer/);
      on.params.set([2, 1, 1]);
      expect(() => on.copyStrided(4, a, 0, a, 2, 1)).toThrow(/two buffers are expected/);
      expect(() => on.copyStrided(4, a, 3, b, 0, 1)).toThrow(/holds 16 bytes, 20 needed/);
    });
  });

  it.each([0, 1, 3, 4, 5, 1027])('fills and counts %i elements', (n) => {
    withBuffers(on, (buffers) => {
      // One element more than is asked for must stay.
      const room = new Float32Array(n + 1).fill(9);
      const check = (run: (id: number) => void, expected: number[], into: Values): void => {
        const id = buffers.of(into);
        run(id);
        expect([...buffers.read(id, into)]).toEqual([...expected, 9]);
      };
      const each = (f: (i: number) => number): number[] => Array.from({ length: n }, (_, i) => f(i));
      check(
        (id) => on.fill(DTYPE.float32, id, n, 1.5),
        each(() => 1.5),
        room.slice(),
      );
      check(
        (id) => on.fill(DTYPE.int32, id, n, -7),
        each(() => -7),
        Int32Array.from(room),
      );
      check(
        (id) => on.fill(DTYPE.bool, id, n, 1),
        each(() => 1),
        Uint8Array.from(room),
      );
      check(
        (id) => on.range(DTYPE.float32, id, n, 3, 0.1),
        each((i) => Math.fround(3 + i * 0.1)),
        room.slice(),
      );
      check(
        (id) => on.range(DTYPE.int32, id, n, 5, -2),
        each((i) => 5 - 2 * i),
        Int32Array.from(room),
      );
    });
  });

  it('casts as JavaScript does', () => {
    const odd = [
      0,
      -0,
      0.9,
      -0.9,
      2 ** 31,
      -(2 ** 31) - 1024,
      3e9,
      -3e9,
      2 ** 40 + 2 ** 20,
      3e38,
      Number.NaN,
    ];
    const floats = Float32Array.from([...odd, Infinity, -Infinity, ...randomFloats(new Rng(title), 300)]);
    const whole = Int32Array.from([0, 1, -1, 2 ** 31 - 1, -(2 ** 31), 16777217]);
    const flags = Uint8Array.of(0, 1, 1, 0);
    const cast = (x: Values, from: number, to: number, y: Values): number[] =>
      withBuffers(on, (buffers) => {
        const id = buffers.of(y);
        on.cast(from, to, buffers.of(x), id, x.length);
        return [...buffers.read(id, y)];
      });
    const { float32, int32, bool } = DTYPE;
    expect(cast(floats, float32, int32, new Int32Array(floats.length))).toEqual([...floats].map(toInt32));
    const truth = [...floats].map((x) => Number(x !== 0));
    expect(cast(floats, float32, bool, new Uint8Array(floats.length))).toEqual(truth);
    expect(cast(whole, int32, float32, new Float32Array(6))).toEqual([...Float32Array.from(whole)]);
    expect(cast(whole, int32, bool, new Uint8Array(6))).toEqual([0, 1, 1, 1, 1, 1]);
    expect(cast(flags, bool, float32, new Float32Array(4))).toEqual([...flags]);
    expect(cast(flags, bool, int32, new Int32Array(4))).toEqual([...flags]);
    expect(() => cast(flags, bool, bool, flags)).toThrow(/two different dtypes/);
  });

  it.each([
    [700, 1],
    [5, 3],
    [3, 600],
  ])('chooses for %i conditions of %i elements', (n, inner) => {
    const rng = new Rng(`select ${title}`);
    const condition = Uint8Array.from({ length: n }, () => rng.int(2) * 255);
    const values = (): Uint8Array => Uint8Array.from({ length: n * inner }, () => rng.int(256));
    const [a, b] = [values(), values()];
    const expected = [...a].map((x, i) => (condition[Math.floor(i / inner)] ? x : b[i]!));
    for (const as of [Uint8Array, Float32Array]) {
      withBuffers(on, (buffers) => {
        const out = new as(n * inner);
        const ids = [
          buffers.of(condition),
          buffers.of(as.from(a)),
          buffers.of(as.from(b)),
          buffers.of(out),
        ] as const;
        on.select(out.BYTES_PER_ELEMENT, ...ids, n, inner);
        expect([...buffers.read(ids[3], out)]).toEqual(expected);
      });
    }
  });

  it('adds in place, broadcast or not, and refuses operations that a dtype lacks', () => {
    withBuffers(on, (buffers) => {
      for (const columns of [7, 8]) {
        const x = Float32Array.from({ length: 5 * columns }, (_, i) => i);
        const row = Float32Array.from({ length: columns }, (_, i) => 100 * i);
        const [id, other] = [buffers.of(x), buffers.of(row)];
        on.params.set([5, columns, columns, 1, 0, 1]);
        on.binary(on.codes.binary.add, DTYPE.float32, id, other, id, 2);
        expect([...buffers.read(id, x.slice())]).toEqual([...x].map((v, i) => v + 100 * (i % columns)));
        on.params.set([5 * columns, 1, 1]);
        on.binary(on.codes.binary.sub, DTYPE.float32, id, id, id, 1);
        expect([...buffers.read(id, x.slice())].every((v) => v === 0)).toBe(true);
        expect(() => on.binary(on.codes.binary.floorDiv, DTYPE.float32, id, id, id, 1)).toThrow(
          /no such operation/,
        );
        expect(() => on.binary(on.codes.binary.pow, DTYPE.int32, id, id, id, 1)).toThrow(/no such operation/);
        expect(() => on.binary(on.codes.binary.logicalAnd, DTYPE.int32, id, id, id, 1)).toThrow(
          /no such operation/,
        );
        expect(() => on.binary(on.codes.binary.add, DTYPE.bool, id, id, id, 1)).toThrow(/no such operation/);
      }
    });
  });
});
