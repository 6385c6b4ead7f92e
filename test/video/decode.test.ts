/** Decoded frames equal a full decode. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { decodeFrames } from '../../src/video/decode.js';
import { readFrames } from '../../src/video/frames.js';
import { probeVideo } from '../../src/video/probe.js';
import { describeWithShared, sharedPath } from '../support/shared.js';
import { decodeAll, decodeEach, expectSameFrames } from './support/decode.js';
import { type Clip, ffmpeg, hasEncoder, hasFfmpeg, makeClip, makeClips } from './support/ffmpeg.js';

const SIZE = { width: 96, height: 64 };
const FRAMES = 16;
/** Hidden frames and their keyframes take longer clips. */
const MANY_FRAMES = 24;
const X264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-g', '8'];
const B_FRAMES = ['-bf', '3', '-x264-params', 'b-adapt=0'];
const X265 = ['-c:v', 'libx265', '-preset', 'ultrafast'];
const x265 = (openGop: number) => [
  ...X265,
  '-x265-params',
  `keyint=8:bframes=3:b-adapt=0:open-gop=${openGop}:log-level=none`,
];
const HIDDEN = ['-auto-alt-ref', '1', '-lag-in-frames', '10', '-g', '16', '-cpu-used', '4', '-b:v', '100k'];
const RATES = ['1', '10', '30000/1001', '60'];
/** MPEG-1 and MPEG-2 know only some rates. */
const MPEG_RATES = ['25', '60'];

interface Recipe {
  codec: string;
  encoder: string;
  args: string[];
  /** Endings of the files, each its container; in an .mp4 of `raw` the bytes are a raw stream's. */
  files: string[];
  rates?: string[];
  frames?: number;
  /** All rates in the first container, whose stamps ffmpeg invents; the others have one rate each, taken in turn. */
  everyRate?: boolean;
  filter?: string;
}

/** Ways to make a clip, each with a trap for frame-exact access. */
const RECIPES: Recipe[] = [
  {
    codec: 'H.264 with B frames',
    encoder: 'libx264',
    args: [...X264, ...B_FRAMES],
    files: ['mp4', 'h264', 'raw.mp4', 'mov', 'mkv', 'avi', 'flv', 'ts', 'mpg', '3gp'],
  },
  {
    codec: 'H.264 without B frames',
    encoder: 'libx264',
    args: [...X264, '-bf', '0'],
    files: ['h264', 'mp4', 'avi', 'ts'],
    everyRate: true,
  },
  {
    codec: 'H.264 with open groups',
    encoder: 'libx264',
    args: [...X264, ...B_FRAMES, '-x264-params', 'open-gop=1:b-adapt=0:scenecut=0'],
    files: ['mp4', 'mkv', 'ts', 'h264'],
  },
  {
    codec: 'H.264, intra refresh',
    encoder: 'libx264',
    args: [...X264, '-x264-params', 'intra-refresh=1'],
    files: ['mp4', 'ts'],
  },
  {
    codec: 'H.264, interlaced',
    encoder: 'libx264',
    args: [...X264, '-flags', '+ilme+ildct'],
    files: ['mp4'],
  },
  {
    codec: 'H.264, variable frame rate',
    encoder: 'libx264',
    args: [...X264, ...B_FRAMES, '-vsync', 'vfr'],
    files: ['mp4', 'mkv', 'flv', 'ts'],
    filter: "select='not(mod(n,3))+lt(n,12)'",
  },
  {
    codec: 'MPEG-4, variable frame rate',
    encoder: 'mpeg4',
    args: ['-c:v', 'mpeg4', '-vsync', 'vfr'],
    files: ['avi'],
    filter: "select='not(mod(n,3))+lt(n,12)'",
  },
  {
    codec: 'HEVC with open groups',
    encoder: 'libx265',
    args: x265(1),
    files: ['hevc', 'mp4', 'mkv', 'ts'],
    rates: ['10', '25', '60', '5'],
  },
  { codec: 'HEVC with closed groups', encoder: 'libx265', args: x265(0), files: ['mp4'] },
  {
    codec: 'VP8 with hidden frames',
    encoder: 'libvpx',
    args: ['-c:v', 'libvpx', ...HIDDEN],
    frames: MANY_FRAMES,
    files: ['webm', 'ivf'],
  },
  {
    codec: 'VP9 with hidden frames',
    encoder: 'libvpx-vp9',
    args: ['-c:v', 'libvpx-vp9', ...HIDDEN],
    frames: MANY_FRAMES,
    files: ['webm', 'mp4'],
  },
  {
    codec: 'AV1 with hidden frames',
    encoder: 'libaom-av1',
    args: ['-c:v', 'libaom-av1', '-cpu-used', '8', '-g', '12'],
    frames: MANY_FRAMES,
    files: ['mkv'],
  },
  {
    codec: 'MPEG-4 with B frames',
    encoder: 'mpeg4',
    args: ['-c:v', 'mpeg4', '-bf', '2', '-g', '8'],
    files: ['avi', 'mp4', 'mkv', 'ts', 'm4v', 'nut'],
  },
  {
    codec: 'MPEG-4 without B frames',
    encoder: 'mpeg4',
    args: ['-c:v', 'mpeg4', '-g', '8'],
    files: ['avi', 'mp4'],
  },
  {
    codec: 'MPEG-2 with B frames',
    encoder: 'mpeg2video',
    args: ['-c:v', 'mpeg2video', '-bf', '2', '-g', '8'],
    files: ['m2v', 'mpg', 'vob', 'ts', 'mkv'],
    rates: MPEG_RATES,
    everyRate: true,
  },
  { codec: 'WMV 8', encoder: 'wmv2', args: ['-c:v', 'wmv2', '-g', '8'], files: ['wmv', 'avi'] },
  { codec: 'Sorenson H.263', encoder: 'flv', args: ['-c:v', 'flv', '-g', '8'], files: ['flv'] },
  { codec: 'Theora', encoder: 'libtheora', args: ['-c:v', 'libtheora', '-g', '8'], files: ['ogv'] },
  { codec: 'motion JPEG', encoder: 'mjpeg', args: ['-c:v', 'mjpeg'], files: ['avi', 'mov'] },
  { codec: 'animated PNG', encoder: 'apng', args: ['-c:v', 'apng'], files: ['apng'], everyRate: true },
];

interface Cell extends Recipe {
  file: string;
  rate: string;
  can: boolean;
}

const CELLS: Cell[] = RECIPES.flatMap((recipe, r) => {
  const rates = recipe.rates ?? RATES;
  return recipe.files.flatMap((file, i) =>
    (recipe.everyRate && i === 0 ? rates : [rates[(r + i) % rates.length] as string]).map((rate) => ({
      ...recipe,
      file,
      rate,
      can: hasEncoder(recipe.encoder),
    })),
  );
});

describe.skipIf(!hasFfmpeg)(
  `decoding by frame index${hasFfmpeg ? '' : ' (SKIPPED: ffmpeg is not installed)'}`,
  () => {
    let folder: string;
    let truths: Map<string, Uint8Array[]>;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'reasvqa-decode-'));
      const cells = CELLS.filter(({ can }) => can);
      makeClips(new Map(cells.map((cell) => [pathOf(cell), clipOf(cell)])));
      truths = decodeEach(cells.map(pathOf), SIZE);
    });
    afterAll(async () => {
      await rm(folder, { recursive: true, force: true });
    });

    const pathOf = (cell: Cell) => join(folder, `clip${CELLS.indexOf(cell)}.${cell.file}`);
    const clipOf = ({ args, file, rate, filter, frames = FRAMES }: Cell): Clip => ({
      ...{ rate, frames, filter },
      codec: file === 'raw.mp4' ? [...args, '-f', 'h264'] : args,
    });

    for (const cell of CELLS) {
      const { codec, encoder, file, rate, can, frames = FRAMES } = cell;
      const title = `${codec} in .${file} at ${rate} frames a second`;
      test.skipIf(!can)(`${title}${can ? '' : ` (SKIPPED: no ${encoder})`}`, async () => {
        const path = pathOf(cell);
        // No frame is dropped or repeated by the decode that is taken for the truth.
        const truth = await expectSameFrames(path, SIZE, truths.get(path));
        expect(new Set(truth.map((data) => Buffer.from(data).toString('latin1'))).size).toBe(frames);
      });
    }

    test.skipIf(!hasEncoder('libx264'))(
      'intra refresh remuxed to mp4: P frames marked as keyframes',
      async () => {
        const stream = join(folder, 'recorded.ts');
        const path = join(folder, 'recorded.mp4');
        makeClip(stream, { rate: '24', frames: FRAMES }, [...X264, '-x264-params', 'intra-refresh=1']);
        ffmpeg('-i', stream, '-c', 'copy', path);
        await expectSameFrames(path, SIZE);
      },
    );

    test('an mp4 turned by its rotation tag', async () => {
      const path = join(folder, 'turned.mp4');
      makeClip(path, { rate: '24', frames: FRAMES }, X264);
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

const CLIPS: Record<string, { width: number; height: number; frames: number }> = {
  'flower.mp4': { width: 960, height: 540, frames: 150 },
  'flower.webm': { width: 960, height: 540, frames: 150 },
  'torchcodec_av1_video.mkv': { width: 640, height: 360, frames: 125 },
  'torchcodec_h265_video.mp4': { width: 128, height: 128, frames: 10 },
  'torchcodec_nasa_13013.mp4': { width: 480, height: 270, frames: 390 },
  'torchcodec_testsrc2_vp9.webm': { width: 1280, height: 720, frames: 30 },
};

describeWithShared(
  'real clips',
  ['data/video'],
  () => {
    test('are all of those in the folder', async () => {
      // The broken one has a test of its own (frames.test.ts).
      const names = (await readdir(sharedPath('data/video') as string)).filter(
        (name) => name !== 'decord_corrupted.mp4',
      );
      expect(names.sort()).toEqual(Object.keys(CLIPS).sort());
    });

    for (const [name, { frames, ...size }] of Object.entries(CLIPS)) {
      test(name, async () => {
        const path = sharedPath(`data/video/${name}`) as string;
        const table = await probeVideo(path, name);
        const truth = decodeAll(path, size);
        expect(truth.length).toBe(frames);
        expect(table.stamps.length).toBe(frames);
        const same = (data: Uint8Array, index: number, indices: readonly number[]) =>
          expect(Buffer.compare(data, truth[index]!), `frame ${index} of ${indices}`).toBe(0);
        const rng = new Rng(name);
        const one = [rng.int(frames)];
        const [alone] = await decodeFrames(path, name, table, one);
        same(alone!.data, one[0]!, one);
        // The frames of a clip as evaluation and training choose them.
        const bytes = size.width * size.height * 3;
        for (const how of [
          { count: 32, mode: 'uniform' },
          { count: 4, mode: 'random', rng },
        ] as const) {
          const { data, indices } = await readFrames({ path, id: name, ...how });
          for (const [i, index] of indices.entries())
            same(data.subarray(i * bytes, (i + 1) * bytes), index, indices);
        }
      });
    }
  },
  hasFfmpeg ? undefined : 'ffmpeg is not installed',
);
