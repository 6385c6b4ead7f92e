/** Bad safetensors files, and fuzzing. */
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { DataError } from '../../src/base/errors.js';
import { Rng } from '../../src/base/random.js';
import { writeSafetensors } from '../../src/weights/safetensors.js';
import { failure, fileHandlePrototype, randomTensors, withFile, writeRaw } from './fixtures.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa-bad-'));
});
afterAll(() => rm(folder, { recursive: true }));
afterEach(() => {
  vi.restoreAllMocks();
});

describe('bad files', () => {
  const entry = (dtype: string, shape: unknown, begin: unknown, end: unknown) => ({
    dtype,
    shape,
    data_offsets: [begin, end],
  });
  const eight = new Uint8Array(8);

  it.each<[string, unknown, Uint8Array | undefined, bigint | undefined, RegExp]>([
    [
      'a header of 2^60 bytes',
      '{}',
      undefined,
      2n ** 60n,
      /claims 1152921504606846976 bytes but only 2 follow/,
    ],
    ['a header one byte too long', '{}', undefined, 3n, /claims 3 bytes but only 2/],
    ['no JSON', '{"a":', undefined, undefined, /header is not JSON/],
    ['a list', '[]', undefined, undefined, /not a JSON object/],
    ['null', 'null', undefined, undefined, /not a JSON object/],
    [
      'a tensor past the end',
      { w: entry('F32', [3], 0, 12) },
      eight,
      undefined,
      /tensor "w" ends at byte \d+ but the file has \d+: it is truncated/,
    ],
    [
      'too few bytes for the shape',
      { w: entry('F32', [2, 2], 0, 8) },
      eight,
      undefined,
      /tensor "w": F32 \[2, 2\] needs 16 bytes but its data_offsets give 8/,
    ],
    [
      'a huge shape',
      { w: entry('F32', [2 ** 40, 2 ** 40], 0, 8) },
      eight,
      undefined,
      /tensor "w": F32 \[1099511627776, 1099511627776\] needs more than 2\^53 bytes/,
    ],
    [
      'a negative size',
      { w: entry('F32', [-2, -1], 0, 8) },
      eight,
      undefined,
      /tensor "w": shape \[-2,-1\] must be/,
    ],
    [
      'a fractional size',
      { w: entry('F32', [0.5, 4], 0, 8) },
      eight,
      undefined,
      /tensor "w": shape \[0\.5,4\] must be/,
    ],
    [
      'a shape that is a text',
      { w: entry('F32', '2', 0, 8) },
      eight,
      undefined,
      /tensor "w": shape "2" must be/,
    ],
    [
      'reversed offsets',
      { w: entry('F32', [2], 8, 0) },
      eight,
      undefined,
      /tensor "w": data_offsets \[8,0\] must be/,
    ],
    [
      'a negative offset',
      { w: entry('F32', [2], -8, 0) },
      eight,
      undefined,
      /tensor "w": data_offsets \[-8,0\] must be/,
    ],
    [
      'three offsets',
      { w: { dtype: 'F32', shape: [2], data_offsets: [0, 8, 9] } },
      eight,
      undefined,
      /data_offsets/,
    ],
    [
      'no offsets',
      { w: { dtype: 'F32', shape: [2] } },
      eight,
      undefined,
      /tensor "w": data_offsets undefined must be/,
    ],
    [
      'an unknown type',
      { w: entry('F31', [2], 0, 8) },
      eight,
      undefined,
      /tensor "w": unknown dtype "F31"; known are F64/,
    ],
    [
      'a type from Object',
      { w: entry('constructor', [2], 0, 8) },
      eight,
      undefined,
      /unknown dtype "constructor"/,
    ],
    ['an entry that is a number', { w: 5 }, eight, undefined, /tensor "w": expected an object/],
    [
      'overlapping tensors',
      { a: entry('U8', [8], 0, 8), b: entry('U8', [4], 2, 6) },
      eight,
      undefined,
      /tensor "b" overlaps tensor "a"/,
    ],
    [
      'a gap',
      { a: entry('U8', [2], 0, 2), b: entry('U8', [4], 4, 8) },
      eight,
      undefined,
      /tensor "b": 2 unnamed bytes before it/,
    ],
    ['bytes after the end', { a: entry('U8', [2], 0, 2) }, eight, undefined, /6 bytes after the last tensor/],
    [
      'the same name twice',
      '{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"b":{"x":"}\\"{"},"a" : {"dtype":"U8","shape":[8],"data_offsets":[0,8]}}',
      eight,
      undefined,
      /names "a" twice/,
    ],
    [
      'the same name twice in escapes',
      '{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"\\u0061":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}}',
      eight,
      undefined,
      /names "a" twice/,
    ],
    [
      'metadata that is not text',
      { __metadata__: { a: 1 } },
      undefined,
      undefined,
      /__metadata__ must be an object of texts/,
    ],
    ['a list of metadata', { __metadata__: ['a'] }, undefined, undefined, /__metadata__ must be/],
  ])('refuses %s', async (_, header, data, claimed, message) => {
    const path = await writeRaw(join(folder, 'bad.safetensors'), header, data, claimed);
    const error = await failure(path);
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toMatch(/bad\.safetensors/);
    expect(error.message).toMatch(message);
    expect(error.message).not.toMatch(/[\r\n]/);
  });

  it('refuses a file that is missing, a folder, empty, or too short', async () => {
    expect((await failure(join(folder, 'absent.safetensors'))).message).toMatch(
      /absent\.safetensors: no such file/,
    );
    expect((await failure(folder)).message).toMatch(/not a file/);
    for (const length of [0, 7]) {
      const path = join(folder, 'short.safetensors');
      await writeFile(path, new Uint8Array(length));
      expect((await failure(path)).message).toMatch(/too short for a safetensors file/);
    }
  });

  it('accepts names that JavaScript treats specially, and empty files', async () => {
    const header =
      '{"__proto__":{"dtype":"U8","shape":[],"data_offsets":[0,1]},"constructor":{"dtype":"U8","shape":[0],"data_offsets":[1,1]}}';
    const path = await writeRaw(join(folder, 'proto.safetensors'), header, Uint8Array.of(9));
    await withFile(path, async (file) => {
      expect(file.names).toEqual(['__proto__', 'constructor']);
      expect((await file.read('__proto__')).data).toEqual(Uint8Array.of(9));
      await expect(file.read('toString')).rejects.toThrow(/has no tensor "toString"/);
    });
    await withFile(await writeRaw(join(folder, 'empty.safetensors'), '{}'), async (file) => {
      expect(file.names).toEqual([]);
    });
  });

  it('refuses every truncation of a good file', async () => {
    const path = join(folder, 'cut.safetensors');
    const tensors = randomTensors(new Rng('cut'), 6);
    tensors.set('last', { dtype: 'F32', shape: [3], data: Float32Array.of(1, 2, 3) });
    await writeSafetensors(path, tensors);
    const { length } = await readFile(path);
    for (let size = length - 1; size >= 0; size -= 1 + (size % 7)) {
      await truncate(path, size);
      expect(await failure(path), `${size} bytes`).toBeInstanceOf(DataError);
    }
  });

  it('names byte and file when the file shrinks after it was opened', async () => {
    const path = join(folder, 'shrinks.safetensors');
    await writeSafetensors(
      path,
      new Map([['w', { dtype: 'F32', shape: [1000], data: new Float32Array(1000) }]]),
    );
    await withFile(path, async (file) => {
      await truncate(path, 2000);
      await expect(file.read('w')).rejects.toThrow(
        /shrinks\.safetensors: ended at byte 2000 while being read/,
      );
    });
  });
});

describe('fuzzing', () => {
  it('turns random corruptions of a file into one-line DataErrors', async () => {
    const rng = new Rng('fuzz');
    const path = join(folder, 'fuzz.safetensors');
    await writeSafetensors(path, randomTensors(rng, 8), { format: 'pt' });
    const good = await readFile(path);
    const headerEnd = 8 + Number(good.readBigUInt64LE(0));
    const tokens = [
      '"',
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '-',
      '0',
      '9',
      '999999999999',
      '1e99',
      '\\u0000',
      'null',
      'F16',
      'I64',
      '\n',
    ];
    let refused = 0;
    for (let i = 0; i < 3000; i++) {
      const bytes = corrupt(rng, good, headerEnd, tokens);
      await writeFile(path, bytes);
      const error = await failure(path);
      if (error.message === 'nothing failed') continue;
      if (!(error instanceof DataError)) throw error;
      expect(error.message).not.toMatch(/[\r\n]/);
      refused += 1;
    }
    expect(refused).toBeGreaterThan(1500);
  });

  it('reads no more bytes than the file has, whatever the header says', async () => {
    const rng = new Rng('allocation');
    const path = join(folder, 'allocation.safetensors');
    const prototype = await fileHandlePrototype(folder);
    const read = vi.spyOn(prototype, 'read');
    for (let i = 0; i < 300; i++) {
      const claimed = rng.pick([2n ** 63n - 1n, 2n ** 40n, 2n ** 31n, 99_999_999n, 50n]);
      const size = rng.pick([2 ** 50, 2 ** 33, 2 ** 31 - 1, 1000]);
      const header = { w: { dtype: 'U8', shape: [size], data_offsets: [0, size] } };
      await writeRaw(path, header, new Uint8Array(rng.int(40)), rng.int(2) ? claimed : undefined);
      const { length } = await readFile(path);
      read.mockClear();
      expect(await failure(path)).toBeInstanceOf(DataError);
      for (const [target] of read.mock.calls) {
        expect((target as unknown as Uint8Array).buffer.byteLength).toBeLessThanOrEqual(length);
      }
    }
    expect(read).toHaveBeenCalled();
  });
});

/** One to four random edits, mostly of the header. */
function corrupt(rng: Rng, good: Buffer, headerEnd: number, tokens: string[]): Buffer {
  let bytes = Buffer.from(good);
  for (let edits = 1 + rng.int(4); edits > 0; edits--) {
    const at =
      rng.int(4) === 0 ? rng.int(Math.max(bytes.length, 1)) : rng.int(Math.min(headerEnd, bytes.length) || 1);
    const kind = rng.int(5);
    if (kind === 0) bytes = bytes.subarray(0, at);
    else if (kind === 1 && bytes.length > 0) bytes[at % bytes.length] = rng.int(256);
    else if (kind === 2) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + rng.int(20))]);
    else {
      const token = Buffer.from(rng.pick(tokens));
      const rest = kind === 3 ? at : at + token.length;
      bytes = Buffer.concat([bytes.subarray(0, at), token, bytes.subarray(rest)]);
    }
  }
  return Buffer.from(bytes);
}
