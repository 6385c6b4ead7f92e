/** Frames of image folders, animations and video files. */
import { execFileSync } from 'node:child_process';
import {
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { DataError } from '../../src/base/errors.js';
import { Rng } from '../../src/base/random.js';
import { readFrames } from '../../src/video/frames.js';
import { sampleFrames } from '../../src/video/sample.js';
import { sharedPath } from '../support/shared.js';
import { decodeAll } from './support/decode.js';
import { ffmpeg, hasFfmpeg } from './support/ffmpeg.js';

let folder: string;
const path = process.env.PATH;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa-frames-'));
});
afterEach(() => {
  process.env.PATH = path;
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** A picture with a few flat colours, so that GIF keeps it exactly; different for every seed. */
function picture(seed: string, width = 20, height = 12): Buffer {
  const rng = new Rng(seed);
  const colours = Array.from({ length: 4 }, () => [rng.int(256), rng.int(256), rng.int(256)]);
  const data = Buffer.alloc(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const colour = colours[(x < width / 2 ? 0 : 1) + (y < height / 2 ? 0 : 2)] as number[];
      colour.forEach((value, c) => {
        data[(y * width + x) * 3 + c] = value;
      });
    }
  }
  return data;
}

/** Puts a counting ffprobe before the real one on the PATH; the number of its calls so far comes from what is returned. */
async function countingProbes(): Promise<() => Promise<number>> {
  const real = execFileSync('sh', ['-c', 'command -v ffprobe'], { encoding: 'utf8' }).trim();
  const bin = await mkdtemp(join(folder, 'bin-'));
  const log = join(bin, 'calls');
  await writeFile(join(bin, 'ffprobe'), `#!/bin/sh\necho >> '${log}'\nexec '${real}' "$@"\n`, {
    mode: 0o755,
  });
  process.env.PATH = `${bin}:${path}`;
  return async () => (await readFile(log, 'utf8')).length;
}

const raw = (data: Buffer, width = 20, height = 12) => sharp(data, { raw: { width, height, channels: 3 } });

async function animation(name: string, pictures: Buffer[], delay: number[]): Promise<string> {
  const file = join(folder, name);
  const strip = raw(Buffer.concat(pictures), 20, 12 * pictures.length);
  const paged = sharp(await strip.toColourspace('srgb').raw().toBuffer(), {
    raw: { width: 20, height: 12 * pictures.length, channels: 3, pageHeight: 12 },
  });
  await (name.endsWith('.gif')
    ? paged.gif({ delay, loop: 0, keepDuplicateFrames: true })
    : paged.webp({ delay, loop: 0, lossless: true, exact: true })
  ).toFile(file);
  return file;
}

const frameOf = (frames: { data: Uint8Array; width: number; height: number }, i: number) => {
  const size = frames.width * frames.height * 3;
  return Buffer.from(frames.data.subarray(i * size, (i + 1) * size));
};

describe('image folders and animations need no ffmpeg', () => {
  test.each(['clip.gif', 'clip.webp'])('%s: frames, delays as times, clips, padding', async (name) => {
    const pictures = Array.from({ length: 9 }, (_, i) => picture(`p${i}`));
    const delays = [100, 100, 100, 100, 300, 100, 100, 100, 100];
    const file = await animation(name, pictures, delays);
    process.env.PATH = '';
    const all = await readFrames({ path: file, id: 'c', count: 9, mode: 'uniform' });
    expect([all.n, all.width, all.height]).toEqual([9, 20, 12]);
    expect(all.indices).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    pictures.forEach((data, i) => {
      expect(frameOf(all, i).equals(data), `frame ${i}`).toBe(true);
    });
    expect(all.timestamps.map((t) => Math.round(t * 1000))).toEqual([
      0, 100, 200, 300, 400, 700, 800, 900, 1000,
    ]);
    const some = await readFrames({ path: file, id: 'c', count: 3, mode: 'uniform' });
    expect(some.indices).toEqual([1, 4, 7]);
    expect(frameOf(some, 2).equals(pictures[7] as Buffer)).toBe(true);
    // On screen from 0.75 s are frame 5 (0.7 to 0.8 s), then 6 and 7; 0.95 s is within frame 7, which is not included.
    const clip = await readFrames({ path: file, id: 'c', count: 2, mode: 'uniform', start: 0.75, end: 0.95 });
    expect(clip.indices).toEqual([5, 6]);
    const padded = await readFrames({ path: file, id: 'c', count: 12, mode: 'uniform' });
    expect(padded.indices.slice(8)).toEqual([8, 8, 8, 8]);
    expect(frameOf(padded, 11).equals(pictures[8] as Buffer)).toBe(true);
  });

  test('a folder of images in natural order; png, grey, 16-bit and transparent ones as RGB', async () => {
    const frames = join(folder, 'frames');
    await mkdir(frames);
    const pictures = Array.from({ length: 12 }, (_, i) => picture(`f${i}`));
    for (const [i, data] of pictures.entries())
      await raw(data)
        .png()
        .toFile(join(frames, `frame${i + 1}.png`));
    await writeFile(join(frames, 'notes.txt'), 'not a frame');
    process.env.PATH = '';
    const all = await readFrames({ path: frames, id: 'f', count: 12, mode: 'uniform' });
    pictures.forEach((data, i) => {
      expect(frameOf(all, i).equals(data), `frame ${i + 1}`).toBe(true);
    });

    const odd = join(folder, 'odd');
    await mkdir(odd);
    const grey = Buffer.alloc(240, 77);
    await sharp(grey, { raw: { width: 20, height: 12, channels: 1 } })
      .toColourspace('b-w')
      .png()
      .toFile(join(odd, '1.png'));
    await raw(picture('deep')).toColourspace('rgb16').png().toFile(join(odd, '2.png'));
    const clear = Buffer.alloc(960, 200).fill(0, 0, 480);
    await sharp(clear, { raw: { width: 20, height: 12, channels: 4 } })
      .png()
      .toFile(join(odd, '3.png'));
    const mixed = await readFrames({ path: odd, id: 'f', count: 3, mode: 'uniform' });
    expect(frameOf(mixed, 0).equals(Buffer.alloc(720, 77))).toBe(true);
    expect(frameOf(mixed, 1).equals(picture('deep'))).toBe(true);
    expect([...frameOf(mixed, 2).subarray(0, 3)]).toEqual([0, 0, 0]);
  });

  test('a clip in seconds of a folder needs its rate', async () => {
    const frames = join(folder, 'frames');
    const request = { path: frames, id: 'f', count: 2, mode: 'uniform', start: 1, end: 2 } as const;
    await expect(readFrames(request)).rejects.toThrow('a clip in seconds needs a frame rate');
    expect((await readFrames({ ...request, fps: 4 })).indices).toEqual([5, 7]);
  });

  test('frames of different size: an error, unless one size is asked for', async () => {
    const frames = join(folder, 'sizes');
    await mkdir(frames);
    await raw(picture('a')).png().toFile(join(frames, '1.png'));
    await raw(picture('b', 8, 8), 8, 8)
      .png()
      .toFile(join(frames, '2.png'));
    const request = { path: frames, id: 's', count: 2, mode: 'uniform' } as const;
    await expect(readFrames(request)).rejects.toThrow('frames differ in size (20x12 and 8x8)');
    const sized = await readFrames({ ...request, size: { width: 8, height: 8 } });
    expect([sized.width, sized.height, sized.data.length]).toEqual([8, 8, 384]);
    expect(frameOf(sized, 1).equals(picture('b', 8, 8))).toBe(true);
  });

  test.each(['png', 'jpg', 'gif', 'webp'])('a truncated %s is an error that names it', async (kind) => {
    const rng = new Rng('noise');
    const noise = Buffer.from(Uint8Array.from({ length: 48 * 48 * 3 }, () => rng.int(256)));
    const file = join(folder, `whole.${kind}`);
    await raw(noise, 48, 48)
      .toFormat(kind as 'png')
      .toFile(file);
    const size = (await readFile(file)).length;
    // An image folder for still formats, the file itself for animated ones.
    const still = kind === 'png' || kind === 'jpg';
    const frames = join(folder, `cut-${kind}`);
    await mkdir(frames);
    const target = join(frames, basename(file));
    for (const length of [0, 10, size >> 1, size - 200]) {
      await copyFile(file, target);
      await truncate(target, length);
      const request = { path: still ? frames : target, id: 'clip', count: 1, mode: 'uniform' } as const;
      const error = await readFrames(request).then(
        () => undefined,
        (thrown) => thrown,
      );
      expect(error, `${kind} cut at ${length} of ${size}`).toBeInstanceOf(DataError);
      expect(error.message).toContain(`clip: ${target}: `);
      expect(error.message).not.toContain('\n');
    }
  });

  test('a GIF is the whole animation or an error, wherever it is cut; bytes after its end are no harm', async () => {
    const pictures = Array.from({ length: 4 }, (_, i) => picture(`cut${i}`));
    const whole = await readFile(await animation('uncut.gif', pictures, [100, 100, 100, 100]));
    const file = join(folder, 'cutAnywhere.gif');
    const request = { path: file, id: 'g', count: 4, mode: 'uniform' } as const;
    for (let length = 1; length < whole.length; length += 7) {
      await writeFile(file, whole.subarray(0, length));
      const error = await readFrames(request).catch((thrown) => thrown);
      expect(error, `cut at ${length} of ${whole.length}`).toBeInstanceOf(DataError);
      expect(error.message).toContain(`g: ${file}: `);
    }
    await writeFile(file, Buffer.concat([whole, Buffer.alloc(3)]));
    expect((await readFrames(request)).indices).toEqual([0, 1, 2, 3]);
  });

  test('an image of a folder that cannot be read is named', async () => {
    const frames = join(folder, 'unreadable');
    await mkdir(join(frames, '1.png'), { recursive: true });
    const error = await readFrames({ path: frames, id: 'u', count: 1, mode: 'uniform' }).catch((e) => e);
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toContain(`u: ${join(frames, '1.png')}: `);
  });

  test.each(['jpg', 'png', 'webp'])(
    'a frame that is empty or a Git LFS pointer is named: %s',
    async (kind) => {
      const frames = join(folder, `fetched-${kind}`);
      await mkdir(frames);
      const file = join(frames, `1.${kind}`);
      const request = { path: frames, id: 'u', count: 1, mode: 'uniform' } as const;
      await writeFile(file, '');
      await expect(readFrames(request)).rejects.toThrow(`u: ${file}: the file is empty; fetch it again`);
      await writeFile(file, 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n');
      await expect(readFrames(request)).rejects.toThrow(
        `u: ${file}: a Git LFS pointer, not the picture; fetch it with git lfs pull`,
      );
    },
  );

  test('more frames than memory holds are refused at the first', async () => {
    const frames = join(folder, 'many');
    await mkdir(frames);
    await writeFile(
      join(frames, '1.png'),
      await sharp({ create: { width: 400, height: 400, channels: 3, background: 'red' } })
        .png()
        .toBuffer(),
    );
    await expect(readFrames({ path: frames, id: 'v', count: 30_000, mode: 'uniform' })).rejects.toThrow(
      `v: ${frames}: 30000 frames of 400x400 take 13.4 GiB decoded, more than the 4 GiB that a clip may take; ask for fewer frames`,
    );
  });

  test('an empty folder, a missing path, a missing generator, no frames asked', async () => {
    const empty = join(folder, 'empty');
    await mkdir(empty);
    const request = { path: empty, id: 'e', count: 1, mode: 'uniform' } as const;
    await expect(readFrames(request)).rejects.toThrow(`e: ${empty}: no images in the folder`);
    await expect(readFrames({ ...request, path: join(folder, 'none.mp4') })).rejects.toThrow(
      'none.mp4: no such video',
    );
    await expect(readFrames({ ...request, mode: 'random' })).rejects.toThrow('needs a generator');
    await expect(readFrames({ ...request, count: 0 })).rejects.toThrow('frames: expected at least 1, got 0');
  });

  test('a video file without ffmpeg says how to get it', async () => {
    const file = join(folder, 'any.mp4');
    await writeFile(file, 'x');
    process.env.PATH = '';
    const promise = readFrames({ path: file, id: 'v', count: 1, mode: 'uniform' });
    await expect(promise).rejects.toThrow(
      /^ffprobe is not installed, .*install ffmpeg \(apt-get install ffmpeg/,
    );
  });
});

describe.skipIf(!hasFfmpeg)(`video files${hasFfmpeg ? '' : ' (SKIPPED: ffmpeg is not installed)'}`, () => {
  const video = () => join(folder, 'clip.mp4');
  beforeAll(() => {
    if (!hasFfmpeg) return;
    const source = 'testsrc2=size=64x48:rate=10:duration=6,noise=alls=20:allf=t';
    ffmpeg('-f', 'lavfi', '-i', source, '-pix_fmt', 'yuv420p', '-g', '20', video());
  });

  test('frames, indices and times of a clip and of random picks', async () => {
    const truth = decodeAll(video(), { width: 64, height: 48 });
    const base = { path: video(), id: 'v', count: 4 } as const;
    const clip = await readFrames({ ...base, mode: 'uniform', start: 2.05, end: 4 });
    expect(clip.indices).toEqual(sampleFrames({ frameCount: 60, lo: 20, hi: 40 }, 4));
    expect(clip.timestamps.map((t) => t.toFixed(3))).toEqual(clip.indices.map((i) => (i / 10).toFixed(3)));
    const random = await readFrames({ ...base, mode: 'random', rng: new Rng(3) });
    expect(random.indices).toEqual(sampleFrames({ frameCount: 60, lo: 0, hi: 60 }, 4, new Rng(3)));
    for (const frames of [clip, random]) {
      frames.indices.forEach((index, i) => {
        expect(frameOf(frames, i).equals(Buffer.from(truth[index] as Uint8Array))).toBe(true);
      });
    }
  });

  test('more frames than an expression of ffmpeg, or one process, takes', async () => {
    const file = join(folder, 'long.mkv');
    ffmpeg(
      '-f',
      'lavfi',
      '-i',
      'testsrc2=size=16x16:rate=100:duration=43',
      '-g',
      '50',
      '-threads',
      '1',
      file,
    );
    const truth = decodeAll(file, { width: 16, height: 16 });
    for (const count of [101, truth.length]) {
      const frames = await readFrames({ path: file, id: 'v', count, mode: 'uniform' });
      expect(new Set(frames.indices).size).toBe(count);
      const expected = Buffer.concat(frames.indices.map((index) => truth[index]!));
      expect(Buffer.compare(frames.data, expected)).toBe(0);
    }
  });

  test('a clip past the end: rounding is forgiven, another video is not', async () => {
    const base = { path: video(), id: 'v', count: 2, mode: 'uniform' } as const;
    expect((await readFrames({ ...base, start: 6.5, end: 7 })).indices).toEqual([59, 59]);
    await expect(readFrames({ ...base, start: 7.2, end: 9 })).rejects.toThrow(
      `v: ${video()}: the clip starts at 7.2 s, but the video ends at 6.00 s; is it the right video?`,
    );
  });

  test('clips that ask at once for a video nobody has read share one probing, and a cancelled one harms none', async () => {
    const file = join(folder, 'shared.mkv');
    ffmpeg('-i', video(), '-c', 'copy', file);
    const probes = await countingProbes();
    const request = { path: file, count: 2, mode: 'uniform' } as const;
    const cancelled = new AbortController();
    const first = readFrames({ ...request, id: 'first', signal: cancelled.signal });
    const others = ['a', 'b', 'c'].map((id) => readFrames({ ...request, id }));
    first.catch(() => undefined);
    for (const { indices } of await Promise.all(others)) expect(indices).toEqual([15, 45]);
    await first;
    expect(await probes()).toBe(1);

    await utimes(file, 1, 1);
    const next = readFrames({ ...request, id: 'first', signal: cancelled.signal });
    next.catch(() => undefined);
    const rest = ['a', 'b', 'c'].map((id) => readFrames({ ...request, id }));
    cancelled.abort();
    await expect(next).rejects.toThrow('abort');
    for (const { indices } of await Promise.all(rest)) expect(indices).toEqual([15, 45]);

    await writeFile(file, 'not a video');
    const bad = ['a', 'b'].map((id) => readFrames({ ...request, id }).catch((error) => error.message));
    expect(await Promise.all(bad)).toEqual([
      expect.stringContaining(`a: ${file}: `),
      expect.stringContaining(`b: ${file}: `),
    ]);
  });

  test('a file that changes is probed again', async () => {
    const file = join(folder, 'changing.mp4');
    ffmpeg('-f', 'lavfi', '-i', 'testsrc2=size=64x48:rate=10:duration=1', file);
    const request = { path: file, id: 'v', count: 99, mode: 'uniform' } as const;
    expect(new Set((await readFrames(request)).indices).size).toBe(10);
    ffmpeg('-f', 'lavfi', '-i', 'testsrc2=size=64x48:rate=10:duration=2', file);
    await utimes(file, 1, 1);
    expect(new Set((await readFrames(request)).indices).size).toBe(20);
  });

  test.each(["it's, a [clip]; 100%.mp4", '-i.mp4', 'http:x.mp4', 'käse 猫.mp4'])(
    'file name %j',
    async (name) => {
      const file = join(folder, name);
      await copyFile(video(), file);
      expect((await readFrames({ path: file, id: 'v', count: 2, mode: 'uniform' })).indices).toEqual([
        15, 45,
      ]);
    },
  );

  test.each<[string, string | Buffer, RegExp]>([
    ['nothing', '', /: no video, it is empty$/],
    ['a web page', '\n<!doctype html><title>404</title>', /: no video, it is a web page$/],
    ['a playlist', '#EXTM3U\n/etc/other.mp4\n', /: no video, it is a playlist or XML$/],
    ['an archive', Buffer.from('PK\x03\x04aaaa'), /: no video, it is a document or an archive$/],
    [
      'a pointer',
      'version https://git-lfs.github.com/spec/v1\noid sha256:0\n',
      /Git LFS pointer; fetch it with git lfs pull$/,
    ],
    ['words', 'not a video at all', /: cannot be read as a video \(.+\)$/],
  ])('a file that holds %s in place of a video says so', async (_, bytes, reason) => {
    const file = join(folder, 'other.mp4');
    await writeFile(file, bytes);
    const error = await readFrames({ path: file, id: 'v', count: 1, mode: 'uniform' }).catch((e) => e);
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toMatch(reason);
    expect(error.message).toContain(`v: ${file}: `);
    expect(error.message).not.toContain('\n');
  });

  test.skipIf(process.platform === 'win32')(
    'a pipe, as a video or as a frame, and a device are refused at once instead of waited for',
    async () => {
      const frames = join(folder, 'pipes');
      await mkdir(frames);
      for (const file of [join(folder, 'pipe.mp4'), join(folder, 'pipe.webp'), join(frames, '1.png')]) {
        execFileSync('mkfifo', [file]);
        const request = { id: 'v', count: 1, mode: 'uniform' } as const;
        const path = file.endsWith('.png') ? frames : file;
        await expect(readFrames({ ...request, path }), file).rejects.toThrow(DataError);
      }
      const promise = readFrames({ path: '/dev/zero', id: 'v', count: 1, mode: 'uniform' });
      await expect(promise).rejects.toThrow('v: /dev/zero: no video, it is neither a file nor a folder');
    },
  );

  test('a video without a picture: sound only', async () => {
    const sound = join(folder, 'sound.mkv');
    ffmpeg('-f', 'lavfi', '-i', 'sine=duration=1', sound);
    const promise = readFrames({ path: sound, id: 'v', count: 1, mode: 'uniform' });
    await expect(promise).rejects.toThrow(new DataError(`v: ${sound}: no video stream in the file`));
  });

  test('a truncated mp4 says how many bytes are left', async () => {
    const file = join(folder, 'cut.mp4');
    ffmpeg('-i', video(), '-c', 'copy', '-movflags', 'faststart', file);
    await truncate(file, Math.floor((await readFile(file)).length * 0.6));
    const promise = readFrames({ path: file, id: 'v', count: 2, mode: 'uniform' });
    await expect(promise).rejects.toThrow(
      /^v: .*cut\.mp4: truncated video: \d+ of at least \d+ bytes are in the file; fetch the file again$/,
    );
  });

  const linux = process.platform === 'linux';
  test.skipIf(!linux)(
    `abort before and during: the reason comes back, no process is left${linux ? '' : ' (SKIPPED: needs /proc)'}`,
    async () => {
      const file = join(folder, 'long.mp4');
      ffmpeg(
        '-f',
        'lavfi',
        '-i',
        'testsrc2=size=640x480:rate=30:duration=20',
        '-preset',
        'ultrafast',
        '-g',
        '600',
        file,
      );
      const request = { path: file, id: 'v', count: 8, mode: 'uniform' } as const;
      await expect(
        readFrames({ ...request, signal: AbortSignal.abort(new Error('no more')) }),
      ).rejects.toThrow('no more');
      const controller = new AbortController();
      const reading = readFrames({ ...request, signal: controller.signal });
      let isOver = false;
      const outcome = reading
        .then(
          () => 'read',
          (error) => error.message,
        )
        .finally(() => {
          isOver = true;
        });
      while (!isOver && (await decoders()).length === 0)
        await new Promise((resolve) => setTimeout(resolve, 2));
      controller.abort(new Error('stop now'));
      expect(await outcome).toBe('stop now');
      expect(await decoders()).toEqual([]);
    },
  );
});

/** Running children of this process that decode or probe. */
async function decoders(): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const of = (name: string) => readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '');
    const parent = /\) \S (\d+)/.exec(await of('stat'))?.[1];
    if (parent === String(process.pid) && /^(\S*\/)?ff(mpeg|probe)\0/.test(await of('cmdline')))
      found.push(pid);
  }
  return found;
}

const corrupted = sharedPath('data/video/decord_corrupted.mp4');
describe.skipIf(!hasFfmpeg || !corrupted)('a broken video (needs ../shared and ffmpeg)', () => {
  test('names id, path, the frame and how many decode, whichever frames are asked for', async () => {
    for (const count of [1, 4, 50]) {
      const promise = readFrames({ path: corrupted as string, id: 'q7', count, mode: 'uniform' });
      await expect(promise).rejects.toThrow(
        new DataError(
          `q7: ${corrupted}: broken video: frame 30 does not decode, 49 of 50 frames do (Invalid NAL unit size (-1 > 551).); fetch the file again`,
        ),
      );
    }
  });
});
