/** Conversions between 16-bit and 32-bit floats, exhaustively. */
import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { narrowBf16, narrowF16, widenBf16, widenF16 } from '../../src/weights/dtypes.js';

const buffer = new DataView(new ArrayBuffer(4));
function fromBits(bits: number): number {
  buffer.setUint32(0, bits);
  return buffer.getFloat32(0);
}

/** The value of half bits by the definition of IEEE 754, in float64. */
function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 0x3ff;
  if (exponent === 31) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent === 0 ? mantissa * 2 ** -24 : (1 + mantissa / 1024) * 2 ** (exponent - 15));
}

/** The value of bfloat16 bits by definition. */
function bfloatValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 7) & 255;
  const mantissa = bits & 0x7f;
  if (exponent === 255) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent === 0 ? mantissa * 2 ** -133 : (1 + mantissa / 128) * 2 ** (exponent - 127));
}

const formats = [
  { name: 'F16', value: halfValue, widen: widenF16, narrow: narrowF16, infinity: 0x7c00 },
  { name: 'BF16', value: bfloatValue, widen: widenBf16, narrow: narrowBf16, infinity: 0x7f80 },
];

describe.each(formats)('$name', ({ value, widen, narrow, infinity }) => {
  const all = Uint16Array.from({ length: 65536 }, (_, bits) => bits);
  const wide = new Float32Array(65536);
  widen(all, wide);

  it('widens all 65,536 values exactly', () => {
    for (let bits = 0; bits < 65536; bits++) {
      if (!Object.is(wide[bits], value(bits)))
        expect.fail(`${bits.toString(16)}: ${wide[bits]} is not ${value(bits)}`);
    }
  });

  it('widens from and to any offset and length', () => {
    for (let offset = 0; offset < 4; offset++) {
      for (let length = 0; length < 9; length++) {
        const source = all.subarray(0x3f00 + offset, 0x3f00 + offset + length);
        const target = new Float32Array(16).subarray(3, 3 + length);
        widen(source, target);
        expect([...target]).toEqual([...source].map(value));
      }
    }
  });

  it('narrows every widened value back to its bits, NaN to a NaN of the same sign', () => {
    const back = new Uint16Array(65536);
    narrow(wide, back);
    for (let bits = 0; bits < 65536; bits++) {
      const expectNaN = (bits & 0x7fff) > infinity;
      const ok = expectNaN
        ? (back[bits]! & 0x7fff) > infinity && (back[bits]! & 0x8000) === (bits & 0x8000)
        : back[bits] === bits;
      if (!ok) expect.fail(`${bits.toString(16)} came back as ${back[bits]!.toString(16)}`);
    }
  });

  it('rounds to the nearest, ties to even: midpoints between all neighbours, and just beside them', () => {
    const out = new Uint16Array(1);
    const round = (x: number) => {
      narrow(Float32Array.of(x), out);
      return out[0]!;
    };
    for (let bits = 0; bits + 1 < infinity; bits++) {
      const middle = (value(bits) + value(bits + 1)) / 2;
      const even = bits % 2 === 0 ? bits : bits + 1;
      const ulp = Math.max(2 ** -149, 2 ** (Math.floor(Math.log2(middle)) - 23));
      const results = [round(middle), round(-middle), round(middle - ulp), round(middle + ulp)];
      const expected = [even, even | 0x8000, bits, bits + 1];
      if (results.join() !== expected.join()) expect.fail(`near ${middle}: ${results} is not ${expected}`);
    }
  });

  it('becomes infinity half a unit beyond the largest value, not before', () => {
    const largest = value(infinity - 1);
    const edge = largest + (largest - value(infinity - 2)) / 2;
    const out = new Uint16Array(4);
    const below = Math.fround(edge * (1 - 2 ** -23));
    narrow(Float32Array.of(edge, -edge, below, Number.POSITIVE_INFINITY), out);
    expect([...out]).toEqual([infinity, infinity | 0x8000, infinity - 1, infinity]);
  });

  it('never is further from random floats than both neighbours', () => {
    const rng = new Rng('narrow');
    const random = Float32Array.from({ length: 20000 }, () => fromBits(rng.uint32())).filter((x) =>
      Number.isFinite(x),
    );
    const bits = new Uint16Array(random.length);
    narrow(random, bits);
    for (const [i, x] of random.entries()) {
      const chosen = bits[i]!;
      if ((chosen & 0x7fff) >= infinity) continue;
      const error = Math.abs(value(chosen) - x);
      for (const other of [chosen - 1, chosen + 1]) {
        if (other < 0 || other > 0xffff || (other & 0x7fff) >= infinity || (other ^ chosen) & 0x8000)
          continue;
        if (Math.abs(value(other) - x) < error)
          expect.fail(`${x}: ${value(other)} is nearer than ${value(chosen)}`);
      }
    }
  });
});
