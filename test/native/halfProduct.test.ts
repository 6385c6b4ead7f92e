/** Large products of f32 as products of f16 (src/native/cuda/runtime/half_product.cc) against float64. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { cudaMissing, gpu, inChild, onGpu } from '../support/cuda.js';
import { callOn, NO_DROPOUT } from './cudaSupport.js';
import { randomFloats, withBuffers } from './support.js';

interface Shape {
  m: number;
  n: number;
  k: number;
  transA: boolean;
  transB: boolean;
  accumulate: boolean;
}

function product(
  { m, n, k, transA, transB, accumulate }: Shape,
  a: Float32Array,
  b: Float32Array,
  c: Float32Array,
) {
  return withBuffers(gpu(), (buffers) => {
    const into = buffers.of(c);
    const flags = [Number(transA), Number(transB)] as const;
    gpu().matmul(buffers.of(a), buffers.of(b), into, 1, m, n, k, ...flags, 0, 0, 0, 0.5, Number(accumulate));
    const values = new Float32Array(m * n);
    gpu().read(into, values);
    return values;
  });
}

/** An element of c, and the sum of the absolute products in it. */
function truth(shape: Shape, a: Float32Array, b: Float32Array, c: Float32Array, row: number, column: number) {
  const { m, n, k, transA, transB, accumulate } = shape;
  let [sum, size] = [0, 0];
  for (let l = 0; l < k; l++) {
    const term = a[transA ? l * m + row : row * k + l]! * b[transB ? column * k + l : l * n + column]!;
    sum += term;
    size += Math.abs(term);
  }
  return { value: 0.5 * sum + (accumulate ? c[row * n + column]! : 0), size };
}

/** Why there is nothing to test, or undefined. */
function missing(): string | undefined {
  if (cudaMissing !== undefined) return cudaMissing;
  const { name, capability } = gpu().info();
  return /^(8|9|10)\.0$/.test(capability) ? undefined : `${name} gains nothing by them`;
}

const reason = missing();
describe.skipIf(reason !== undefined)(
  `products in f16 of the CUDA device${reason ? ` (SKIPPED: ${reason})` : ''}`,
  () => {
    beforeAll(() => gpu().halfProducts!(true));
    afterAll(() => gpu().halfProducts!(false));

    it.each<Shape>([
      { m: 129, n: 130, k: 4003, transA: false, transB: true, accumulate: false },
      { m: 64, n: 256, k: 4100, transA: true, transB: false, accumulate: true },
      { m: 1000, n: 70, k: 961, transA: false, transB: false, accumulate: false },
      { m: 72, n: 1000, k: 936, transA: true, transB: true, accumulate: false },
    ])('have the error of 11 bits of mantissa: %j', (shape) => {
      const rng = new Rng(JSON.stringify(shape));
      const { m, n, k } = shape;
      const [a, b] = [randomFloats(rng, m * k), randomFloats(rng, k * n)];
      // What is not added to is not read.
      const c = shape.accumulate ? randomFloats(rng, m * n) : new Float32Array(m * n).fill(Number.NaN);
      const values = product(shape, a, b, c);
      let worst = 0;
      for (let i = 0; i < 500; i++) {
        const [row, column] = [rng.int(m), rng.int(n)];
        const { value, size } = truth(shape, a, b, c, row, column);
        worst = Math.max(worst, Math.abs(values[row * n + column]! - value) / size);
      }
      // Errors of different signs add up as sqrt(k). Operands of 10 bits would be off by twice as much.
      expect(worst * Math.sqrt(k)).toBeLessThan(2 ** -9.7);
      gpu().halfProducts!(false);
      expect(product(shape, a, b, c), 'rounded at all').not.toEqual(values);
      gpu().halfProducts!(true);
    });

    /** One product a row. */
    const pairwise = (pairs: readonly (readonly [number, number])[]): Float32Array => {
      const shape = { m: 64, n: 64, k: 17_000, transA: false, transB: true, accumulate: false };
      const [a, b] = [new Float32Array(64 * shape.k), new Float32Array(64 * shape.k)];
      pairs.forEach(([x, y], i) => {
        a[i * shape.k + i] = x;
        b[i * shape.k + i] = y;
      });
      const values = product(shape, a, b, new Float32Array(64 * 64));
      return Float32Array.from(pairs, (_, i) => values[i * 65]!);
    };

    const most = 3.4028234663852886e38;
    it.each([
      [
        [
          [most, 1],
          [-most, 0.5],
          [most * 2 ** -28, 2 ** -28],
        ],
      ],
      [
        [
          [1e-20, 3e19],
          [1e-26, 1e18],
          [0, 5],
        ],
      ],
      [
        [
          [1.7e-44, most],
          [1.4e-45, -most],
        ],
      ],
      [
        [
          [6e-8, 6e-8],
          [-6e-8, 2e-12],
        ],
      ],
    ] as const)('keep numbers far outside the range of f16: %j', (pairs) => {
      pairwise(pairs).forEach((value, i) => {
        const [x, y] = pairs[i]!;
        const exact = 0.5 * Math.fround(x) * Math.fround(y);
        expect(Math.abs(value - exact)).toBeLessThanOrEqual(2 ** -10 * Math.abs(exact));
      });
    });

    it('keep infinities and NaN where they are', () => {
      const values = pairwise([
        [Number.POSITIVE_INFINITY, 2],
        [3, Number.NEGATIVE_INFINITY],
        [Number.NaN, 1],
        [5, 6],
      ]);
      expect([...values].map(String)).toEqual(['Infinity', '-Infinity', 'NaN', '15']);
    });

    it('give 0 for products too small for the inverse of their powers', () => {
      expect(
        pairwise([
          [1e-20, 1e-20],
          [2e-21, -1e-21],
        ]).every((value) => value === 0),
      ).toBe(true);
    });

    // On a GPU the device's own capability decides.
    it.skipIf(onGpu).each([
      [80, true],
      [86, false],
      [89, false],
      [90, true],
      [100, true],
      [120, false],
    ])('are for GPUs that gain by them: sm_%i %s', (capability, rounds) => {
      const script = `
        const [m, n, k] = [64, 128, 8192];
        const a = cuda.allocate(4 * m * k), b = cuda.allocate(4 * n * k), c = cuda.allocate(4 * m * n);
        cuda.write(a, new Float32Array(m * k).fill(1 + 2 ** -10 + 2 ** -20));
        cuda.write(b, new Float32Array(n * k).fill(1));
        cuda.halfProducts(true);
        cuda.matmul(a, b, c, 1, m, n, k, false, true, 0, 0, 0, 1, false);
        const values = new Float32Array(1);
        cuda.read(c, values);
        console.log(values[0] === k * (1 + 2 ** -10 + 2 ** -20) ? 'f32' : 'f16');`;
      const { stdout } = inChild(script, { CUDA_SHIM_CAPABILITY: String(capability) });
      expect(stdout.trim()).toBe(rounds ? 'f16' : 'f32');
    });

    it('leave small products as they are', () => {
      const shape = { m: 65, n: 33, k: 70, transA: false, transB: false, accumulate: false };
      const rng = new Rng('small');
      const [a, b] = [randomFloats(rng, 65 * 70), randomFloats(rng, 70 * 33)];
      const values = product(shape, a, b, new Float32Array(65 * 33));
      gpu().halfProducts!(false);
      expect(product(shape, a, b, new Float32Array(65 * 33))).toEqual(values);
      gpu().halfProducts!(true);
    });

    it('add a bias and an addend', () => {
      const rng = new Rng('bias');
      const [rows, inputs, outputs] = [260, 1030, 256];
      const [x, weight] = [randomFloats(rng, rows * inputs), randomFloats(rng, outputs * inputs)];
      const bias = randomFloats(rng, outputs);
      const addend = randomFloats(rng, rows * outputs);
      const run = (): Float32Array =>
        withBuffers(gpu(), (buffers) => {
          const into = buffers.of(new Float32Array(rows * outputs));
          const of = (values: Float32Array, ...shape: number[]) => ({ id: buffers.of(values), shape });
          const operands = {
            x: of(x, rows, inputs),
            weight: of(weight, outputs, inputs),
            bias: of(bias, outputs),
            addend: of(addend, rows, outputs),
          };
          const y = { id: into, shape: [rows, outputs] };
          callOn(gpu(), 'linear', operands, { scale: 0, dropout: NO_DROPOUT }, { y });
          const values = new Float32Array(rows * outputs);
          gpu().read(into, values);
          return values;
        });
      const values = run();
      gpu().halfProducts!(false);
      const plain = run();
      gpu().halfProducts!(true);
      expect(values).not.toEqual(plain);
      const worst = values.reduce((most, value, i) => Math.max(most, Math.abs(value - plain[i]!)), 0);
      expect(worst).toBeLessThan(2 ** -10 * inputs);
      expect(worst).toBeGreaterThan(0);
    });
  },
);
