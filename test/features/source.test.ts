/** Stored features of clips: which entry is whose, clips asked for at once, videos that go away, stores without room. */
import { mkdtemp, open, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { DataError } from '../../src/base/errors.js';
import { Rng } from '../../src/base/random.js';
import type { Sample } from '../../src/data/sample.js';
import { extractFeatures } from '../../src/features/extract.js';
import { listStore, verifyStore } from '../../src/features/inspect.js';
import { LiveFrames, StoredFeatures, type StoreSettings } from '../../src/features/source.js';
import { FeatureStore, StoreError } from '../../src/features/store.js';
import type { ClipReader, ClipRequest, ClipSettings } from '../../src/video/clip.js';
import { neededOf, type Seeing, sampleOf, seeingStudent } from './support.js';

const PLANE = 3 * 4 * 4;

let scratch: string;
let folder: string;
let paths: Map<string, string>;
let read: string[];
beforeAll(async () => {
  await tf.setBackend('cpu');
  scratch = await mkdtemp(join(tmpdir(), 'reasvqa-source-'));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));
beforeEach(async () => {
  folder = join(await mkdtemp(join(scratch, 'store-')), 'features');
  const videos = ['a', 'b', 'c', 'd'];
  paths = new Map(videos.map((video) => [video, join(scratch, `${video}.mp4`)]));
  for (const [video, path] of paths) await writeFile(path, video);
  read = [];
});

/** A clip of as many frames as were asked for, each its own grey. */
const frames: ClipReader = async ({ id, frames: count }) => {
  read.push(id);
  return Float32Array.from({ length: count * PLANE }, (_, i) => Math.floor(i / PLANE) / 256);
};

interface Setup {
  clip?: Partial<ClipSettings>;
  stored?: StoreSettings;
  visionHash?: string;
  reader?: ClipReader;
  student?: Seeing;
}

function sourceOf(setup: Setup = {}): StoredFeatures {
  const { clip, stored, visionHash = 'v1', reader = frames } = setup;
  const { student = seeingStudent(() => undefined) } = setup;
  const settings: ClipSettings = { frames: 2, sampling: 'uniform', crop: 'none', ...clip };
  const live = new LiveFrames(student, paths, settings, false, reader);
  return new StoredFeatures(student, live, new FeatureStore(folder), { visionHash }, stored);
}

describe('what a student calls for', () => {
  const called = { ...sampleOf('a'), start: 1, end: 3 };

  test('is read as features and not stored', async () => {
    const look = { result: '', before: '', perSecond: 2, kept: false };
    const requests: ClipRequest[] = [];
    const reader: ClipReader = (request) => {
      requests.push(request);
      return frames(request);
    };
    const source = sourceOf({ reader });
    const features = await source.load({ ...called, look });
    expect(features).toHaveLength(2 * 3);
    expect(requests[0]).toMatchObject({ start: 1, end: 3, perSecond: 2, frames: 2 });
    await source.load({ ...called, look });
    expect(requests).toHaveLength(2);
    expect((await listStore(folder)).entries).toEqual([]);
    expect(await source.load({ ...called, look: { ...look, kept: true } })).toEqual(features);
    expect((await listStore(folder)).entries).toHaveLength(1);
  });
});

describe('the key of a clip', () => {
  test('is the same exactly where nothing that decides its features differs, for 200 random recipes and clips', async () => {
    const rng = new Rng('keys');
    const pick = <T>(...values: T[]): T => values[rng.int(values.length)]!;
    const byKey = new Map<string, string>();
    const byFacts = new Map<string, string>();
    for (let i = 0; i < 200; i++) {
      const clip = {
        frames: pick(1, 2, 4),
        sampling: pick('uniform', 'random'),
        fps: pick(undefined, 3, 24),
      } as const;
      const stored = { dtype: pick('f32', 'bf16'), frames: pick(4, 8) } as const;
      const visionHash = pick('v1', 'v2');
      const times = { start: pick(undefined, 0, 1.5), end: pick(undefined, 2, 15) };
      const sample = Object.fromEntries(
        Object.entries({ ...sampleOf(pick('a', 'b', 'c', 'd')), ...times }).filter(
          ([, v]) => v !== undefined,
        ),
      ) as unknown as Sample;
      const training = pick(true, false);
      const size = pick(1, 2);
      await writeFile(paths.get(sample.video)!, 'x'.repeat(size));
      const { mtimeMs } = await stat(paths.get(sample.video)!);
      // Evaluation and uniform training read as many frames as a clip has, wherever training keeps more to draw from.
      const shown = training && clip.sampling === 'random' ? `${stored.frames} kept` : `${clip.frames}`;
      const version = [sample.video, size, Math.round(mtimeMs)];
      const facts = JSON.stringify([
        ...[visionHash, version, times, shown, stored.dtype, clip.fps].map((fact) => fact ?? 'none'),
      ]);
      const key = await sourceOf({ clip, stored, visionHash }).key(sample, training);
      expect(byKey.get(key) ?? facts).toBe(facts);
      expect(byFacts.get(facts) ?? key).toBe(key);
      byKey.set(key, facts);
      byFacts.set(facts, key);
    }
    expect(byKey.size).toBeGreaterThan(50);
  });

  test('is another for a later look at the same span, and the same for a look at the frames that were seen', async () => {
    const source = sourceOf();
    const clip = { ...sampleOf('a'), start: 1, end: 3 };
    const look = { result: '', before: '', kept: true };
    const plain = await source.key(clip, false);
    expect(await source.key({ ...clip, look }, false)).toBe(plain);
    const denser = [2, 4].map((perSecond) => ({ ...clip, look: { ...look, perSecond } }));
    const keys = await Promise.all(denser.map((sample) => source.key(sample, false)));
    expect(new Set([plain, ...keys]).size).toBe(3);
  });

  test('leads another encoder to features of its own', async () => {
    const brighter: Seeing = {
      ...seeingStudent(() => undefined),
      features: (pixels) => tf.expandDims(tf.add(tf.mean(pixels, [2, 3]), 1), 1) as tf.Tensor3D,
    };
    const first = await sourceOf().load(sampleOf('a'));
    const second = await sourceOf({ visionHash: 'v2', student: brighter }).load(sampleOf('a'));
    expect(second).toEqual(first.map((value) => value + 1));
    expect(await sourceOf().load(sampleOf('a'))).toEqual(first);
    expect(read).toHaveLength(2);
  });
});

describe('a clip that is asked for again while it is computed', () => {
  test('is computed once', async () => {
    const source = sourceOf();
    const samples = ['q1', 'q2', 'q3'].map((id) => sampleOf('a', id));
    const clips = await Promise.all(samples.map((sample) => source.load(sample)));
    expect(read).toEqual(['q1']);
    for (const clip of clips) expect(clip).toEqual(clips[0]);
  });

  test('is computed for whoever still wants it when the first is cancelled; a failure names each sample', async () => {
    const first = new AbortController();
    let begun: (() => void) | undefined;
    const working = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const reader: ClipReader = async (request, signal) => {
      if (request.id !== 'q1') return frames(request);
      begun?.();
      return new Promise((_, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason));
      });
    };
    const source = sourceOf({ reader });
    const cancelled = source.load(sampleOf('a', 'q1'), undefined, first.signal);
    await working;
    const wanted = source.load(sampleOf('a', 'q2'));
    const reason = new Error('not wanted');
    first.abort(reason);
    await expect(cancelled).rejects.toBe(reason);
    expect(await wanted).toHaveLength(6);
    const broken = sourceOf({
      reader: async ({ id }) => {
        throw new DataError(`${id}: broken`);
      },
    });
    const failures = await Promise.allSettled(['q1', 'q2'].map((id) => broken.load(sampleOf('b', id))));
    expect(failures.map((failure) => (failure as PromiseRejectedResult).reason.message)).toEqual([
      'q1: broken',
      'q2: broken',
    ]);
  });
});

describe('a video deleted during extraction', () => {
  test.each(['before it is read', 'while it is read'])(
    '%s stops the work with its id and path, or is left out; the other clips are stored',
    async (when) => {
      const gone = paths.get('b')!;
      const reader: ClipReader = async (request) => {
        if (when === 'while it is read' && request.path === gone) await unlink(gone);
        return frames(request);
      };
      const source = sourceOf({ reader });
      const needed = await neededOf(source, ['a', 'b', 'c']);
      if (when === 'before it is read') await unlink(gone);
      const error = await extractFeatures(needed, { skipBad: false }).catch((thrown) => thrown);
      expect(error).toBeInstanceOf(DataError);
      expect(error.exitCode).toBe(3);
      expect(error.message).toMatch(/^b_q: .*b\.mp4: cannot be read \(ENOENT/);
      const { skipped, computed, found } = await extractFeatures(needed, { skipBad: true });
      expect(skipped).toEqual([error.message]);
      expect(computed + found).toBe(2);
      expect((await listStore(folder)).entries).toHaveLength(2);
    },
  );
});

describe('a store without room', () => {
  /** Writes to files fail from the given one on. */
  async function fullFrom(at: number, code: string) {
    const handle = await open(join(scratch, 'any'), 'w');
    const prototype = Object.getPrototypeOf(handle);
    await handle.close();
    const real = prototype.write;
    let calls = 0;
    return vi.spyOn(prototype, 'write').mockImplementation(function (this: unknown, ...given: unknown[]) {
      if (++calls >= at) throw Object.assign(new Error(`${code}: no room, write`), { code });
      return real.apply(this, given);
    });
  }

  test.each(['ENOSPC', 'EDQUOT', 'EFBIG'])(
    '%s: exit code 3 with the entry, what is missing and what is free; entries stay whole and the rest is computed later',
    async (code) => {
      const needed = await neededOf(sourceOf({ clip: { frames: 250 } }), ['a', 'b', 'c', 'd']);
      const spy = await fullFrom(4, code);
      const error = await extractFeatures(needed, { skipBad: true }).catch((thrown) => thrown);
      spy.mockRestore();
      expect(error).toBeInstanceOf(StoreError);
      expect(error.exitCode).toBe(3);
      const { entries, leftovers } = await listStore(folder);
      expect(leftovers).toEqual([]);
      const missing = needed.length - entries.length;
      expect(missing).toBeGreaterThan(0);
      // 250 frames of 3 values of 4 bytes a clip.
      expect(error.message).toMatch(
        new RegExp(
          `safetensors: features could not be stored \\(.*${code}.*\\); the ${missing} clips that are missing take at most ${missing * 3}\\.0 kB, and .* are free in ${folder}; free some, or name another folder with features\\.folder`,
        ),
      );
      expect((await extractFeatures(needed, { skipBad: false })).computed).toBe(missing);
      expect(await verifyStore(new FeatureStore(folder), needed, {})).toEqual({ checked: 4, faults: [] });
    },
  );

  test('is told of before the work where more is missing than is free', async () => {
    const vast: Seeing = { ...seeingStudent(() => undefined), featureShape: [2 ** 25, 2 ** 25] };
    const needed = await neededOf(sourceOf({ student: vast }), ['a', 'b']);
    const notices: string[] = [];
    const ended = AbortSignal.abort(new Error('enough'));
    const onNotice = (line: string) => notices.push(line);
    await expect(extractFeatures(needed, { skipBad: false, signal: ended, onNotice })).rejects.toThrow();
    expect(notices).toHaveLength(1);
    expect(notices[0]).toMatch(
      /^the 2 clips that are missing take at most 1801\d TB, and .* are free in .*; it may run out$/,
    );
    const small = await neededOf(sourceOf(), ['a']);
    notices.length = 0;
    await extractFeatures(small, { skipBad: false, onNotice });
    expect(notices).toEqual([]);
  });
});

test('a store that is a file, or below one, is a data error', async () => {
  await writeFile(folder, 'no folder');
  for (const at of [folder, join(folder, 'below')]) await expect(listStore(at)).rejects.toThrow(DataError);
  const needed = await neededOf(sourceOf(), ['a']);
  await expect(extractFeatures(needed, { skipBad: true })).rejects.toThrow(StoreError);
});
