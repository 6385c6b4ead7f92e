import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Rng } from '../../src/random.js';
import { decodeFrames } from '../../src/video/decode.js';
import { probeVideo } from '../../src/video/probe.js';
import { sharedPath } from '../support/shared.js';
import { decodeAll, ffmpeg, hasEncoder, hasFfmpeg } from './support/ffmpeg.js';

const SIZE = { width: 96, height: 64 };
const X264 = ['-c:v', 'libx264', '-preset', 'veryfast', '-pix_fmt', 'yuv420p'];

/** Ways to make a clip, each with a trap for frame-exact access. */
const RECIPES: { name: string; encoder: string; file: string; args: string[]; filter?: string }[] = [
  {
    name: 'H.264, B frames, short GOPs',
    encoder: 'libx264',
    file: 'b.mp4',
    args: [...X264, '-g', '12', '-bf', '3'],
  },
  {
    name: 'H.264, open GOPs',
    encoder: 'libx264',
    file: 'open.mp4',
    args: [...X264, '-x264-params', 'open-gop=1:keyint=12:bframes=3'],
  },
  {
    name: 'H.264, intra refresh (no keyframe after the first)',
    encoder: 'libx264',
    file: 'refresh.mp4',
    args: [...X264, '-x264-params', 'intra-refresh=1:keyint=12'],
  },
  { name: 'H.264 in mkv', encoder: 'libx264', file: 'b.mkv', args: [...X264, '-g', '12', '-bf', '3'] },
  { name: 'H.264 in MPEG-TS', encoder: 'libx264', file: 'b.ts', args: [...X264, '-g', '12', '-bf', '3'] },
  {
    name: 'H.264, variable frame rate',
    encoder: 'libx264',
    file: 'vfr.mp4',
    args: [...X264, '-g', '12', '-vsync', 'vfr'],
    filter: "select='not(mod(n,3))+lt(n,20)'",
  },
  {
    name: 'HEVC, open GOPs',
    encoder: 'libx265',
    file: 'hevc.mp4',
    args: [
      '-c:v',
      'libx265',
      '-preset',
      'ultrafast',
      '-x265-params',
      'keyint=12:bframes=3:open-gop=1:log-level=none',
    ],
  },
  {
    name: 'VP8 with hidden frames',
    encoder: 'libvpx',
    file: 'vp8.webm',
    args: ['-c:v', 'libvpx', '-auto-alt-ref', '1', '-lag-in-frames', '10', '-g', '24', '-b:v', '300k'],
  },
  {
    name: 'VP9 with hidden frames',
    encoder: 'libvpx-vp9',
    file: 'vp9.webm',
    args: ['-c:v', 'libvpx-vp9', '-auto-alt-ref', '1', '-lag-in-frames', '10', '-g', '24', '-cpu-used', '8'],
  },
  {
    name: 'AV1',
    encoder: 'libaom-av1',
    file: 'av1.mkv',
    args: ['-c:v', 'libaom-av1', '-cpu-used', '8', '-g', '16'],
  },
  {
    name: 'MPEG-4 in AVI, B frames',
    encoder: 'mpeg4',
    file: 'm4.avi',
    args: ['-c:v', 'mpeg4', '-bf', '2', '-g', '12'],
  },
  {
    name: 'H.264 in AVI, no time stamps',
    encoder: 'libx264',
    file: 'h4.avi',
    args: [...X264, '-bf', '2', '-g', '12'],
  },
  {
    name: 'MPEG-2 in a program stream',
    encoder: 'mpeg2video',
    file: 'm2.mpg',
    args: ['-c:v', 'mpeg2video', '-bf', '2', '-g', '12'],
  },
  {
    name: 'MPEG-4 in MPEG-TS',
    encoder: 'mpeg4',
    file: 'm4.ts',
    args: ['-c:v', 'mpeg4', '-bf', '2', '-g', '12'],
  },
  { name: 'animated PNG', encoder: 'apng', file: 'a.apng', args: ['-c:v', 'apng', '-frames:v', '20'] },
];

describe.skipIf(!hasFfmpeg)(
  `decoding by frame index${hasFfmpeg ? '' : ' (SKIPPED: ffmpeg is not installed)'}`,
  () => {
    let folder: string;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'reasvqa-decode-'));
    });
    afterAll(async () => {
      await rm(folder, { recursive: true, force: true });
    });

    for (const recipe of RECIPES) {
      const can = hasEncoder(recipe.encoder);
      test.skipIf(!can)(`${recipe.name}${can ? '' : ` (SKIPPED: no ${recipe.encoder})`}`, async () => {
        const path = join(folder, recipe.file);
        const source = 'testsrc2=size=96x64:rate=24:duration=2,noise=alls=20:allf=t';
        const filter = recipe.filter ? `${source},${recipe.filter}` : source;
        ffmpeg('-f', 'lavfi', '-i', filter, ...recipe.args, path);
        await expectSameFrames(path, SIZE);
      });
    }

    test('a cut mp4, whose edit list hides its first frames', async () => {
      const whole = join(folder, 'whole.mp4');
      const cut = join(folder, 'cut.mp4');
      ffmpeg('-f', 'lavfi', '-i', 'testsrc2=size=96x64:rate=24:duration=3', ...X264, '-g', '24', whole);
      ffmpeg('-ss', '1.4', '-i', whole, '-c', 'copy', cut);
      await expectSameFrames(cut, SIZE);
    });

    test.skipIf(!hasEncoder('libx264'))(
      'intra refresh remuxed to mp4: P frames marked as keyframes',
      async () => {
        const stream = join(folder, 'recorded.ts');
        const path = join(folder, 'recorded.mp4');
        const noise = 'testsrc2=size=96x64:rate=24:duration=2,noise=alls=20:allf=t';
        ffmpeg('-f', 'lavfi', '-i', noise, ...X264, '-x264-params', 'intra-refresh=1:keyint=12', stream);
        ffmpeg('-i', stream, '-c', 'copy', path);
        await expectSameFrames(path, SIZE);
      },
    );

    test('an mp4 turned by its rotation tag', async () => {
      const path = join(folder, 'turned.mp4');
      ffmpeg('-f', 'lavfi', '-i', 'testsrc2=size=96x64:rate=24:duration=1', ...X264, path);
      const bytes = await readFile(path);
      // The 3x3 matrix of the track header: a quarter turn, then moved back into view.
      const matrix = [0, 0x10000, 0, -0x10000, 0, 0, 64 * 0x10000, 0, 0x40000000];
      const at = bytes.indexOf('tkhd') + 4 + 40;
      matrix.forEach((value, i) => {
        bytes.writeInt32BE(value, at + 4 * i);
      });
      await writeFile(path, bytes);
      await expectSameFrames(path, { width: 64, height: 96 });
    });
  },
);

/** Every frame alone, random subsets, and all at once equal the plain decode. */
async function expectSameFrames(path: string, size: { width: number; height: number }): Promise<void> {
  const truth = decodeAll(path, size);
  const table = await probeVideo(path, 'clip');
  expect(table.stamps.length).toBe(truth.length);
  const all = truth.map((_, i) => i);
  const rng = new Rng(path.slice(path.lastIndexOf('/')));
  const subsets = Array.from({ length: 2 }, () => all.filter(() => rng.float() < 0.1)).filter(
    (s) => s.length > 0,
  );
  const singles = rng
    .shuffle([...all])
    .slice(0, 2)
    .map((i) => [i]);
  for (const indices of [all, ...subsets, ...singles, [truth.length - 1]]) {
    // As they are, and as if frames were so large that every far one is reached by its own seek.
    for (const scale of [1, 2000]) {
      const seen = { ...table, width: table.width * scale, height: table.height * scale };
      const frames = await decodeFrames(path, 'clip', seen, indices);
      expect(frames.length).toBe(indices.length);
      frames.forEach((frame, i) => {
        expect({ width: frame.width, height: frame.height }).toEqual(size);
        const same = Buffer.compare(frame.data, truth[indices[i] as number] as Uint8Array) === 0;
        expect(same, `frame ${indices[i]} of ${indices} (scale ${scale})`).toBe(true);
      });
    }
  }
}

const CLIPS: Record<string, { width: number; height: number; frames: number }> = {
  'flower.mp4': { width: 960, height: 540, frames: 150 },
  'flower.webm': { width: 960, height: 540, frames: 150 },
  'torchcodec_av1_video.mkv': { width: 640, height: 360, frames: 125 },
  'torchcodec_h265_video.mp4': { width: 128, height: 128, frames: 10 },
  'torchcodec_nasa_13013.mp4': { width: 480, height: 270, frames: 390 },
  'torchcodec_testsrc2_vp9.webm': { width: 1280, height: 720, frames: 30 },
};

describe.skipIf(!hasFfmpeg || !sharedPath('data/video'))('real clips (need ../shared and ffmpeg)', () => {
  for (const [name, { frames, ...size }] of Object.entries(CLIPS)) {
    test(name, async () => {
      const path = sharedPath(`data/video/${name}`) as string;
      const table = await probeVideo(path, name);
      const truth = decodeAll(path, size);
      expect(truth.length).toBe(frames);
      expect(table.stamps.length).toBe(frames);
      const rng = new Rng(name);
      for (const count of [1, 4, 16]) {
        const indices = [...new Set(Array.from({ length: count }, () => rng.int(frames)))].sort(
          (a, b) => a - b,
        );
        const got = await decodeFrames(path, name, table, indices);
        got.forEach((frame, i) => {
          const same = Buffer.compare(frame.data, truth[indices[i] as number] as Uint8Array) === 0;
          expect(same, `frame ${indices[i]} of ${indices}`).toBe(true);
        });
      }
    });
  }
});
