/** Reading and writing safetensors. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashFile } from '../../src/base/files.js';
import { Rng } from '../../src/base/random.js';
import { firstNotFinite } from '../../src/weights/finite.js';
import { type WritableTensor, writeSafetensors } from '../../src/weights/safetensors.js';
import { describeWithShared, sharedPath } from '../support/shared.js';
import { elements, failure, randomTensors, withFile, writeRaw } from './fixtures.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa-safetensors-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('round trips', () => {
  it('gives back random tensors of every type and shape, bit for bit, in every order', async () => {
    const rng = new Rng('round trip');
    for (let i = 0; i < 60; i++) {
      const tensors = randomTensors(rng, rng.int(12));
      const path = join(folder, 'random.safetensors');
      const metadata: Record<string, string> = i % 2 ? { format: 'pt', 'key "x"': 'ü\n' } : {};
      await writeSafetensors(path, tensors, metadata, {
        order: rng.pick(['aligned', 'name', 'given'] as const),
      });
      await withFile(path, async (file) => {
        expect(file.metadata).toEqual(metadata);
        expect([...file.names].sort()).toEqual([...tensors.keys()].sort());
        for (const [name, tensor] of tensors) {
          expect(file.info(name)).toEqual({ dtype: tensor.dtype, shape: tensor.shape });
          const read = await file.read(name, { raw: true });
          expect(read.data, `${name} ${tensor.dtype} ${tensor.shape}`).toEqual(tensor.data);
        }
      });
    }
  });

  it('reads into a given buffer when the tensor fits, and beside it otherwise', async () => {
    const path = join(folder, 'buffer.safetensors');
    const data = Float32Array.of(1, 2, 3, 4);
    await writeSafetensors(
      path,
      new Map<string, WritableTensor>([
        ['f', { dtype: 'F32', shape: [4], data }],
        ['b', { dtype: 'BF16', shape: [4], data }],
        ['i', { dtype: 'I64', shape: [2], data: Int32Array.of(5, 6) }],
      ]),
    );
    await withFile(path, async (file) => {
      for (const bytes of [15, 16, 100]) {
        const buffer = new ArrayBuffer(bytes);
        for (const name of ['f', 'b']) {
          const read = await file.read(name, { buffer });
          expect(read.data).toEqual(data);
          expect(read.data.buffer === buffer).toBe(bytes >= 16);
        }
        const integers = await file.read('i', { buffer });
        expect(integers.data).toEqual(Int32Array.of(5, 6));
        expect(integers.data.buffer).toBe(buffer);
      }
    });
  });

  it('starts the data at a multiple of 8, and aligns every tensor to its type', async () => {
    const rng = new Rng('alignment');
    for (let i = 0; i < 30; i++) {
      const path = join(folder, 'aligned.safetensors');
      await writeSafetensors(path, randomTensors(rng, 1 + rng.int(10)), { x: 'y'.repeat(i) });
      const bytes = await readFile(path);
      const length = Number(bytes.readBigUInt64LE(0));
      expect((8 + length) % 8).toBe(0);
      const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Record<
        string,
        { shape: number[]; data_offsets: [number, number] }
      >;
      for (const [name, { shape, data_offsets: offsets }] of Object.entries(header)) {
        if (name === '__metadata__' || elements(shape) === 0) continue;
        expect(offsets[0] % ((offsets[1] - offsets[0]) / elements(shape))).toBe(0);
      }
    }
  });

  it('gives equal bytes for equal tensors in any order of the map', async () => {
    const tensors = [...randomTensors(new Rng('bytes'), 9)];
    await writeSafetensors(join(folder, 'a.safetensors'), new Map(tensors));
    await writeSafetensors(join(folder, 'b.safetensors'), new Map(tensors.reverse()));
    expect(await hashFile(join(folder, 'a.safetensors'))).toBe(await hashFile(join(folder, 'b.safetensors')));
  });

  it('keeps the order of the map, integer-like names included, when asked', async () => {
    const path = join(folder, 'given.safetensors');
    const tensor = { dtype: 'U8', shape: [1], data: Uint8Array.of(1) } as const;
    await writeSafetensors(
      path,
      new Map(['b', '10', '2', 'a'].map((name) => [name, tensor])),
      {},
      { order: 'given' },
    );
    // The text itself: a parsed object would list integer-like names first.
    const text = (await readFile(path)).toString('latin1');
    const places = ['"b"', '"10"', '"2"', '"a"'].map((key) => text.indexOf(key));
    expect(places).toEqual([...places].sort((x, y) => x - y));
    await withFile(path, async (file) => {
      for (const name of file.names) expect((await file.read(name)).data).toEqual(Uint8Array.of(1));
    });
  });

  it('rounds floats to F16 and BF16 on writing, and widens them on reading', async () => {
    const rng = new Rng('narrow');
    const data = Float32Array.from({ length: 3_000_001 }, () => Math.fround(rng.float() - 0.5));
    const path = join(folder, 'narrow.safetensors');
    const shape = [data.length];
    await writeSafetensors(
      path,
      new Map([
        ['half', { dtype: 'F16', shape, data }],
        ['brain', { dtype: 'BF16', shape, data: () => data }],
      ]),
    );
    await withFile(path, async (file) => {
      for (const [name, precision] of [
        ['half', 2 ** -12],
        ['brain', 2 ** -9],
      ] as const) {
        const read = await file.read(name);
        expect(read.data).toBeInstanceOf(Float32Array);
        const worst = data.reduce((max, x, i) => Math.max(max, Math.abs(x - read.data[i]!)), 0);
        expect(worst).toBeGreaterThan(0);
        expect(worst).toBeLessThanOrEqual(precision);
      }
    });
  });

  it('converts integers, and names the element that does not fit 32 bits', async () => {
    const data = new Uint8Array(BigInt64Array.of(-5n, 2147483647n, -2147483648n, 2147483648n).buffer);
    const header = {
      fits: { dtype: 'I64', shape: [3], data_offsets: [0, 24] },
      large: { dtype: 'I64', shape: [1], data_offsets: [24, 32] },
    };
    const path = await writeRaw(join(folder, 'i64.safetensors'), header, data);
    await withFile(path, async (file) => {
      expect((await file.read('fits')).data).toEqual(Int32Array.of(-5, 2147483647, -2147483648));
      await expect(file.read('large')).rejects.toThrow(
        /i64\.safetensors: tensor "large"\[0\] is 2147483648, outside/,
      );
    });
    const small = new Uint8Array([
      ...new Uint8Array(Uint32Array.of(7, 4294967295).buffer),
      ...new Uint8Array(Int16Array.of(-3).buffer),
    ]);
    const other = {
      u: { dtype: 'U32', shape: [1], data_offsets: [0, 4] },
      v: { dtype: 'U32', shape: [], data_offsets: [4, 8] },
      w: { dtype: 'I16', shape: [1], data_offsets: [8, 10] },
    };
    await withFile(await writeRaw(join(folder, 'u32.safetensors'), other, small), async (file) => {
      expect((await file.read('u')).data).toEqual(Int32Array.of(7));
      expect((await file.read('w')).data).toEqual(Int32Array.of(-3));
      await expect(file.read('v')).rejects.toThrow(/tensor "v"\[0\] is 4294967295/);
    });
  });

  it('writes Int32 data as I64', async () => {
    const path = join(folder, 'ids.safetensors');
    await writeSafetensors(
      path,
      new Map([['ids', { dtype: 'I64', shape: [2], data: Int32Array.of(-1, 5) }]]),
    );
    expect((await readFile(path)).readBigInt64LE((await readFile(path)).length - 16)).toBe(-1n);
  });

  it('refuses eight-bit floats by name', async () => {
    const path = await writeRaw(
      join(folder, 'f8.safetensors'),
      { w: { dtype: 'F8_E4M3', shape: [1], data_offsets: [0, 1] } },
      Uint8Array.of(1),
    );
    expect((await failure(path)).message).toMatch(/tensor "w" is F8_E4M3, which cannot be read; convert/);
  });
});

describe('finite weights', () => {
  it('names the first element that is NaN or infinite, in every float type', async () => {
    const rng = new Rng('finite');
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const data = Float32Array.from({ length: 60 }, () => rng.normal());
      data[47] = bad;
      data[50] = bad;
      for (const dtype of ['F32', 'F16', 'BF16'] as const) {
        const path = join(folder, 'nan.safetensors');
        await writeSafetensors(path, new Map([['w', { dtype, shape: [3, 4, 5], data }]]));
        await withFile(path, async (file) => {
          await expect(file.read('w', { finite: true })).rejects.toThrow(
            /nan\.safetensors: tensor "w" has .* at \[2, 1, 2\]/,
          );
          await expect(file.read('w', { finite: true, raw: true })).rejects.toThrow(/at \[2, 1, 2\]/);
          expect((await file.read('w')).data[47]).toBe(bad);
        });
      }
    }
  });

  it('finds one bad value at every place, and in opposite infinities', () => {
    for (let length = 1; length < 10; length++) {
      for (let at = 0; at < length; at++) {
        const data = new Float32Array(length).fill(3.4028234663852886e38);
        expect(firstNotFinite('F32', data)).toBe(-1);
        data[at] = Number.NEGATIVE_INFINITY;
        expect(firstNotFinite('F32', data)).toBe(at);
      }
    }
    expect(
      firstNotFinite('F32', Float32Array.of(1, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY)),
    ).toBe(1);
  });

  it.each([
    ['BF16', 0x7f80],
    ['F16', 0x7c00],
  ] as const)(
    'tells the finite numbers of %s from the others, every one of them, at every place',
    (dtype, exponent) => {
      const finite = (bits: number): boolean => (bits & exponent) !== exponent;
      const all = Uint16Array.from({ length: 65_536 }, (_, bits) => bits);
      expect(firstNotFinite(dtype, all.filter(finite))).toBe(-1);
      const bad = all.filter((bits) => !finite(bits));
      for (let length = 1; length < 10; length++) {
        // One element on, where no pair is aligned.
        for (const from of [0, 1]) {
          const data = new Uint16Array(length + from).fill(exponent - 1).subarray(from);
          for (let at = 0; at < length; at++) {
            const wrong = bad.filter((bits) => {
              data[at] = bits;
              return firstNotFinite(dtype, data) !== at;
            });
            expect([...wrong], `${at} of ${length}`).toEqual([]);
            data[at] = exponent - 1;
          }
        }
      }
    },
  );

  it('passes finite data, the largest values and integers', () => {
    expect(
      firstNotFinite('F32', Float32Array.of(3.4028234663852886e38, -3.4028234663852886e38, 1e-45, -0)),
    ).toBe(-1);
    expect(firstNotFinite('F64', Float64Array.of(1e300, Number.NaN))).toBe(1);
    expect(firstNotFinite('BF16', Uint16Array.of(0x7f7f, 0xff7f))).toBe(-1);
    expect(firstNotFinite('F16', Uint16Array.of(0x7bff, 0xfc00))).toBe(1);
    expect(firstNotFinite('U16', Uint16Array.of(0xffff))).toBe(-1);
    expect(firstNotFinite('I32', Int32Array.of(-1))).toBe(-1);
  });
});

const tiny = sharedPath('reference/tiny-a/model.safetensors');
describeWithShared('a file written by Python', ['reference/tiny-a/model.safetensors'], () => {
  it('is read, and written again to the same tensors', async () => {
    const copy = join(folder, 'copy.safetensors');
    await withFile(tiny!, async (file) => {
      expect(file.names).toHaveLength(206);
      expect(file.metadata).toEqual({ format: 'pt' });
      const tensors = new Map(
        file.names.map((name) => [
          name,
          { ...file.info(name), data: async () => (await file.read(name, { finite: true })).data },
        ]),
      );
      await writeSafetensors(copy, tensors, file.metadata);
    });
    // The reference implementation orders tensors the same way, so even the bytes agree.
    expect(await hashFile(copy)).toBe(await hashFile(tiny!));
  });
});
