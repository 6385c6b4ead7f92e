/** Threads that read clips: the same bits as without, and what follows from a bad video, a dead thread and an early end. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { DataError, ReasVqaError, UsageError } from '../../src/base/errors.js';
import { Rng } from '../../src/base/random.js';
import { openClipThreads, Threads } from '../../src/batches/clipThreads.js';
import { Loader } from '../../src/batches/loader.js';
import { FeatureStore, type Features } from '../../src/features/store.js';
import { identityOf, keyOf, readStored, type StoredRequest } from '../../src/features/stored.js';
import { type ClipRequest, readClip } from '../../src/video/clip.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
let scratch: string;
let bundled: string;
let program: URL;
const opened: Threads[] = [];

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'reasvqa-clips-'));
  // Below the repository, so that the bundle finds its packages; Node 20's threads cannot run TypeScript.
  await mkdir(join(root, 'build'), { recursive: true });
  bundled = await mkdtemp(join(root, 'build', 'clip-test-'));
  program = pathToFileURL(join(bundled, 'clipWorker.mjs'));
  await build({
    entryPoints: [join(root, 'src/batches/clipWorker.ts')],
    outfile: fileURLToPath(program),
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    logLevel: 'silent',
  });
  const rng = new Rng('pictures');
  for (const video of ['v0', 'v1', 'v2', 'v3']) {
    await mkdir(join(scratch, video));
    for (let frame = 0; frame < 6; frame++) {
      const data = Buffer.from(Array.from({ length: 20 * 12 * 3 }, () => rng.int(256)));
      const image = sharp(data, { raw: { width: 20, height: 12, channels: 3 } });
      await image.png().toFile(join(scratch, video, `${frame}.png`));
    }
  }
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((threads) => threads.end()));
});
afterAll(async () => {
  await rm(scratch, { recursive: true, force: true });
  await rm(bundled, { recursive: true, force: true });
});

function threadsOf(count: number, at: URL = program, patience?: number): Threads {
  const threads = new Threads(count, at, patience);
  opened.push(threads);
  return threads;
}

const request = (video: string, draw?: string): ClipRequest => ({
  ...{ path: join(scratch, video), id: `sample-${video}`, draw },
  ...{ frames: 3, sampling: 'random', crop: 'random-resized', imageSize: 8 },
  ...{ mean: [0.5, 0.4, 0.3], std: [0.2, 0.3, 0.4] },
});

/** A program of a thread that was not made for reading clips. */
async function programOf(name: string, text: string): Promise<URL> {
  await writeFile(join(bundled, name), `import { parentPort } from 'node:worker_threads';\n${text}`);
  return pathToFileURL(join(bundled, name));
}

describe('clips read in threads', () => {
  it('are the bits of clips read without, in an order that no thread changes', async () => {
    const samples = Array.from({ length: 12 }, (_, i) => ({
      ...{ id: `s${i}`, dataset: 'test', video: `v${i % 4}`, question: '?', options: ['a', 'b'], type: 'x' },
    }));
    const epoch = async (read: typeof readClip) => {
      const settings = { batch: 4, shuffle: true, seed: 3, dropLast: true, ahead: 2 };
      const loader = new Loader(samples, settings, (chosen, rng, signal) =>
        Promise.all(chosen.map(({ id, video }) => read(request(video, rng.fork(id).label), signal))),
      );
      const batches: Float32Array[][] = [];
      for await (const { batch } of loader.epoch(1)) batches.push(batch);
      return batches;
    };
    const plain = await epoch(openClipThreads(0).read);
    expect(new Set(plain.flat().map(([value]) => value)).size).toBeGreaterThan(6);
    for (const count of [1, 3]) expect(await epoch(threadsOf(count).read), `${count} threads`).toEqual(plain);
    const { read } = threadsOf(1);
    expect(await read(request('v1'))).toEqual(await readClip(request('v1')));
  });

  it('are read while this thread computes', async () => {
    const marks = new SharedArrayBuffer(4);
    const counts = await programOf(
      'counts.mjs',
      `parentPort.on('message', ({ id, request, end }) => {
         if (end) return parentPort.close();
         Atomics.add(new Int32Array(request.mean), 0, 1);
         parentPort.postMessage({ id, read: new Float32Array(1) });
       });`,
    );
    const { read } = threadsOf(1, counts);
    const clips = [0, 1, 2].map(() => read({ ...request('v0'), mean: marks as unknown as number[] }));
    // This thread is blocked from here on, as by a step; a thread that had to be told of each clip would read one.
    const read3 = () => Atomics.load(new Int32Array(marks), 0) === 3;
    while (!read3()) Atomics.wait(new Int32Array(marks), 0, Atomics.load(new Int32Array(marks), 0), 20);
    expect(await Promise.all(clips)).toHaveLength(3);
  });
});

describe('stored features read in threads', () => {
  const stored = (video: string, part = ''): StoredRequest => ({
    ...{ folder: join(scratch, 'store'), id: `sample-${video}`, video, path: join(scratch, video), part },
    features: { visionHash: 'v', frames: [2], imageSize: 8, preprocessVersion: 1 },
  });
  const put = async (request: StoredRequest, data: Features['data']) => {
    const store = new FeatureStore(request.folder);
    await store.put(keyOf(request, await identityOf(request)), { data, shape: [data.length] });
    return store;
  };

  it('are what is read without: values of both types, nothing, a damaged entry, a known version', async () => {
    const requests = ['v0', 'v1', 'v2', 'v3'].map((video) => stored(video));
    await put(requests[0]!, Float32Array.of(1.5, -0, Number.NaN));
    await put(requests[1]!, Uint16Array.of(1, 65535));
    const store = await put(requests[2]!, Float32Array.of(1, 2));
    const damaged = store.path(keyOf(requests[2]!, await identityOf(requests[2]!)));
    const bytes = await readFile(damaged);
    await writeFile(damaged, bytes.fill(7, bytes.length - 4));
    requests.push({ ...requests[0]!, identity: 'another version' });
    requests.push({ ...requests[1]!, identity: await identityOf(requests[1]!) });
    const plain = await Promise.all(requests.map((request) => readStored(request)));
    expect(plain.map(({ features }) => features?.data.length)).toEqual([
      3,
      2,
      undefined,
      undefined,
      undefined,
      2,
    ]);
    expect(plain[2]!.fault).toMatch(/does not match its checksum; the features are computed again/);
    const { readStored: read } = threadsOf(2);
    expect(await Promise.all(requests.map((request) => read(request)))).toEqual(plain);
  });

  it('of a video that is not there are an error of the same class and words', async () => {
    const { readStored: read } = threadsOf(1);
    const [plain, asked] = await Promise.all(
      [readStored, read].map((of) => of(stored('gone')).catch((error) => error)),
    );
    expect(plain.message).toContain(`sample-gone: ${join(scratch, 'gone')}: cannot be read (ENOENT`);
    expect(asked).toBeInstanceOf(DataError);
    expect(asked.message).toBe(plain.message);
  });

  it('come while every decoder of the thread is at work', async () => {
    vi.stubEnv('REASVQA_DECODERS', '1');
    const threads = threadsOf(1);
    vi.unstubAllEnvs();
    const order: string[] = [];
    const clips = Array.from({ length: 40 }, () =>
      threads.read(request('v0')).then(() => order.push('clip')),
    );
    await threads.readStored(stored('v3')).then(() => order.push('stored'));
    await Promise.all(clips);
    expect(order.indexOf('stored')).toBeLessThan(20);
  });
});

describe('a video that cannot be read', () => {
  it('is an error of the same class and words, and the others are read', async () => {
    const { read } = threadsOf(1);
    const [bad, good] = await Promise.allSettled([read(request('gone')), read(request('v0'))]);
    const plain = await readClip(request('gone')).catch((error) => error);
    const { reason } = bad as PromiseRejectedResult;
    expect(plain).toBeInstanceOf(DataError);
    expect(reason).toBeInstanceOf(DataError);
    expect(reason.message).toBe(plain.message);
    expect(good.status).toBe('fulfilled');
  });

  it('keeps the class of every error that decides what follows', async () => {
    const { read } = threadsOf(1);
    const wrong = { ...request('v0'), frames: 0.5 };
    const [plain, asked] = await Promise.all([readClip, read].map((of) => of(wrong).catch((error) => error)));
    expect(asked).toBeInstanceOf(UsageError);
    expect(asked.message).toBe(plain.message);
  });
});

describe('a thread that ends', () => {
  it('fails every clip that it was asked for by name, and the next clip has a new thread', async () => {
    const dies = await programOf(
      'dies.mjs',
      `let n = 0;
       parentPort.on('message', ({ id, request }) => {
         if (request?.path.endsWith('v3')) process.exit(7);
         if (request) parentPort.postMessage({ id, read: new Float32Array([++n]) });
       });
       parentPort.on('message', ({ end }) => end && parentPort.close());`,
    );
    const { read } = threadsOf(1, dies);
    expect([...(await read(request('v0')))]).toEqual([1]);
    const outcomes = await Promise.allSettled([read(request('v3')), read(request('v1'))]);
    for (const [i, video] of ['v3', 'v1'].entries()) {
      const { reason } = outcomes[i] as PromiseRejectedResult;
      expect(reason).toBeInstanceOf(ReasVqaError);
      // No sample is at fault, so none may be left out for it.
      expect(reason).not.toBeInstanceOf(DataError);
      expect(reason.exitCode).toBe(1);
      expect(reason.message).toContain(`sample-${video}: ${join(scratch, video)}: the thread`);
      expect(reason.message).toContain('exit code 7');
    }
    expect([...(await read(request('v0')))]).toEqual([1]);
  });

  it.each([
    ['that cannot start', 'await import("./no-such-file.mjs");', /no-such-file/],
    ['that throws', 'parentPort.on("message", () => { throw new Error("out of luck"); });', /out of luck/],
  ])('%s says why', async (what, text, why) => {
    const { read } = threadsOf(2, await programOf(`${what.replaceAll(' ', '-')}.mjs`, text));
    await expect(read(request('v0'))).rejects.toThrow(why);
  });
});

describe('the decoders of the process', () => {
  /** Answers with the number of decoders that its thread was lent, and dies of the clip v3. */
  const tells = () =>
    programOf(
      'tells.mjs',
      `import { workerData } from 'node:worker_threads';
       parentPort.on('message', ({ id, request, end }) => {
         if (end) return parentPort.close();
         if (request?.path.endsWith('v3')) process.exit(7);
         if (request) parentPort.postMessage({ id, read: new Float32Array([workerData.decoders.length]) });
       });`,
    );

  it.each([
    ['5', 2, [2, 3]],
    ['7', 3, [2, 2, 3]],
    ['2', 2, [1, 1]],
    ['2', 8, [1, 1]],
    ['1', 64, [1]],
  ])(
    'REASVQA_DECODERS=%s divides over %d threads as %j, also after one has died',
    async (most, count, shares) => {
      vi.stubEnv('REASVQA_DECODERS', most);
      const { read } = threadsOf(count, await tells());
      // As many clips at once as threads: each thread gets one.
      const told = async () =>
        (await Promise.all(shares.map(() => read(request('v0'))))).map(([share]) => share!).sort();
      expect(await told()).toEqual(shares);
      await expect(read(request('v3'))).rejects.toThrow('exit code 7');
      expect(await told()).toEqual(shares);
      vi.unstubAllEnvs();
    },
  );

  it('no thread can use are refused', () => {
    vi.stubEnv('REASVQA_DECODERS', '0');
    expect(() => threadsOf(1)).toThrow(UsageError);
    vi.unstubAllEnvs();
  });

  it.skipIf(process.platform !== 'linux')('end with the thread that had them', async () => {
    const starts = await programOf(
      'starts.mjs',
      `import { spawn } from 'node:child_process';
       import { workerData } from 'node:worker_threads';
       parentPort.on('message', ({ id, request }) => {
         if (!request) return;
         const { pid } = spawn('sleep', ['600'], { stdio: 'ignore', detached: true });
         Atomics.store(workerData.decoders, 0, pid);
         parentPort.postMessage({ id, read: new Float64Array([pid]) });
       });`,
    );
    const threads = threadsOf(1, starts, 0.05);
    const [pid] = await threads.read(request('v0'));
    await threads.end();
    await vi.waitFor(async () => {
      const state = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') X ');
      expect(state).toMatch(/\) [ZX] /);
    });
  });
});

describe('the end', () => {
  it('of a clip that is not wanted any more comes at once, and the others are read', async () => {
    const { read } = threadsOf(1);
    const controller = new AbortController();
    const dropped = read(request('v0'), controller.signal);
    const kept = read(request('v1'));
    controller.abort();
    await expect(dropped).rejects.toThrow(/abort/i);
    expect(await kept).toEqual(await readClip(request('v1')));
    await expect(read(request('v0'), controller.signal)).rejects.toThrow(/abort/i);
  });

  it('of the reader rejects what was not read, and no thread is left', async () => {
    const threads = threadsOf(2);
    const clips = ['v0', 'v1', 'v2'].map((video) => threads.read(request(video)));
    const outcomes = Promise.allSettled(clips);
    await threads.end();
    for (const outcome of await outcomes) expect(outcome).toMatchObject({ status: 'rejected' });
    await expect(threads.read(request('v0'))).rejects.toThrow(/after the end/);
    await threads.end();
  });

  it('of a reader comes even where its thread does not listen', async () => {
    const deaf = await programOf('deaf.mjs', 'parentPort.on("message", () => { for (;;); });');
    const threads = threadsOf(1, deaf, 0.05);
    const clip = threads.read(request('v0')).catch((error: Error) => error.message);
    await threads.end();
    expect(await clip).toMatch(/ended before/);
  });
});
