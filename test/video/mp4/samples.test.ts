/** Tables of mp4 files, read without ffprobe, are what ffprobe lists; and any damage leaves the file to it. */
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Rng } from '../../../src/base/random.js';
import { readerOf } from '../../../src/video/complete.js';
import { probePackets } from '../../../src/video/ffprobe.js';
import { readMp4Track } from '../../../src/video/mp4/samples.js';
import { ffmpeg, hasEncoder, hasFfmpeg, makeClip } from '../support/ffmpeg.js';

const can = hasFfmpeg && hasEncoder('libx264');
const CLIP = { rate: '30000/1001', frames: 24 };
const X264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-g', '8'];

async function track(path: string) {
  const handle = await open(path);
  const { size } = await handle.stat();
  return readMp4Track(readerOf(handle), size).finally(() => handle.close());
}

describe.skipIf(!can)(`tables of mp4 files${can ? '' : ' (SKIPPED: no ffmpeg with libx264)'}`, () => {
  let folder: string;
  const at = (name: string) => join(folder, name);
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'reasvqa-mp4-'));
    makeClip(at('b.mp4'), CLIP, [...X264, '-bf', '3', '-x264-params', 'b-adapt=0']);
    ffmpeg('-f', 'lavfi', '-i', 'sine=duration=1', '-i', at('b.mp4'), '-c:v', 'copy', at('sound.mp4'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** Files whose tables are read here: the source, how it is copied, and the file's ending. */
  const READ: Record<string, [from: string, args: string[], ending: string]> = {
    'B frames behind an edit list': ['b.mp4', [], 'mp4'],
    'no edit list': ['b.mp4', ['-use_editlist', '0'], 'mp4'],
    'offsets below 0': ['b.mp4', ['-movflags', 'negative_cts_offsets'], 'mp4'],
    'QuickTime, tables first, another time scale': [
      'b.mp4',
      ['-movflags', 'faststart', '-video_track_timescale', '90000'],
      'mov',
    ],
    'sound before the pictures': ['sound.mp4', ['-map', '0:a', '-map', '0:v'], 'mp4'],
  };
  for (const [title, [from, args, ending]] of Object.entries(READ)) {
    test(`${title}: stream and packets are ffprobe's`, async () => {
      const path = at(`copy.${ending}`);
      ffmpeg('-i', at(from), ...(args[0] === '-map' ? args : ['-map', '0', ...args]), '-c', 'copy', path);
      await expectProbed(path);
    });
  }

  const ENCODED: Record<string, string[]> = {
    'no B frames': ['-bf', '0'],
    'baseline profile': ['-profile:v', 'baseline'],
    'a size that is no multiple of 16, 4:4:4': ['-pix_fmt', 'yuv444p', '-vf', 'crop=90:62'],
    'a variable rate': ['-vsync', 'vfr', '-vf', "select='not(mod(n,3))+lt(n,12)'"],
  };
  for (const [title, args] of Object.entries(ENCODED)) {
    test(`${title}: stream and packets are ffprobe's`, async () => {
      makeClip(at('own.mp4'), CLIP, [...X264, ...args]);
      await expectProbed(at('own.mp4'));
    });
  }

  async function expectProbed(path: string): Promise<void> {
    const read = await track(path);
    const probed = await probePackets(path, { name: path });
    expect(read?.stream).toEqual(probed.stream);
    expect(read?.packets).toEqual(probed.packets);
  }

  test.each([
    ['fragments', ['-movflags', 'frag_keyframe+empty_moov']],
    ['an edit that hides frames', ['-ss', '0.4']],
    ['a delay', ['-output_ts_offset', '1.5']],
  ])('%s: left to ffprobe', async (_, args) => {
    ffmpeg('-i', at('b.mp4'), '-c', 'copy', ...args, at('rare.mp4'));
    expect(await track(at('rare.mp4'))).toBeUndefined();
  });

  test('interlaced pictures: left to ffprobe', async () => {
    makeClip(at('fields.mp4'), CLIP, [...X264, '-flags', '+ilme+ildct']);
    expect(await track(at('fields.mp4'))).toBeUndefined();
  });

  test('damaged tables: nothing is thrown, and no picture lies outside the file', async () => {
    const bytes = await readFile(at('b.mp4'));
    const from = bytes.indexOf('moov');
    const rng = new Rng('damage');
    let left = 0;
    for (let i = 0; i < 500; i++) {
      const damaged = Buffer.from(bytes);
      for (let k = 0; k < 3; k++)
        damaged[from + rng.int(bytes.length - from)] = [0, 1, 255, 127][rng.int(4)]!;
      const read = async (place: number, length: number) => damaged.subarray(place, place + length);
      const found = await readMp4Track(read, damaged.length);
      if (!found) left++;
      for (const { pos, size, pts } of found?.packets ?? []) {
        expect(pos! + size).toBeLessThanOrEqual(damaged.length);
        expect(Number.isFinite(pts)).toBe(true);
      }
    }
    expect(left).toBeGreaterThan(50);
    await writeFile(at('cut.mp4'), bytes.subarray(0, from + 200));
    expect(await track(at('cut.mp4'))).toBeUndefined();
  });
});
