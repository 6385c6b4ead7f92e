/** Buffers of bf16, which hold frozen weights in half the bytes (src/native/cpu/runtime/storage.h). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { nearestBf16 } from '../support/bf16.js';
import { device as cpu, MACHINES, useIsa } from './support.js';

describe.each(MACHINES)('bf16 buffers with $title kernels', ({ device, prepare }) => {
  beforeAll(prepare);
  afterAll(() => useIsa(cpu.bestIsa(), 2));

  it('rounds to bf16 as IEEE says: nearest, ties to even, NaN and infinities kept', () => {
    const rng = new Rng('bf16');
    const special = [0, -0, 1, -1, 1.00390625, 1.01171875, 3.39e38, -3.4e38, 1e-40, Infinity, -Infinity, NaN];
    const values = Float32Array.from([...special, ...Array.from({ length: 3000 }, () => rng.normal() * 100)]);
    const expected = values.map((x) => (Number.isFinite(x) ? nearestBf16(x) : x));
    const id = device.allocate(4 * values.length);
    device.write(id, values);
    const narrow = device.castStorage(id, values.length);
    const back = new Float32Array(values.length);
    device.read(narrow, back);
    back.forEach((x, i) => {
      expect(Object.is(x, expected[i]), `${values[i]} became ${x}, expected ${expected[i]}`).toBe(true);
    });
    const tail = new Float32Array(5);
    device.read(narrow, tail, 4 * (values.length - 5));
    expect(tail).toEqual(back.subarray(-5));
    // Half the bytes, and no way to take it for float32.
    expect(() => device.unary(0, 0, narrow, id, values.length, 0, 0)).toThrow(/\(bf16\), \d+ needed/);
    device.release(id);
    device.release(narrow);
  });

  it('takes the bits of bf16 numbers as they are', () => {
    // Every number there is: NaN stays NaN, all others keep their bits.
    const bits = Uint16Array.from({ length: 65_536 }, (_, i) => i);
    const before = device.memory().inUse;
    const id = device.allocateBf16(bits.length);
    expect(device.memory().inUse - before).toBe(2 * bits.length);
    device.write(id, bits);
    const back = new Float32Array(bits.length);
    device.read(id, back);
    const words = new Uint32Array(back.buffer);
    const isNaNBits = (bit: number) => (bit & 0x7f80) === 0x7f80 && (bit & 0x7f) !== 0;
    const wrong = [...bits].filter((bit, i) =>
      isNaNBits(bit) ? !Number.isNaN(back[i]) : words[i] !== (bit << 16) >>> 0,
    );
    expect(wrong).toEqual([]);
    expect(() => device.write(id, new Uint16Array(bits.length + 1))).toThrow(/131072 bytes.*131074 needed/);
    device.release(id);
  });
});
