/** Drawn frames and written clips. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataError } from '../../src/base/errors.js';
import {
  BACKGROUND_RGB,
  OBJECT_RGB,
  renderFrames,
  sampleFrames,
  writeClip,
} from '../../src/shapes/render.js';
import { BEATS, type Clip, COLOURS, type Colour, restStates, SHAPES } from '../../src/shapes/scene.js';
import { simulateClip } from '../../src/shapes/simulate.js';
import { readFrames } from '../../src/video/frames.js';

const clips = Array.from({ length: 120 }, (_, i) => simulateClip(`render-test/${i}`));
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shapes-render-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

interface Blob {
  x: number;
  y: number;
  area: number;
}

/** Reads a frame by its pixels alone: centre and area of everything in exactly one of the six colours. */
function blobs(pixels: Uint8Array, size: number): Map<Colour, Blob> {
  const found = new Map<Colour, Blob>();
  for (const colour of COLOURS) {
    const rgb = OBJECT_RGB[colour];
    let x = 0;
    let y = 0;
    let area = 0;
    for (let i = 0; i < size * size; i++) {
      if (rgb.some((value, c) => pixels[i * 3 + c] !== value)) continue;
      x += i % size;
      y += Math.floor(i / size);
      area++;
    }
    if (area > 0) found.set(colour, { x: x / area + 0.5, y: y / area + 0.5, area });
  }
  return found;
}

/** Objects whose colour nobody else takes on during the clip. */
function distinctObjects(clip: Clip): number[] {
  const painted = clip.events.flatMap((event) => (event.kind === 'paint' ? [event.object, event.cause] : []));
  return clip.objects.flatMap((_, i) => (painted.includes(i) ? [] : [i]));
}

describe('four sampled frames', () => {
  it('show every object in its place, and no object that has vanished', () => {
    let checked = 0;
    for (const clip of clips) {
      const states = restStates(clip);
      const { data } = sampleFrames(clip, 4);
      for (let beat = 0; beat < BEATS; beat++) {
        const seen = blobs(data.subarray(beat * 12288, (beat + 1) * 12288), 64);
        for (const object of distinctObjects(clip)) {
          const state = states[beat]![object]!;
          const blob = seen.get(clip.objects[object]!.colour);
          expect(blob !== undefined).toBe(state.alpha > 0);
          if (blob === undefined) continue;
          // A neighbour that has grown may cover a part, hence the tolerance.
          expect(Math.hypot(blob.x - state.x, blob.y - state.y)).toBeLessThan(4);
          checked++;
        }
      }
    }
    expect(checked).toBeGreaterThan(1000);
  });

  it('show by their pixels who moved where, from frame to frame', () => {
    for (const clip of clips) {
      const { data } = sampleFrames(clip, 4);
      const frames = Array.from({ length: 4 }, (_, i) =>
        blobs(data.subarray(i * 12288, (i + 1) * 12288), 64),
      );
      for (const object of distinctObjects(clip)) {
        const { colour } = clip.objects[object]!;
        for (let beat = 1; beat < BEATS; beat++) {
          const from = frames[beat - 1]!.get(colour);
          const to = frames[beat]!.get(colour);
          if (from === undefined || to === undefined) continue;
          const event = clip.events.find(
            (e) => e.beat === beat && e.object === object && (e.kind === 'move' || e.kind === 'push'),
          );
          expect(directionBetween(from, to)).toBe(event?.direction);
        }
      }
    }
  });

  it('show growth, shrinking and paint', () => {
    const kinds = new Set<string>();
    for (const clip of clips) {
      const { data } = sampleFrames(clip, 4);
      const areas = Array.from({ length: 4 }, (_, i) => blobs(data.subarray(i * 12288, (i + 1) * 12288), 64));
      for (const event of clip.events) {
        if (event.kind !== 'grow' && event.kind !== 'shrink' && event.kind !== 'paint') continue;
        const { colour } = clip.objects[event.object]!;
        const before = areas[event.beat - 1]!.get(colour)?.area ?? 0;
        const after = areas[event.beat]!.get(colour)?.area ?? 0;
        if (!distinctObjects(clip).includes(event.object) && event.kind !== 'paint') continue;
        kinds.add(event.kind);
        if (event.kind === 'grow') expect(after).toBeGreaterThan(before * 1.25);
        if (event.kind === 'shrink') expect(after).toBeLessThan(before * 0.55);
        if (event.kind === 'paint') expect(after).toBe(0);
      }
    }
    expect([...kinds].sort()).toEqual(['grow', 'paint', 'shrink']);
  });
});

function directionBetween(from: Blob, to: Blob): string | undefined {
  const dx = to.x - from.x;
  const dy = to.y - from.y;
  if (Math.hypot(dx, dy) < 8) return undefined;
  if (Math.abs(dx) > Math.abs(dy)) return dx > 0 ? 'right' : 'left';
  return dy > 0 ? 'down' : 'up';
}

describe('renderFrames', () => {
  it('draws any size, with the same scene in it', () => {
    const clip = clips[0]!;
    for (const size of [32, 64, 96, 224]) {
      const { data, height, width, n } = sampleFrames(clip, 4, size);
      expect([n, height, width, data.length]).toEqual([4, size, size, 4 * size * size * 3]);
      const seen = blobs(data.subarray(0, size * size * 3), size);
      for (const [i, { colour }] of clip.objects.entries()) {
        const state = restStates(clip)[0]![i]!;
        const blob = seen.get(colour)!;
        expect(Math.hypot((blob.x * 64) / size - state.x, (blob.y * 64) / size - state.y)).toBeLessThan(3);
      }
    }
  });

  it('never draws two successive frames alike, or encoders would merge them', () => {
    for (const clip of clips) {
      const all = Array.from({ length: clip.frames }, (_, i) => i);
      const { data } = renderFrames(clip, all);
      for (const i of all.slice(1)) {
        const before = data.subarray((i - 1) * 12288, i * 12288);
        expect(Buffer.compare(before, data.subarray(i * 12288, (i + 1) * 12288))).not.toBe(0);
      }
    }
  });

  it('draws the five shapes with five areas between a third and the whole of their square', () => {
    for (const shape of SHAPES) {
      const clip: Clip = {
        id: 'one',
        frames: 16,
        background: 'black',
        objects: [{ colour: 'red', shape, cell: 4, offset: [0, 0], phase: 0 }],
        events: [],
      };
      const area = blobs(renderFrames(clip, [0]).data, 64).get('red')!.area;
      expect(area).toBeGreaterThan(256 / 4);
      expect(area).toBeLessThanOrEqual(256);
    }
  });

  it('keeps every colour apart from every background', () => {
    const rgbs = [...Object.values(OBJECT_RGB), ...Object.values(BACKGROUND_RGB)];
    for (const [i, a] of rgbs.entries()) {
      for (const b of rgbs.slice(i + 1))
        expect(Math.hypot(...a.map((v, c) => v - b[c]!))).toBeGreaterThan(60);
    }
  });
});

describe('writeClip', () => {
  it('writes an animated WebP that sharp reads back with the same bytes, page by page', async () => {
    for (const [i, frames] of [16, 8, 24].entries()) {
      const clip = simulateClip(`write-test/${i}`, { frames });
      const path = join(folder, `clip-${i}.webp`);
      await writeClip(path, clip);
      const meta = await sharp(path, { pages: -1 }).metadata();
      expect([meta.pages, meta.width, meta.pageHeight]).toEqual([frames, 64, 64]);
      const all = Array.from({ length: frames }, (_, f) => f);
      const truth = renderFrames(clip, all).data;
      for (const page of all) {
        const read = await sharp(path, { page }).removeAlpha().raw().toBuffer();
        expect(Buffer.compare(read, truth.subarray(page * 12288, (page + 1) * 12288))).toBe(0);
      }
    }
    expect((await readdir(folder)).filter((name) => name.includes('tmp'))).toEqual([]);
  });

  it('is read by the video module as the frames that sampleFrames draws', async () => {
    const clip = simulateClip('write-test/video');
    const path = join(folder, 'video.webp');
    await writeClip(path, clip);
    const read = await readFrames({ path, id: 'video', count: 4, mode: 'uniform' });
    const drawn = sampleFrames(clip, 4);
    expect(read.indices).toEqual(drawn.indices);
    expect(read.timestamps).toEqual(drawn.timestamps);
    expect(Buffer.compare(read.data, drawn.data)).toBe(0);
  });

  it('says which clip could not be written, and leaves nothing behind', async () => {
    const path = join(folder, 'missing', 'clip.webp');
    await expect(writeClip(path, clips[0]!)).rejects.toThrow(DataError);
    await expect(writeClip(path, clips[0]!)).rejects.toThrow(
      `${path}: clip render-test/0 could not be written`,
    );
    await expect(readdir(join(folder, 'missing'))).rejects.toThrow('ENOENT');
  });
});
