/** Filling a store ahead: what is computed, once, under which key; parts, stops and faults. Then checking and cleaning it. */
import { createHash } from 'node:crypto';
import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { DataError, Interrupted, UsageError } from '../../src/base/errors.js';
import { Rng } from '../../src/base/random.js';
import { extractFeatures, parseShard, shardOf } from '../../src/features/extract.js';
import { collectGarbage, listStore, storeGroups, verifyStore } from '../../src/features/inspect.js';
import {
  type ClipSettings,
  LiveFrames,
  StoredFeatures,
  type StoreSettings,
} from '../../src/features/source.js';
import { FeatureStore, StoreError } from '../../src/features/store.js';
import { makeFrames, neededOf, sampleOf, seeingStudent } from './support.js';

const FRAMES = 24;
const VIDEOS = ['a', 'b', 'c'];

let seen = 0;
const student = seeingStudent(() => seen++);

let scratch: string;
let videos: string;
let folder: string;
let paths: Map<string, string>;
beforeAll(async () => {
  await tf.setBackend('cpu');
  scratch = await mkdtemp(join(tmpdir(), 'reasvqa-extract-'));
  videos = join(scratch, 'videos');
  for (const video of [...VIDEOS, 'short']) {
    const frames = video === 'short' ? 3 : FRAMES;
    await makeFrames(
      join(videos, video),
      Array.from({ length: frames }, (_, i) => 10 * i),
    );
  }
});
afterAll(() => rm(scratch, { recursive: true, force: true }));
beforeEach(async () => {
  folder = join(await mkdtemp(join(scratch, 'store-')), 'features');
  paths = new Map([...VIDEOS, 'short'].map((video) => [video, join(videos, video)]));
  seen = 0;
});

function sourceOf(
  clip: Partial<ClipSettings> = {},
  stored?: StoreSettings,
  visionHash = 'v1',
): StoredFeatures {
  const live = new LiveFrames(
    student,
    paths,
    { frames: 4, sampling: 'uniform', crop: 'none', ...clip },
    false,
  );
  return new StoredFeatures(student, live, new FeatureStore(folder), { visionHash }, stored);
}

/** The indices of the frames that a clip's features are of. */
const framesOf = (features: Float32Array) =>
  Array.from({ length: features.length / 3 }, (_, i) => Math.round(features[3 * i]! * 25.5));

describe('extractFeatures', () => {
  test('computes each clip once; training then computes none and reads the same', async () => {
    const source = sourceOf();
    const needed = await neededOf(source, VIDEOS);
    expect(await extractFeatures(needed, { skipBad: false })).toMatchObject({
      clips: 3,
      computed: 3,
      found: 0,
    });
    expect(await extractFeatures(needed, { skipBad: false })).toMatchObject({
      clips: 3,
      computed: 0,
      found: 3,
    });
    const reader = sourceOf();
    for (const video of VIDEOS) expect(framesOf(await reader.load(sampleOf(video)))).toEqual([3, 9, 15, 21]);
    expect(seen).toBe(3);
  });

  test('a clip that is missing in training is computed as extraction would, also rounded to bf16', async () => {
    const bf16 = { dtype: 'bf16', frames: 32 } as const;
    const computed = await sourceOf({}, bf16).load(sampleOf('a'));
    const found = await sourceOf({}, bf16).load(sampleOf('a'));
    expect(found).toEqual(computed);
    const exact = await sourceOf().load(sampleOf('a'));
    expect(found).not.toEqual(exact);
    for (const [i, value] of found.entries())
      expect(Math.abs(value - exact[i]!)).toBeLessThanOrEqual(exact[i]! / 256);
    const groups = await storeGroups(new FeatureStore(folder), (await listStore(folder)).entries);
    expect(groups.map(({ dtype }) => dtype).sort()).toEqual(['bf16', 'f32']);
  });

  test('frames at random: one of each segment of those that are stored, another draw each time; evaluation is uniform', async () => {
    const stored = { dtype: 'f32', frames: 8 } as const;
    const source = sourceOf({ frames: 2, sampling: 'random' }, stored);
    await extractFeatures(await neededOf(source, ['a']), { skipBad: false });
    const draws = [];
    for (let i = 0; i < 60; i++) draws.push(framesOf(await source.load(sampleOf('a'), new Rng(i))));
    expect(seen).toBe(1);
    // 8 segments of 3 frames each: their middles are 1, 4, 7, ...
    expect(new Set(draws.map(([first]) => first))).toEqual(new Set([1, 4, 7, 10]));
    expect(new Set(draws.map(([, second]) => second))).toEqual(new Set([13, 16, 19, 22]));
    expect(framesOf(await source.load(sampleOf('a'), new Rng(7)))).toEqual(draws[7]);
    expect(framesOf(await source.load(sampleOf('a')))).toEqual([6, 18]);
    expect(seen).toBe(2);
  });

  test('a video of fewer frames than are stored is drawn from as decoding draws', async () => {
    const source = sourceOf({ frames: 2, sampling: 'random' });
    const live = new LiveFrames(student, paths, { frames: 2, sampling: 'random', crop: 'none' }, false);
    for (let seed = 0; seed < 10; seed++) {
      const pixels = live.visual([await live.load(sampleOf('short'), new Rng(seed))]).features!;
      const stored = await source.load(sampleOf('short'), new Rng(seed));
      expect(framesOf(stored)).toEqual(framesOf((await pixels.data()) as Float32Array));
    }
  });

  test('another encoder, type, choice, number of frames, rate, bound or version of the video has another key', async () => {
    const random = { sampling: 'random' } as const;
    const keys = [
      await sourceOf().key(sampleOf('a'), true),
      await sourceOf({}, undefined, 'v2').key(sampleOf('a'), true),
      await sourceOf({}, { dtype: 'bf16', frames: 32 }).key(sampleOf('a'), true),
      await sourceOf({ frames: 8 }).key(sampleOf('a'), true),
      await sourceOf({ fps: 5 }).key(sampleOf('a'), true),
      await sourceOf(random).key(sampleOf('a'), true),
      await sourceOf(random, { dtype: 'f32', frames: 16 }).key(sampleOf('a'), true),
      await sourceOf({ frames: 32 }).key(sampleOf('a'), true),
      await sourceOf().key({ ...sampleOf('a'), start: 1 }, true),
      await sourceOf().key({ ...sampleOf('a'), end: 1 }, true),
      await sourceOf().key(sampleOf('b'), true),
    ];
    await utimes(join(videos, 'a', '5.png'), 5, 5);
    keys.push(await sourceOf().key(sampleOf('a'), true));
    expect(new Set(keys).size).toBe(keys.length);
    // Evaluation shares what training reads uniformly, and nothing that it draws from.
    expect(await sourceOf().key(sampleOf('b'), false)).toBe(await sourceOf().key(sampleOf('b'), true));
    expect(await sourceOf(random).key(sampleOf('b'), false)).toBe(await sourceOf().key(sampleOf('b'), false));
  });

  test('a video replaced while it is read is read again and stored as what it is now', async () => {
    const source = sourceOf();
    const [old] = await neededOf(source, ['b']);
    const live = (source as unknown as { live: LiveFrames }).live;
    const real = live.read.bind(live);
    let times = 0;
    live.read = async (...given) => {
      const pixels = await real(...given);
      if (++times === 1) await utimes(join(videos, 'b', '0.png'), 77, 77);
      return pixels;
    };
    await extractFeatures([old!], { skipBad: false });
    expect(times).toBe(2);
    expect((await listStore(folder)).entries.map(({ key }) => key)).toEqual([
      await sourceOf().key(sampleOf('b'), true),
    ]);
    live.read = async (...given) => {
      await utimes(join(videos, 'c', '0.png'), ++times, times);
      return real(...given);
    };
    const error = await extractFeatures(await neededOf(source, ['c']), { skipBad: false }).catch((e) => e);
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toMatch(/^c_q: .*c: the video changes while it is read/);
  });

  test('a bad video stops the work, or is left out; a store that cannot be written always stops it', async () => {
    const bad = join(scratch, 'bad');
    await mkdir(bad, { recursive: true });
    await writeFile(join(bad, '0.png'), '<!DOCTYPE html><title>404</title>');
    paths.set('bad', bad);
    const source = sourceOf();
    const needed = await neededOf(source, ['a', 'bad', 'b']);
    const error = await extractFeatures(needed, { skipBad: false }).catch((e) => e);
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toContain('bad_q: ');
    const result = await extractFeatures(needed, { skipBad: true });
    expect(result.computed + result.found).toBe(2);
    expect(result.skipped).toHaveLength(1);
    expect(result.skipped[0]).toContain(`bad_q: ${join(bad, '0.png')}`);
    await rm(folder, { recursive: true });
    await writeFile(folder, 'a file where the store should be');
    await expect(extractFeatures(needed, { skipBad: true })).rejects.toThrow(StoreError);
  });

  test('a stop leaves whole entries, and the same call computes the rest alone', async () => {
    const source = sourceOf();
    const names = Array.from({ length: 12 }, (_, i) => `v${i}`);
    for (const [i, name] of names.entries()) paths.set(name, join(videos, VIDEOS[i % 3]!));
    const needed = await neededOf(source, names);
    const controller = new AbortController();
    const stop = extractFeatures(needed, {
      skipBad: false,
      signal: controller.signal,
      onProgress: (done) => done >= 1 && controller.abort(),
    });
    await expect(stop).rejects.toThrow(Interrupted);
    const { entries, leftovers } = await listStore(folder);
    expect(leftovers).toEqual([]);
    expect(entries.length).toBeGreaterThan(0);
    expect(entries.length).toBeLessThan(12);
    const rest = await extractFeatures(needed, { skipBad: false });
    expect(rest.found).toBe(entries.length);
    expect(seen).toBe(12);
    expect(await verifyStore(source.store, needed, {})).toEqual({ checked: 12, faults: [] });
  });

  test('two processes at once store everything', async () => {
    const names = Array.from({ length: 9 }, (_, i) => `v${i}`);
    for (const [i, name] of names.entries()) paths.set(name, join(videos, VIDEOS[i % 3]!));
    const both = [sourceOf(), sourceOf()].map(async (source) =>
      extractFeatures(await neededOf(source, names), { skipBad: false }),
    );
    for (const { computed, found } of await Promise.all(both)) expect(computed + found).toBe(9);
    expect(
      (await verifyStore(new FeatureStore(folder), await neededOf(sourceOf(), names), { all: true })).faults,
    ).toEqual([]);
  });
});

describe('parts', () => {
  test('divide the videos: every clip is in one part, a video in one alone', async () => {
    const source = sourceOf();
    const needed = Array.from({ length: 50 }, (_, i) => ({
      key: `k${i}`,
      sample: sampleOf(`v${i % 17}`),
      training: true,
      source,
    }));
    for (const of of [1, 2, 3, 20]) {
      const parts = Array.from({ length: of }, (_, index) => shardOf(needed, { index, of }));
      expect(
        parts
          .flat()
          .map(({ key }) => key)
          .sort(),
      ).toEqual(needed.map(({ key }) => key).sort());
      const videosOf = parts.map((part) => new Set(part.map(({ sample }) => sample.video)));
      expect(videosOf.reduce((sum, each) => sum + each.size, 0)).toBe(17);
    }
  });

  const array = (id: number, count: number, min?: number, max?: number, step?: number) => {
    const facts = { ID: id, COUNT: count, MIN: min, MAX: max, STEP: step };
    const given = Object.entries(facts).filter(([, value]) => value !== undefined);
    return Object.fromEntries(given.map(([name, value]) => [`SLURM_ARRAY_TASK_${name}`, String(value)]));
  };
  test.each([
    ['1/4', {}, { index: 0, of: 4 }],
    ['4/4', array(1, 2), { index: 3, of: 4 }],
    [undefined, {}, undefined],
    [undefined, array(0, 4, 0, 3, 1), { index: 0, of: 4 }],
    [undefined, array(4, 4, 1, 4, 1), { index: 3, of: 4 }],
    [undefined, array(7, 3, 1, 7, 3), { index: 2, of: 3 }],
    [undefined, array(2, 2), { index: 0, of: 2 }],
    [undefined, array(5, 1, 5, 5, 1), undefined],
  ])('%s of the environment %j', (text, env, shard) => {
    expect(parseShard(text, env)).toEqual(shard);
  });

  test.each(['0/4', '5/4', '1/0', '1', 'a/b', '1.5/2', '-1/2', ''])('--shard %j is refused', (text) => {
    expect(() => parseShard(text, {})).toThrow(UsageError);
  });

  test('an array whose numbers are not evenly spaced is refused', () => {
    expect(() => parseShard(undefined, array(5, 3, 1, 9, 1))).toThrow(/give --shard/);
  });
});

describe('a store that is checked and cleaned', () => {
  test('damaged and missing entries are listed; the damaged can be removed', async () => {
    const source = sourceOf();
    const needed = await neededOf(source, VIDEOS);
    await extractFeatures(needed, { skipBad: false });
    const [cut, gone] = needed.map(({ key }) => source.store.path(key));
    await truncate(cut!, (await stat(cut!)).size - 1);
    await rm(gone!);
    const { checked, faults } = await verifyStore(source.store, needed, {});
    expect(checked).toBe(3);
    expect(faults.map(({ kind, id }) => `${kind} ${id}`).sort()).toEqual(['damaged a_q', 'missing b_q']);
    for (const { message, path } of faults) expect(message).toContain(path);
    await verifyStore(source.store, needed, { remove: true });
    expect(await source.store.has(needed[0]!.key)).toBe(false);
    expect(await extractFeatures(needed, { skipBad: false })).toMatchObject({ computed: 2, found: 1 });
    expect((await verifyStore(source.store, [], { all: true })).checked).toBe(3);
  });

  test('what nobody needs and what killed writers left is removed; nothing else is touched', async () => {
    const source = sourceOf();
    const needed = await neededOf(source, VIDEOS);
    await extractFeatures(needed, { skipBad: false });
    const [kept, dropped] = needed.map(({ key }) => source.store.path(key));
    const inStore = (name: string) => join(kept!, '..', name);
    const leftover = (pid: number) => `${kept!}.tmp-${pid}-0a1b2c`;
    await writeFile(leftover(2 ** 22 + 1), 'half');
    await writeFile(leftover(process.pid), 'being written');
    const foreign = [
      inStore('notes.txt'),
      inStore(`${'0'.repeat(63)}.safetensors`),
      join(folder, 'README'),
      join(folder, 'model.safetensors'),
    ];
    for (const path of foreign) await writeFile(path, 'mine');
    const outside = join(scratch, `outside-${Date.now()}`);
    await mkdir(outside);
    const target = join(outside, `${'ab'.repeat(32)}.safetensors`);
    await writeFile(target, 'not in the store');
    await rm(join(folder, 'ab'), { recursive: true, force: true });
    await symlink(outside, join(folder, 'ab'));
    const before = await snapshot(folder);
    const wanted = new Set([needed[0]!.key]);
    const plan = await collectGarbage(folder, wanted, { dryRun: true });
    expect(await snapshot(folder)).toEqual(before);
    const removed = await collectGarbage(folder, wanted, {});
    expect(removed).toEqual(plan);
    expect(removed.leftovers.map(({ path }) => path)).toEqual([leftover(2 ** 22 + 1)]);
    expect(removed.kept).toBe(1);
    expect(removed.entries.map(({ path }) => path)).toContain(dropped);
    const left = await snapshot(folder);
    for (const path of [kept!, leftover(process.pid), ...foreign])
      expect(left[path], path).toBe(before[path]);
    expect(await readFile(target, 'utf8')).toBe('not in the store');
    expect((await listStore(folder)).entries).toHaveLength(1);
  });

  test('a folder that is not there is an empty store', async () => {
    expect(await listStore(join(scratch, 'none'))).toEqual({ entries: [], leftovers: [] });
  });
});

/** Hash of every file below a folder, by path. */
async function snapshot(root: string): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {};
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile())
      hashes[path] = createHash('sha256')
        .update(await readFile(path))
        .digest('hex');
  }
  return hashes;
}
