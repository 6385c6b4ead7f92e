/** Failing writes. */
import { type FileHandle, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { DataError } from '../../src/base/errors.js';
import { hashFile } from '../../src/base/files.js';
import { type WritableTensor, writeSafetensors } from '../../src/weights/safetensors.js';
import { fileHandlePrototype, withFile } from './fixtures.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa-writer-'));
});
afterAll(() => rm(folder, { recursive: true }));
afterEach(() => {
  vi.restoreAllMocks();
});

describe('failing writes', () => {
  const tensor = { dtype: 'F32', shape: [50_000], data: new Float32Array(50_000).fill(1) } as const;

  it('keeps the old file and leaves nothing behind when the disk is full, at any point', async () => {
    const inner = await mkdtemp(join(folder, 'full-'));
    const path = join(inner, 'w.safetensors');
    await writeSafetensors(path, new Map([['old', tensor]]));
    const before = await hashFile(path);
    const prototype = await fileHandlePrototype(folder);
    for (let after = 0; after < 4; after++) {
      const write = prototype.write;
      let calls = 0;
      const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
      vi.spyOn(prototype, 'write').mockImplementation(function (this: FileHandle, ...args: unknown[]) {
        if (calls++ >= after) return Promise.reject(full);
        return (write as (...rest: unknown[]) => Promise<never>).apply(this, args);
      });
      const error = await writeSafetensors(
        path,
        new Map<string, WritableTensor>([
          ['a', tensor],
          ['b', { ...tensor, dtype: 'BF16' }],
          ['c', tensor],
        ]),
      ).catch((e) => e);
      vi.restoreAllMocks();
      expect(error).toBeInstanceOf(DataError);
      expect(error.message).toMatch(/w\.safetensors: could not be written \(ENOSPC/);
      expect(await hashFile(path)).toBe(before);
      expect(await readdir(inner)).toEqual(['w.safetensors']);
    }
  });

  it('carries on after short writes', async () => {
    const path = join(folder, 'short-writes.safetensors');
    const data = Float32Array.from({ length: 50_000 }, (_, i) => i);
    const prototype = await fileHandlePrototype(folder);
    const write = prototype.write as unknown as (b: Uint8Array, o: number, l: number) => Promise<never>;
    vi.spyOn(prototype, 'write').mockImplementation(function (this: FileHandle, ...args: unknown[]) {
      const [bytes, offset, length] = args as [Uint8Array, number, number];
      return write.call(this, bytes, offset, Math.min(length, 1013));
    });
    await writeSafetensors(path, new Map([['w', { dtype: 'F32', shape: [50_000], data }]]));
    vi.restoreAllMocks();
    await withFile(path, async (file) => expect((await file.read('w')).data).toEqual(data));
  });

  it('carries on after short reads', async () => {
    const path = join(folder, 'short-reads.safetensors');
    const data = Float32Array.from({ length: 9000 }, (_, i) => i / 3);
    await writeSafetensors(
      path,
      new Map([['w', { dtype: 'BF16', shape: [9000], data: data.map((x) => Math.round(x) % 256) }]]),
    );
    const expected = await withFile(path, (file) => file.read('w'));
    const prototype = await fileHandlePrototype(folder);
    const read = prototype.read as unknown as (
      b: Uint8Array,
      o: number,
      l: number,
      p: number,
    ) => Promise<never>;
    vi.spyOn(prototype, 'read').mockImplementation(function (this: FileHandle, ...args: unknown[]) {
      const [bytes, offset, length, position] = args as [Uint8Array, number, number, number];
      return read.call(this, bytes, offset, Math.min(length, 777), position);
    });
    const actual = await withFile(path, (file) => file.read('w'));
    expect(actual.data).toEqual(expected.data);
  });

  it('names the path when the folder is missing', async () => {
    const tensors = new Map([['w', tensor]]);
    await expect(writeSafetensors(join(folder, 'no', 'such', 'w.safetensors'), tensors)).rejects.toThrow(
      /no.such.w\.safetensors: could not be written/,
    );
  });

  it('refuses data that does not fit its type and shape, and writes nothing', async () => {
    const path = join(folder, 'refused.safetensors');
    const data = Float32Array.of(1, 2);
    const cases = [
      [{ dtype: 'F32', shape: [3], data }, /tensor "w": 2 elements given for shape \[3\]/],
      [{ dtype: 'I32', shape: [2], data }, /tensor "w": cannot write a Float32Array as I32/],
      [{ dtype: 'F8_E4M3', shape: [2], data }, /F8_E4M3 cannot be written/],
      [{ dtype: 'F32', shape: [-2], data }, /impossible shape \[-2\]/],
    ] as const;
    for (const [bad, message] of cases) {
      await expect(writeSafetensors(path, new Map([['w', bad]]))).rejects.toThrow(message);
      await expect(writeSafetensors(path, new Map([['__metadata__', tensor]]))).rejects.toThrow(
        /__metadata__/,
      );
      expect(await readdir(folder)).not.toContain('refused.safetensors');
    }
  });
});
