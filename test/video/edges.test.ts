/** Video files at the edges of what there is: ten hours, 8K, one frame, cut, without picture; clips outside their video. */
import { mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DataError } from '../../src/base/errors.js';
import { type ClipRequest, readClip } from '../../src/video/clip.js';
import { readFrames } from '../../src/video/frames.js';
import { ffmpeg, hasFfmpeg } from './support/ffmpeg.js';

let folder: string;
const at = (name: string) => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa-edges-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const clip = (path: string, more: Partial<ClipRequest> = {}): ClipRequest => ({
  ...{ path, id: 'q1', frames: 4, sampling: 'uniform', crop: 'none', imageSize: 8 },
  ...{ mean: [0, 0, 0], std: [1, 1, 1], ...more },
});
const read = (path: string, count: number, more: object = {}) =>
  readFrames({ path, id: 'q1', count, mode: 'uniform', ...more });
const failure = (work: Promise<unknown>): Promise<Error> =>
  work.then(
    () => Promise.reject(new Error('it was read')),
    (error) => error,
  );

/** Pictures of one colour after another, each for a second of its own; `options` precede the file. */
function make(name: string, size: string, rate: string, frames: number, ...options: string[]): string {
  const source = `color=black:size=${size}:rate=${rate},geq=lum='mod(N*16,236)':cb=128:cr=128`;
  ffmpeg('-f', 'lavfi', '-i', source, '-frames:v', String(frames), ...options, at(name));
  return at(name);
}

describe.skipIf(!hasFfmpeg)(`video files${hasFfmpeg ? '' : ' (SKIPPED: ffmpeg is not installed)'}`, () => {
  test('of ten hours: frames and clips by their time, wherever they are', async () => {
    // A frame a minute, each a keyframe.
    const path = make(
      'hours.mp4',
      '16x16',
      '1/60',
      600,
      '-c:v',
      'libx264',
      '-g',
      '1',
      '-preset',
      'ultrafast',
    );
    const { indices, timestamps } = await read(path, 4);
    expect(indices).toEqual([75, 225, 375, 525]);
    expect(timestamps).toEqual(indices.map((index) => index * 60));
    const late = await read(path, 2, { start: 35_400, end: 36_000, size: { width: 16, height: 16 } });
    expect(late.indices).toEqual([592, 597]);
    // Grey 16 higher a frame: which picture it is shows in the picture.
    const [first, second] = [0, 16 * 16 * 3].map((offset) => late.data[offset]!);
    expect(second! - first!).not.toBe(0);
    const error = await failure(read(path, 2, { start: 36_100, end: 36_200 }));
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toMatch(
      /^q1: .*hours\.mp4: the clip starts at 36100 s, but the video ends at 36000\.00 s/,
    );
  });

  test('of 8K: a frame is made small as it comes', async () => {
    ffmpeg(
      '-f',
      'lavfi',
      '-i',
      'color=gray:size=7680x4320',
      '-frames:v',
      '1',
      '-c:v',
      'mpeg4',
      at('large.mp4'),
    );
    const pixels = await readClip(clip(at('large.mp4'), { frames: 2 }));
    expect(pixels).toHaveLength(2 * 3 * 8 * 8);
    for (const value of pixels) expect(Math.abs(value - 0.5)).toBeLessThan(0.02);
  });

  test('of one frame: it is repeated, whatever clip is asked for', async () => {
    const path = make('one.mp4', '32x32', '25', 1, '-c:v', 'mpeg4');
    expect((await read(path, 4)).indices).toEqual([0, 0, 0, 0]);
    expect((await read(path, 4, { pad: false })).indices).toEqual([0]);
    expect((await read(path, 2, { start: 0.5, end: 9 })).indices).toEqual([0, 0]);
    await expect(read(path, 2, { start: 5, end: 9 })).rejects.toThrow(
      /starts at 5 s, but the video ends at 0\.04 s/,
    );
  });

  test('whose clip is empty, or goes past the end: its frame, or the frames that are there', async () => {
    const path = make('short.mp4', '32x32', '10', 30, '-c:v', 'mpeg4');
    for (const [start, end] of [
      [1, 1],
      [1, 0.2],
    ])
      expect((await read(path, 3, { start, end })).indices, `${start} to ${end}`).toEqual([10, 10, 10]);
    expect((await read(path, 2, { start: 2, end: 1e9 })).indices).toEqual([22, 27]);
  });

  test.each(['mp4', 'webm', 'avi'])(
    '%s, cut anywhere: whole frames or an error with id and file',
    async (kind) => {
      const codec = kind === 'webm' ? ['-c:v', 'libvpx', '-deadline', 'realtime'] : ['-c:v', 'mpeg4'];
      const whole = make(`whole.${kind}`, '48x32', '10', 12, ...codec);
      const { size } = await stat(whole);
      const truth = await read(whole, 12);
      const bytes = await readFile(whole);
      const outcomes = new Set<string>();
      for (const part of [0, 0.5, 1 - 1 / size]) {
        const path = at(`cut-${part}.${kind}`);
        await writeFile(path, bytes);
        await truncate(path, Math.floor(size * part));
        const got = await read(path, 12).catch((error) => error);
        if (got instanceof Error) {
          expect(got).toBeInstanceOf(DataError);
          expect(got.message).toMatch(/^q1: .*cut-.*: \S/);
          expect(got.message).not.toContain('\n');
          outcomes.add('refused');
          continue;
        }
        outcomes.add('read');
        // What is read are the video's own first frames.
        const frame = got.height * got.width * 3;
        for (const [i, index] of got.indices.entries())
          expect(Buffer.from(got.data.subarray(i * frame, (i + 1) * frame))).toEqual(
            Buffer.from(truth.data.subarray(index * frame, (index + 1) * frame)),
          );
      }
      expect(outcomes).toContain('refused');
    },
  );

  test('without a picture: sound alone', async () => {
    ffmpeg('-f', 'lavfi', '-i', 'sine=duration=1', at('sound.mp4'));
    const error = await failure(readClip(clip(at('sound.mp4'))));
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toMatch(/^q1: .*sound\.mp4: no video stream in the file/);
  });
});
