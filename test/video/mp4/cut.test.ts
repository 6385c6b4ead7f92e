/** What is cut out of an mp4: the frames that are wanted, what they refer to, and nothing else. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { areWhole, cutFrames } from '../../../src/video/mp4/cut.js';
import { readMp4Track } from '../../../src/video/mp4/samples.js';
import { probeVideo, type VideoTable } from '../../../src/video/probe.js';
import { hasEncoder, hasFfmpeg, makeClip } from '../support/ffmpeg.js';

const can = hasFfmpeg && hasEncoder('libx264');
const FRAMES = 24;
const GROUP = 8;

describe.skipIf(!can)(`cuts of an mp4${can ? '' : ' (SKIPPED: no ffmpeg with libx264)'}`, () => {
  let folder: string;
  let bytes: Buffer;
  let table: VideoTable;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'reasvqa-cut-'));
    const path = join(folder, 'clip.mp4');
    const x264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', String(GROUP), '-pix_fmt', 'yuv420p'];
    // Of each four frames three are referred to by none.
    const params = ['-bf', '3', '-x264-params', 'b-adapt=0:b-pyramid=none:scenecut=0'];
    makeClip(path, { rate: '25', frames: FRAMES }, [...x264, ...params]);
    bytes = await readFile(path);
    table = await probeVideo(path, 'clip');
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const readerOf = (file: Buffer) => async (at: number, length: number) => file.subarray(at, at + length);
  const cut = async (indices: number[], most = 1000, file = bytes) =>
    cutFrames(readerOf(file), table.samples!, indices, most);

  test('holds the frames, and those before in their group that others refer to', async () => {
    const [made] = (await cut([2, GROUP + 1])) ?? [];
    const file = Buffer.concat(made!.bytes);
    const track = await readMp4Track(readerOf(file), file.length);
    // Frames 0, 4 and 2; then 8, 12 and 9: in the order of decoding.
    const sizes = [0, 4, 2, 8, 12, 9].map((frame) => table.samples!.sizes[table.samples!.order[frame]!]);
    expect(track?.packets.map(({ size }) => size)).toEqual(sizes);
    expect(track?.packets.map(({ key }) => key)).toEqual([true, false, false, true, false, false]);
    // They are shown in the order 0, 2, 4, 8, 9, 12.
    const shown = track!.packets.map(({ pts }) => pts!).sort((a, b) => a - b);
    expect(made!.indices).toEqual([2, 9]);
    expect(made!.stamps).toEqual([shown[1], shown[4]]);
  });

  test('keeps the bits of every picture', async () => {
    const all = Array.from({ length: FRAMES }, (_, i) => i);
    const [made] = (await cut(all)) ?? [];
    const file = Buffer.concat(made!.bytes);
    const track = await readMp4Track(readerOf(file), file.length);
    const { offsets, sizes } = table.samples!;
    for (const [i, { pos, size }] of track!.packets.entries())
      expect(file.subarray(pos, pos! + size)).toEqual(bytes.subarray(offsets[i], offsets[i]! + sizes[i]!));
    expect(track!.packets).toHaveLength(FRAMES);
  });

  test.each([5, 13, FRAMES - 1])(
    'are not made of a file with half a unit in picture %i, which ffprobe reads',
    async (i) => {
      const { offsets, sizes } = table.samples!;
      const packets = Array.from(offsets, (pos, k) => ({ pos, size: sizes[k]! }));
      expect(await areWhole(readerOf(bytes), packets)).toBe(true);
      const broken = Buffer.from(bytes);
      broken.writeUInt32BE(2 ** 32 - 1, offsets[i]!);
      expect(await areWhole(readerOf(broken), packets)).toBe(false);
      const path = join(folder, `broken-${i}.mp4`);
      await writeFile(path, broken);
      // Whatever frame is asked for.
      await expect(probeVideo(path, 'broken')).rejects.toThrow(/broken video|cannot be read/);
    },
  );

  test('is several where much is decoded', async () => {
    const cuts = await cut([1, GROUP + 1, 2 * GROUP + 1], 4);
    expect(cuts?.map(({ indices }) => indices)).toEqual([[1, 9], [17]]);
  });

  test('may hold any number of pictures', async () => {
    const count = 150_000;
    // Each an empty picture that others refer to; the first is a refresh.
    const picture = Buffer.from([0, 0, 0, 1, 0x61]);
    const file = Buffer.alloc(count * picture.length, picture);
    file[4] = 0x65;
    const order = Uint32Array.from({ length: count }, (_, i) => i);
    const offsets = Float64Array.from(order, (i) => i * picture.length);
    const sizes = new Uint32Array(count).fill(picture.length);
    const samples = { head: table.samples!.head, order, offsets, sizes, keys: Uint32Array.of(0) };
    const cuts = await cutFrames(readerOf(file), samples, [0, count - 1], count);
    expect(cuts?.map((each) => each.count)).toEqual([count]);
  });

  test('is none of a file that has changed', async () => {
    expect(await cut([20], 1000, Buffer.alloc(bytes.length, 255))).toBeUndefined();
    expect(await cut([20], 1000, bytes.subarray(0, 200))).toBeUndefined();
  });
});
