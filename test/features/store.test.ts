/** The feature store: keys, damaged files, several processes. */
import {
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { DataError } from '../../src/base/errors.js';
import { Rng } from '../../src/base/random.js';
import { FeatureStore, featureKey, StoreError, videoIdentity } from '../../src/features/store.js';
import { writeSafetensors } from '../../src/weights/safetensors.js';

const SOURCE = {
  visionHash: 'abc',
  video: 'a.mp4:10:20',
  frames: [1, 5, 9],
  imageSize: 224,
  preprocessVersion: 1,
};
const KEY = featureKey(SOURCE);

let folder: string;
let warnings: string[];
let store: FeatureStore;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa-features-'));
  warnings = [];
  store = new FeatureStore(join(folder, 'features'), (message) => warnings.push(message));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

function features(seed: string, kind: 'f32' | 'bf16' = 'f32') {
  const rng = new Rng(seed);
  const shape = [1 + rng.int(4), 1 + rng.int(9), 1 + rng.int(16)];
  const length = shape.reduce((a, b) => a * b);
  const data =
    kind === 'f32'
      ? Float32Array.from({ length }, () => rng.normal())
      : Uint16Array.from({ length }, () => rng.int(65536));
  return { data, shape };
}

describe('featureKey', () => {
  test('is the same for the same source and differs when any part does', () => {
    expect(featureKey({ ...SOURCE, frames: [1, 5, 9] })).toBe(KEY);
    const others = [
      { visionHash: 'abd' },
      { video: 'a.mp4:10:21' },
      { frames: [1, 59] },
      { frames: [5, 1, 9] },
      { imageSize: 448 },
      { preprocessVersion: 2 },
      { choice: true },
      { ends: true },
    ].map((change) => featureKey({ ...SOURCE, ...change }));
    expect(new Set([KEY, ...others]).size).toBe(others.length + 1);
    expect(KEY).toMatch(/^[0-9a-f]{64}$/);
  });

  test('a video has another identity when its bytes or time change, not when its folder moves', async () => {
    const path = join(folder, 'v.mp4');
    await writeFile(path, 'one');
    await utimes(path, 1000, 1000);
    const first = await videoIdentity('v.mp4', path);
    const moved = join(folder, 'w.mp4');
    await writeFile(moved, 'one');
    await utimes(moved, 1000, 1000);
    expect(await videoIdentity('v.mp4', moved)).toBe(first);
    await utimes(path, 1000, 1001);
    expect(await videoIdentity('v.mp4', path)).not.toBe(first);
    await writeFile(path, 'longer');
    await utimes(path, 1000, 1000);
    expect(await videoIdentity('v.mp4', path)).not.toBe(first);
  });

  test('a folder of images is another when one of them is overwritten, which leaves the folder as it was', async () => {
    const path = join(folder, 'frames');
    await mkdir(path);
    for (const name of ['1.png', '2.png']) {
      await writeFile(join(path, name), 'old');
      await utimes(join(path, name), 1000, 1000);
    }
    const first = await videoIdentity('v', path);
    await writeFile(join(path, 'notes.txt'), 'no frame');
    expect(await videoIdentity('v', path)).toBe(first);
    const { mtimeMs } = await stat(path);
    await writeFile(join(path, '2.png'), 'new');
    expect((await stat(path)).mtimeMs).toBe(mtimeMs);
    expect(await videoIdentity('v', path)).not.toBe(first);
  });

  test('a folder of images is told by its frames in their order', async () => {
    const path = join(folder, 'times');
    await mkdir(path);
    for (const name of ['10.png', '0.5.png', '0.25.png', '0.png', '._0.png'])
      await writeFile(join(path, name), 'x');
    const identity = await videoIdentity('v', path);
    expect(identity.match(/[\d.]+png/g)).toEqual(['0.png', '0.25.png', '0.5.png', '10.png']);
  });
});

describe('FeatureStore', () => {
  test('gives back exactly what was put, f32 and bf16', async () => {
    expect(await store.get(KEY)).toBeUndefined();
    for (let round = 0; round < 20; round++) {
      const put = features(`r${round}`, round % 2 ? 'bf16' : 'f32');
      await store.put(KEY, put);
      const got = await store.get(KEY);
      expect(got).toEqual(put);
      expect(got?.data.constructor).toBe(put.data.constructor);
    }
    expect(warnings).toEqual([]);
  });

  test('a part of a larger array is stored as that part', async () => {
    const data = Float32Array.from({ length: 10 }, (_, i) => i).subarray(3, 7);
    await store.put(KEY, { data, shape: [4] });
    expect((await store.get(KEY))?.data).toEqual(Float32Array.of(3, 4, 5, 6));
  });

  test('a file cut at any length is reported, and rebuilt by the next put', async () => {
    const put = features('cut');
    await store.put(KEY, put);
    const whole = await readFile(store.path(KEY));
    for (let length = 0; length < whole.length; length += 7) {
      await writeFile(store.path(KEY), whole);
      await truncate(store.path(KEY), length);
      warnings.length = 0;
      expect(await store.get(KEY)).toBeUndefined();
      expect(warnings).toHaveLength(1);
      expect(warnings[0]).toContain(store.path(KEY));
      expect(warnings[0]).toMatch(/; the features are computed again$/);
    }
    await store.put(KEY, put);
    expect(await store.get(KEY)).toEqual(put);
  });

  test('a flipped bit anywhere is reported or changes nothing', async () => {
    const put = features('flip');
    await store.put(KEY, put);
    const whole = await readFile(store.path(KEY));
    const dataStart = 8 + Number(whole.readBigUInt64LE(0));
    const rng = new Rng('flip');
    const places = [dataStart, whole.length - 1, ...Array.from({ length: 60 }, () => rng.int(whole.length))];
    for (const at of places) {
      const damaged = Buffer.from(whole);
      damaged.writeUInt8(damaged.readUInt8(at) ^ (1 << rng.int(8)), at);
      await writeFile(store.path(KEY), damaged);
      warnings.length = 0;
      const got = await store.get(KEY);
      if (at >= dataStart) expect(got, `bit flipped at ${at}`).toBeUndefined();
      if (got) expect(got.data).toEqual(put.data);
      else expect(warnings).toHaveLength(1);
    }
  });

  test("another key's file, another tensor, another type: reported", async () => {
    const other = featureKey({ ...SOURCE, imageSize: 448 });
    await store.put(other, features('other'));
    await store.put(KEY, features('mine'));
    await writeFile(store.path(KEY), await readFile(store.path(other)));
    expect(await store.get(KEY)).toBeUndefined();
    expect(warnings[0]).toContain('not the features of this key');
    const metadata = { format: '1', key: KEY, crc32: '0' };
    const ints = { dtype: 'I32' as const, shape: [1], data: new Int32Array(1) };
    await writeSafetensors(store.path(KEY), new Map([['features', ints]]), metadata);
    expect(await store.get(KEY)).toBeUndefined();
    expect(warnings[1]).toContain('expected F32 or BF16, got I32');
  });

  test('a write that fails leaves the old features and no litter', async () => {
    const old = features('old');
    await store.put(KEY, old);
    const wrong = { data: new Float32Array(5), shape: [2, 2] };
    await expect(store.put(KEY, wrong)).rejects.toThrow(StoreError);
    expect(await store.get(KEY)).toEqual(old);
    expect(await readdir(dirname(store.path(KEY)))).toEqual([`${KEY}.safetensors`]);
  });

  test.each(['write', 'sync'] as const)(
    'a full disk at any %s leaves the old features and no litter',
    async (method) => {
      const old = features('old');
      await store.put(KEY, old);
      const handle = await open(join(folder, 'any'), 'w');
      const prototype = Object.getPrototypeOf(handle);
      await handle.close();
      const real = prototype[method];
      let failures = 0;
      // Fail at the first call, then at the second, until a put goes through untouched.
      for (let failAt = 1; ; failAt++) {
        let calls = 0;
        const spy = vi.spyOn(prototype, method).mockImplementation(function (
          this: unknown,
          ...args: unknown[]
        ) {
          if (++calls === failAt)
            throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
          return real.apply(this, args);
        });
        const error = await store.put(KEY, features('new')).then(
          () => undefined,
          (thrown) => thrown,
        );
        spy.mockRestore();
        if (error === undefined) break;
        failures++;
        expect(error).toBeInstanceOf(StoreError);
        // A full disk is no sample's fault: data.onBadVideo skip must leave none out for it.
        expect(error).not.toBeInstanceOf(DataError);
        expect(error.message).toContain('ENOSPC');
        const got = await store.get(KEY);
        // Once the rename is done (the folder's own sync fails last), the new features are there, whole.
        expect([old, features('new')]).toContainEqual(got);
        expect(await readdir(dirname(store.path(KEY)))).toEqual([`${KEY}.safetensors`]);
        await store.put(KEY, old);
      }
      expect(failures).toBeGreaterThanOrEqual(2);
      expect(warnings).toEqual([]);
    },
  );

  test('a folder that cannot be made is a store error', async () => {
    await writeFile(join(folder, 'file'), '');
    const blocked = new FeatureStore(join(folder, 'file', 'features'));
    await expect(blocked.put(KEY, features('x'))).rejects.toThrow(/file.*could not be stored/);
  });

  test('many writers of one key leave one whole file', async () => {
    const put = features('same');
    await Promise.all(Array.from({ length: 20 }, () => store.put(KEY, put)));
    expect(await store.get(KEY)).toEqual(put);
    expect(await readdir(dirname(store.path(KEY)))).toEqual([`${KEY}.safetensors`]);
  });
});
