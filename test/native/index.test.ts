/** Rows by index, sums by segment, one-hot rows and draws against plain loops. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { DTYPE } from '../../src/engine/native/addon.js';
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

describe.each(MACHINES)('rows by index with $title kernels', ({ title, device: on, prepare }) => {
  beforeAll(prepare);
  afterAll(() => useIsa(device.bestIsa(), 2));

  it.each([
    [1, 1, 5, 1, 9],
    [1, 1, 7, 64, 33],
    [2, 3, 4, 6, 5],
    [1, 4, 3, 1030, 2],
    [3, 1, 2, 7, 0],
  ])('gather: batch %i, outer %i, dim %i, slice %i, count %i', (batch, outer, dim, slice, count) => {
    const rng = new Rng(`gather ${title} ${slice}`);
    const n = batch * outer * dim * slice;
    const indices = randomInts(rng, batch * count, 0, dim);
    for (const x of [
      randomFloats(rng, n, true),
      Uint8Array.from({ length: n }, () => rng.int(2)),
    ] as Values[]) {
      const expected: number[] = [];
      for (let row = 0; row < batch * outer * count; row++) {
        const block = Math.floor(row / count);
        const index = indices[Math.floor(block / outer) * count + (row % count)]!;
        const first = (block * dim + index) * slice;
        expected.push(...x.subarray(first, first + slice));
      }
      withBuffers(on, (buffers) => {
        const y =
          x instanceof Uint8Array ? new Uint8Array(expected.length) : new Float32Array(expected.length);
        const out = buffers.of(y);
        on.gather(
          x.BYTES_PER_ELEMENT,
          buffers.of(x),
          buffers.of(indices),
          out,
          batch,
          outer,
          dim,
          slice,
          count,
        );
        expect([...buffers.read(out, y)]).toEqual(expected);
      });
    }
  });

  it.each([-1, 3, 100])('names an index of %i in a dimension of 3, and works on after it', (bad) => {
    withBuffers(on, (buffers) => {
      const [x, out] = [buffers.of(Float32Array.of(1, 2, 3)), buffers.of(new Float32Array(2))];
      const gather = (...indices: number[]): Float32Array => {
        on.gather(4, x, buffers.of(Int32Array.from(indices)), out, 1, 1, 3, 1, 2);
        return buffers.read(out, new Float32Array(2));
      };
      expect(() => gather(0, bad)).toThrow(`GatherV2: the index value ${bad} is not in [0, 2]`);
      expect([...gather(2, 0)]).toEqual([3, 1]);
    });
  });

  it.each([
    [0, 3, 2],
    [1, 1, 1],
    [31, 5, 3],
    [200, 130, 7],
    [1000, 33, 2],
    [70, 300, 40],
  ])('segment sums: %i rows of %i into %i', (rows, inner, segments) => {
    const rng = new Rng(`segments ${title} ${rows}`);
    const ids = randomInts(rng, rows, -1, segments + 1);
    for (const x of [randomFloats(rng, rows * inner), randomInts(rng, rows * inner, -(2 ** 30), 2 ** 30)]) {
      const whole = x instanceof Int32Array;
      const expected = new Float64Array(segments * inner);
      for (let row = 0; row < rows; row++) {
        const id = ids[row]!;
        if (id < 0 || id >= segments) continue;
        for (let i = 0; i < inner; i++) {
          const sum = expected[id * inner + i]! + x[row * inner + i]!;
          expected[id * inner + i] = whole ? sum | 0 : sum;
        }
      }
      withBuffers(on, (buffers) => {
        const y = whole ? new Int32Array(expected.length) : new Float32Array(expected.length);
        const out = buffers.of(y);
        on.segmentSum(
          whole ? DTYPE.int32 : DTYPE.float32,
          buffers.of(x),
          buffers.of(ids),
          out,
          rows,
          inner,
          segments,
        );
        expect(mismatch(buffers.read(out, y), expected, whole ? 0 : 1e-6, whole ? 0 : 2e-5)).toBeUndefined();
      });
    }
  });

  it.each([1, 2, 33, 257, 600])('one-hot rows of %i', (depth) => {
    const indices = randomInts(new Rng(`one-hot ${title}`), 37, -2, depth + 2);
    withBuffers(on, (buffers) => {
      const n = indices.length * depth;
      const from = buffers.of(indices);
      const floats = buffers.of(new Float32Array(n));
      on.oneHot(DTYPE.float32, from, floats, indices.length, depth, 2.5, -1);
      const whole = buffers.of(new Int32Array(n));
      on.oneHot(DTYPE.int32, from, whole, indices.length, depth, -7, 3);
      const expected = (yes: number, no: number): number[] =>
        Array.from({ length: n }, (_, i) => (indices[Math.floor(i / depth)] === i % depth ? yes : no));
      expect([...buffers.read(floats, new Float32Array(n))]).toEqual(expected(2.5, -1));
      expect([...buffers.read(whole, new Int32Array(n))]).toEqual(expected(-7, 3));
    });
  });

  it.each([
    [1, 3],
    [5, 40],
    [256, 20],
    [257, 20],
    [1000, 20],
  ])('draws from %i outcomes', (outcomes, samples) => {
    const rng = new Rng(`draw ${title} ${outcomes}`);
    const rows = 3;
    const weights = Array.from({ length: rows * outcomes }, () => rng.float() ** 3);
    const probabilities = Float32Array.from(weights, (w, i) => {
      const first = i - (i % outcomes);
      return w / weights.slice(first, first + outcomes).reduce((a, b) => a + b);
    });
    // Zero, almost one, and the very edge of the first outcome.
    const uniform = Float32Array.from({ length: rows * samples }, () => rng.float());
    uniform.set([0, 1 - 2 ** -24, probabilities[0]!]);
    const expected = Array.from(uniform, (draw, item) => {
      const first = Math.floor(item / samples) * outcomes;
      let cumulative = 0;
      for (let i = 0; i + 1 < outcomes; i++) {
        cumulative += probabilities[first + i]!;
        if (draw < cumulative) return i;
      }
      return outcomes - 1;
    });
    withBuffers(on, (buffers) => {
      const out = buffers.of(new Int32Array(rows * samples));
      on.draw(buffers.of(probabilities), buffers.of(uniform), out, rows, outcomes, samples);
      expect([...buffers.read(out, new Int32Array(rows * samples))]).toEqual(expected);
    });
  });
});
