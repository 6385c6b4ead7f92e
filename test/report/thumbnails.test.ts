import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { thumbnails } from '../../src/report/thumbnails.js';

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'thumbnails-'));
});
afterAll(() => rm(scratch, { recursive: true }));

type Paint = (x: number, y: number, frame: number) => [number, number, number];

/** A folder of four images as a video. */
async function clip(name: string, width: number, height: number, paint: Paint) {
  const path = join(scratch, name);
  await mkdir(path);
  for (let frame = 0; frame < 4; frame++) {
    const pixels = Uint8Array.from(
      Array.from({ length: width * height }, (_, i) => paint(i % width, Math.floor(i / width), frame)).flat(),
    );
    await sharp(pixels, { raw: { width, height, channels: 3 } })
      .png()
      .toFile(join(path, `${frame}.png`));
  }
  return { id: name, path };
}

const pixelsOf = (data: string) =>
  sharp(Buffer.from(data, 'base64')).removeAlpha().raw().toBuffer({ resolveWithObject: true });

it('keeps every pixel of small drawings, frames below each other', async () => {
  const drawing = await clip('drawing', 20, 10, (x, _, frame) =>
    x < 5 * (frame + 1) ? [255, 0, 0] : [0, 0, 90],
  );
  const [picture] = await thumbnails([drawing], 1e6);
  if (!picture || 'error' in picture) throw new Error('no picture');
  expect(picture).toMatchObject({ type: 'webp', width: 20, height: 10, times: [0, 1, 2, 3] });
  const { data, info } = await pixelsOf(picture.data);
  expect([info.width, info.height]).toEqual([20, 40]);
  for (let frame = 0; frame < 4; frame++)
    expect([...data.subarray(frame * 600 + 3 * 4, frame * 600 + 3 * 4 + 3)], `frame ${frame}`).toEqual([
      255, 0, 0,
    ]);
  expect([...data.subarray(3 * 5, 3 * 5 + 3)]).toEqual([0, 0, 90]);
});

it('shrinks pictures until all fit, keeping their shape', async () => {
  const rng = new Rng('noise');
  const noise: Paint = () => [rng.int(256), rng.int(256), rng.int(256)];
  const clips = [await clip('wide', 320, 160, noise), await clip('tall', 160, 320, noise)];
  const sides = new Set<number>();
  for (const budget of [1e6, 50_000, 30_000, 15_000]) {
    const pictures = await thumbnails(clips, budget);
    const shown = pictures.flatMap((picture) => ('data' in picture ? [picture] : []));
    const bytes = shown.reduce((sum, { data }) => sum + data.length, 0);
    expect(bytes).toBeLessThanOrEqual(budget);
    const [wide, tall] = shown;
    expect(wide!.width).toBe(2 * wide!.height);
    expect(tall!.height).toBe(2 * tall!.width);
    sides.add(wide!.width);
  }
  expect(Math.max(...sides)).toBe(200);
  expect(sides.size).toBeGreaterThan(2);
});

it('goes to 64 pixels and no smaller', async () => {
  const large = await clip('large', 400, 400, (x, y) => [x % 256, y % 256, 0]);
  expect(await thumbnails([large], 1)).toMatchObject([{ width: 64, height: 64 }]);
});

it('says of each clip that cannot be read why', async () => {
  const good = await clip('good', 8, 8, () => [9, 9, 9]);
  const pictures = await thumbnails([{ id: 'a', path: join(scratch, 'none') }, good], 1e6);
  expect(pictures).toMatchObject([{ error: expect.stringContaining('no such video') }, { width: 8 }]);
  expect(await thumbnails([], 1e6)).toEqual([]);
});
