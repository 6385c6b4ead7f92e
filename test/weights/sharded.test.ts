/** Checkpoints of several files. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataError } from '../../src/base/errors.js';
import { writeSafetensors } from '../../src/weights/safetensors.js';
import { openCheckpoint } from '../../src/weights/sharded.js';
import { formatBytes, summaryOf } from '../../src/weights/show.js';
import { mergeSources } from '../../src/weights/source.js';
import { memorySource } from './fixtures.js';

let root: string;
let count = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'reasvqa-sharded-'));
});
afterAll(() => rm(root, { recursive: true }));

const one = (value: number) => ({ dtype: 'F32' as const, shape: [2], data: Float32Array.of(value, -value) });

async function newFolder(): Promise<string> {
  count += 1;
  const folder = join(root, String(count));
  await mkdir(folder);
  return folder;
}

/** Shards as given, and an index that maps as given. */
async function shards(files: Record<string, string[]>, map: Record<string, string>): Promise<string> {
  const folder = await newFolder();
  for (const [file, names] of Object.entries(files)) {
    await writeSafetensors(join(folder, file), new Map(names.map((name) => [name, one(name.charCodeAt(0))])));
  }
  await writeFile(
    join(folder, 'model.safetensors.index.json'),
    JSON.stringify({ metadata: {}, weight_map: map }),
  );
  return folder;
}

describe('openCheckpoint', () => {
  it('reads shards as one checkpoint, from the folder and from the index', async () => {
    const folder = await shards(
      { 'm-1.safetensors': ['a', 'b'], 'm-2.safetensors': ['c'] },
      { a: 'm-1.safetensors', b: 'm-1.safetensors', c: 'm-2.safetensors' },
    );
    for (const path of [folder, join(folder, 'model.safetensors.index.json')]) {
      const source = await openCheckpoint(path);
      expect([...source.names()].sort()).toEqual(['a', 'b', 'c']);
      expect((await source.read('c')).data).toEqual(Float32Array.of(99, -99));
      expect(source.fileOf('c')).toBe(join(folder, 'm-2.safetensors'));
      expect(source.info('a')).toEqual({ dtype: 'F32', shape: [2] });
      expect(() => source.info('d')).toThrow(/has no tensor "d"/);
      await source.close();
    }
  });

  it('reads shards without an index as one checkpoint, and refuses a tensor that two of them have', async () => {
    const folder = await newFolder();
    const write = (part: number, ...names: string[]) =>
      writeSafetensors(
        join(folder, `model-0000${part}-of-00002.safetensors`),
        new Map(names.map((name) => [name, one(name.charCodeAt(0))])),
      );
    await write(1, 'a', 'b');
    await write(2, 'c');
    const source = await openCheckpoint(folder);
    expect([...source.names()].sort()).toEqual(['a', 'b', 'c']);
    expect((await source.read('c')).data).toEqual(Float32Array.of(99, -99));
    expect(source.fileOf('c')).toBe(join(folder, 'model-00002-of-00002.safetensors'));
    expect(source.path).toBe(join(folder, 'model-*-of-00002.safetensors'));
    await source.close();
    await write(2, 'b');
    await expect(openCheckpoint(folder)).rejects.toThrow(
      /model-\*-of-00002\.safetensors: tensor "b" is in two shards, model-00001-of.* and model-00002-of/,
    );
  });

  it.each<[string, () => Promise<string>, RegExp]>([
    [
      'a missing shard',
      () => shards({ 'm-1.safetensors': ['a'] }, { a: 'm-1.safetensors', b: 'm-2.safetensors' }),
      /m-2\.safetensors: missing shard named by model\.safetensors\.index\.json/,
    ],
    [
      'a tensor that no shard has',
      () => shards({ 'm-1.safetensors': ['a'] }, { a: 'm-1.safetensors', b: 'm-1.safetensors' }),
      /tensor "b" should be in m-1\.safetensors, but no shard has it/,
    ],
    [
      'a tensor in another shard than the index says',
      () =>
        shards(
          { 'm-1.safetensors': ['a'], 'm-2.safetensors': ['b'] },
          { a: 'm-1.safetensors', b: 'm-1.safetensors', c: 'm-2.safetensors' },
        ),
      /tensor "b" should be in m-1\.safetensors, but it is in m-2\.safetensors/,
    ],
    [
      'a tensor in two shards',
      () =>
        shards(
          { 'm-1.safetensors': ['a', 'b'], 'm-2.safetensors': ['b'] },
          { a: 'm-1.safetensors', b: 'm-2.safetensors' },
        ),
      /tensor "b" is in two shards, m-1\.safetensors and m-2\.safetensors/,
    ],
    [
      'a shard outside the folder',
      () => shards({}, { a: '../1/m-1.safetensors' }),
      /shard "\.\.\/1\/m-1\.safetensors" must be a file name without a folder/,
    ],
    [
      'several missing shards',
      () => shards({}, { a: 'm-1.safetensors', b: 'm-2.safetensors', c: 'm-3.safetensors' }),
      /m-1\.safetensors: missing shard named by .*, and so are m-2\.safetensors, m-3\.safetensors;/,
    ],
    ['an index that is not JSON', () => index('{'), /index\.json: not JSON/],
    ['an index without weight_map', () => index('{"a":1}'), /index\.json: expected \{"weight_map"/],
  ])('refuses %s', async (_, make, message) => {
    const error = await openCheckpoint(await make()).catch((e) => e);
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain('\n');
  });

  async function index(text: string): Promise<string> {
    const folder = await newFolder();
    await writeFile(join(folder, 'model.safetensors.index.json'), text);
    return folder;
  }
});

describe('mergeSources', () => {
  it('takes a tensor that several have from the last', async () => {
    const merged = mergeSources([
      memorySource({
        a: { shape: [1], data: Float32Array.of(1) },
        b: { shape: [1], data: Float32Array.of(2) },
      }),
      memorySource({ b: { shape: [1], data: Float32Array.of(3) } }),
    ]);
    expect([...merged.names()].sort()).toEqual(['a', 'b']);
    expect((await merged.read('a')).data[0]).toBe(1);
    expect((await merged.read('b')).data[0]).toBe(3);
  });
});

describe('summaryOf', () => {
  it('lists tensors in numeric order with sizes, files and totals', async () => {
    const folder = await newFolder();
    const path = join(folder, 'model.safetensors');
    await writeSafetensors(
      path,
      new Map([
        ['layer.10.w', { dtype: 'F32' as const, shape: [2, 3], data: new Float32Array(6) }],
        ['layer.2.w', { dtype: 'BF16' as const, shape: [4], data: new Uint16Array(4) }],
        ['layer.2.b', { dtype: 'BF16' as const, shape: [], data: new Uint16Array(1) }],
      ]),
      { format: 'pt' },
    );
    const source = await openCheckpoint(folder);
    const shown = summaryOf(source);
    await source.close();
    expect(shown.path).toBe(path);
    expect(shown.metadata).toEqual({ format: 'pt' });
    expect(shown.rows).toEqual([
      { name: 'layer.2.b', dtype: 'BF16', shape: [], bytes: 2, file: path },
      { name: 'layer.2.w', dtype: 'BF16', shape: [4], bytes: 8, file: path },
      { name: 'layer.10.w', dtype: 'F32', shape: [2, 3], bytes: 24, file: path },
    ]);
    const { byDtype, ...totals } = shown.totals;
    expect(totals).toEqual({ tensors: 3, parameters: 11, bytes: 34 });
    expect(byDtype).toContainEqual({ dtype: 'BF16', tensors: 2, parameters: 5, bytes: 10 });
  });

  it('formats sizes', () => {
    const cases: [number, string][] = [
      [0, '0 B'],
      [999, '999 B'],
      [1000, '1.0 kB'],
      [999_499, '999 kB'],
      [999_999, '1.0 MB'],
      [15_769_786_368, '15.8 GB'],
    ];
    for (const [bytes, text] of cases) expect(formatBytes(bytes)).toBe(text);
  });
});
