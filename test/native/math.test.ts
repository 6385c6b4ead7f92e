/** Elementary functions of every instruction set against float64. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import type { UnaryOp } from '../../src/engine/native/addon.js';
import { device, MACHINES, useIsa, withBuffers } from './support.js';

/** Error function to full double precision: Taylor series near 0, continued fraction of erfc beyond. */
function erf(x: number): number {
  const a = Math.abs(x);
  if (a > 6) return Math.sign(x);
  if (a < 2.5) {
    let term = a;
    let sum = a;
    for (let n = 1; n < 80; n++) {
      term *= -(a * a) / n;
      sum += term / (2 * n + 1);
    }
    return Math.sign(x) * (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (a + fraction);
  return Math.sign(x) * (1 - Math.exp(-a * a) / (Math.sqrt(Math.PI) * (a + fraction)));
}

/** Distance in units in the last place of the f32 value nearest to the truth. */
function ulps(actual: number, truth: number): number {
  const nearest = Math.fround(truth);
  if (Object.is(actual, nearest) || actual === nearest) return 0;
  if (!Number.isFinite(actual) || !Number.isFinite(nearest)) return Number.POSITIVE_INFINITY;
  const exponent = Math.max(-126, Math.floor(Math.log2(Math.abs(nearest) || 1e-45)));
  return Math.abs(actual - truth) / 2 ** (exponent - 23);
}

const SPECIAL = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -0];

const FUNCTIONS: Record<string, { f: (x: number) => number; inputs: (rng: Rng) => number; limit: number }> = {
  exp: { f: Math.exp, inputs: (rng) => (rng.float() - 0.5) * 210, limit: 2 },
  log: { f: Math.log, inputs: (rng) => 2 ** ((rng.float() - 0.5) * 270), limit: 2 },
  tanh: { f: Math.tanh, inputs: (rng) => rng.normal() * rng.pick([0.01, 1, 10]), limit: 3 },
  sigmoid: { f: (x) => 1 / (1 + Math.exp(-x)), inputs: (rng) => rng.normal() * 20, limit: 4 },
  erf: { f: erf, inputs: (rng) => rng.normal() * rng.pick([0.01, 1, 3]), limit: 3 },
  sqrt: { f: Math.sqrt, inputs: (rng) => Math.abs(rng.normal()) * 10, limit: 0.5001 },
  rsqrt: { f: (x) => 1 / Math.sqrt(x), inputs: (rng) => Math.abs(rng.normal()) * 10, limit: 1.5 },
  floor: { f: Math.floor, inputs: (rng) => rng.normal() * rng.pick([1, 100, 1e9]), limit: 0 },
  ceil: { f: Math.ceil, inputs: (rng) => rng.normal() * rng.pick([1, 100, 1e9]), limit: 0 },
};

describe.each(MACHINES)('functions with $title kernels', ({ title, device: on, prepare }) => {
  /** y = f(x) of one function. */
  function apply(name: string, x: Float32Array): Float32Array {
    return withBuffers(on, (buffers) => {
      const to = buffers.of(new Float32Array(x.length));
      on.unary(on.codes.unary[name as UnaryOp], 0, buffers.of(x), to, x.length, 0, 0);
      return buffers.read(to, new Float32Array(x.length));
    });
  }

  beforeAll(prepare);
  afterAll(() => useIsa(device.bestIsa(), 2));

  it.each(Object.keys(FUNCTIONS))('%s is within its stated error, and right at the ends', (name) => {
    const { f, inputs, limit } = FUNCTIONS[name]!;
    const rng = new Rng(`${name} ${title}`);
    const x = Float32Array.from([...SPECIAL, ...Array.from({ length: 40_000 }, () => inputs(rng))]);
    const y = apply(name, x);
    // Without FMA the polynomials round twice as often.
    const allowed = title === 'plain' ? limit * 2 : limit;
    let worst = 0;
    let at = 0;
    x.forEach((value, i) => {
      const error = Number.isNaN(f(value)) && Number.isNaN(y[i]!) ? 0 : ulps(y[i]!, f(value));
      if (error > worst) {
        worst = error;
        at = i;
      }
    });
    expect(worst, `${name}(${x[at]}) = ${y[at]}, expected ${f(x[at]!)}`).toBeLessThanOrEqual(allowed);
  });

  it('gives an element the same bits wherever the range is cut', () => {
    const x = Float32Array.from({ length: 4099 }, (_, i) => Math.sin(i) * 5);
    for (const name of ['exp', 'tanh', 'erf', 'log', 'sigmoid']) {
      const y = apply(name, x);
      for (const length of [1, 3, 7, 15, 17]) {
        expect([...apply(name, x.slice(0, length))]).toEqual([...y.slice(0, length)]);
      }
    }
  });
});
