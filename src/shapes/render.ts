/** Draws clips, frame by frame, and writes them as animated WebP. */
import { rename, rm } from 'node:fs/promises';
import sharp from 'sharp';
import { DataError, messageOf } from '../base/errors.js';
import type { Frames } from '../video/frames.js';
import { sampleFrames as sampleIndices } from '../video/sample.js';
import {
  type Background,
  BEATS,
  beatCount,
  type Clip,
  COLOURS,
  type Colour,
  type ObjectState,
  restStates,
  SCENE_SIZE,
  type Shape,
} from './scene.js';

type Rgb = readonly [number, number, number];

export const OBJECT_RGB: Readonly<Record<Colour, Rgb>> = {
  red: [232, 36, 36],
  green: [36, 172, 60],
  blue: [56, 104, 255],
  yellow: [250, 216, 32],
  purple: [176, 56, 216],
  cyan: [40, 220, 228],
};

export const BACKGROUND_RGB: Readonly<Record<Background, Rgb>> = {
  black: [8, 8, 8],
  gray: [112, 112, 112],
  white: [244, 244, 244],
  brown: [88, 52, 24],
  navy: [16, 20, 72],
};

/** Frames per second the clips are written with. */
export const CLIP_FPS = 8;

/**
 * The beat whose events are over at a frame. Events start a little before their beat and are complete at its
 * middle, which is where a uniform sample of four frames looks.
 */
export function beatOfFrame(frames: number, frame: number, beats = BEATS): number {
  return Math.min(beats - 1, Math.floor(((frame + 0.5) / frames) * beats));
}

/** The beats that four uniform frames show: all of them where there are four. */
export function fourFrames({ frames, beats }: Pick<Clip, 'frames' | 'beats'>): number[] {
  const indices = sampleIndices({ frameCount: frames, lo: 0, hi: frames }, 4);
  return indices.map((frame) => beatOfFrame(frames, frame, beats));
}

/** n frames, sampled uniformly as of every dataset: exactly the pixels that {@link writeClip} stores. */
export function sampleFrames(clip: Clip, n: number, size = SCENE_SIZE): Frames {
  return renderFrames(clip, sampleIndices({ frameCount: clip.frames, lo: 0, hi: clip.frames }, n), size);
}

/** Draws the frames at `indices`. */
export function renderFrames(clip: Clip, indices: readonly number[], size = SCENE_SIZE): Frames {
  const states = restStates(clip);
  const bytes = size * size * 3;
  const data = new Uint8Array(indices.length * bytes);
  for (const [i, frame] of indices.entries()) {
    const pixels = data.subarray(i * bytes, (i + 1) * bytes);
    fill(pixels, BACKGROUND_RGB[clip.background]);
    clip.objects.forEach(({ shape }, object) => {
      drawShape(pixels, size, shape, lookAt(clip, states, object, frame));
    });
  }
  const timestamps = indices.map((frame) => frame / CLIP_FPS);
  return { data, n: indices.length, height: size, width: size, indices: [...indices], timestamps };
}

/** Draws every frame of a clip. */
export function renderAll(clip: Clip, size = SCENE_SIZE): Frames {
  const all = Array.from({ length: clip.frames }, (_, i) => i);
  return renderFrames(clip, all, size);
}

/** Writes the whole clip; see {@link writeFrames}. */
export async function writeClip(path: string, clip: Clip, size = SCENE_SIZE): Promise<void> {
  await writeFrames(path, clip.id, renderAll(clip, size));
}

/**
 * Writes frames as a lossless animated WebP, which `sharp` reads back page by page with the same bytes: no frame may equal the
 * one before, or the encoder merges them. The file appears complete or not at all.
 *
 * @throws DataError when it cannot be written.
 */
export async function writeFrames(
  path: string,
  id: string,
  { data, n, width, height }: Pick<Frames, 'data' | 'n' | 'width' | 'height'>,
): Promise<void> {
  const temporary = `${path}.tmp-${process.pid}`;
  try {
    const raw = { width, height: height * n, channels: 3, pageHeight: height } as const;
    await sharp(data, { raw })
      .webp({ lossless: true, effort: 0, loop: 0, delay: Array.from({ length: n }, () => 1000 / CLIP_FPS) })
      .toFile(temporary);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    const message = `${path}: clip ${id} could not be written (${messageOf(error)})`;
    throw new DataError(message, { cause: error });
  }
}

/** Paints every pixel alike by doubling the painted part: forty times faster than pixel by pixel. */
function fill(pixels: Uint8Array, rgb: Rgb): void {
  pixels.set(rgb);
  for (let done = 3; done < pixels.length; done *= 2) pixels.copyWithin(done, 0, done);
}

interface Look {
  x: number;
  y: number;
  radius: number;
  alpha: number;
  rgb: readonly number[];
}

/** Movers travel from 0.15 before their beat to 0.3 into it; a push keeps step; other effects follow until 0.5. */
function lookAt(clip: Clip, states: readonly ObjectState[][], object: number, frame: number): Look {
  const beats = beatCount(clip);
  const time = ((frame + 0.5) / clip.frames) * beats;
  const beat = Math.min(beats - 1, Math.floor(time + 0.2));
  const before = states[Math.max(0, beat - 1)]![object]!;
  const after = states[beat]![object]!;
  // A pushed object starts when the mover has reached it and then stays in contact.
  const pushed = clip.events.some((e) => e.kind === 'push' && e.beat === beat && e.object === object);
  const moving = pushed ? ease((time - beat + 0.05) / 0.35) : ease((time - beat + 0.15) / 0.45);
  const changing = ease((time - beat - 0.2) / 0.3);
  const [from, to] = [before, after].map(({ colour }) => OBJECT_RGB[COLOURS[colour]!]);
  // A slight tremble keeps two frames of a clip from being equal: WebP encoders merge equal frames.
  const angle = clip.objects[object]!.phase + 2.4 * frame;
  return {
    x: mix(before.x, after.x, moving) + 0.4 * Math.cos(angle),
    y: mix(before.y, after.y, moving) + 0.4 * Math.sin(angle),
    radius: mix(before.radius, after.radius, changing),
    alpha: mix(before.alpha, after.alpha, changing),
    rgb: from!.map((value, c) => mix(value, to![c]!, changing)),
  };
}

function ease(t: number): number {
  const u = Math.min(1, Math.max(0, t));
  return u * u * (3 - 2 * u);
}

function mix(a: number, b: number, t: number): number {
  return a + (b - a) * t;
}

/** Blends one shape over the frame; positions and sizes snap to quarter pixels so that masks can be shared. */
function drawShape(pixels: Uint8Array, size: number, shape: Shape, look: Look): void {
  const quarters = (length: number) => Math.round((length * size * 4) / SCENE_SIZE);
  const x4 = quarters(look.x);
  const y4 = quarters(look.y);
  const r4 = Math.max(1, quarters(look.radius));
  const reach = Math.ceil((r4 * 1.3) / 4) + 1;
  const side = 2 * reach + 1;
  const left = Math.floor(x4 / 4);
  const top = Math.floor(y4 / 4);
  const mask = maskOf(shape, r4, x4 - left * 4, y4 - top * 4, reach);
  for (let i = 0; i < mask.length; i++) {
    const x = left - reach + (i % side);
    const y = top - reach + Math.floor(i / side);
    const covered = mask[i]! * look.alpha;
    if (covered === 0 || x < 0 || x >= size || y < 0 || y >= size) continue;
    const at = (y * size + x) * 3;
    for (let c = 0; c < 3; c++) pixels[at + c] = Math.round(mix(pixels[at + c]!, look.rgb[c]!, covered));
  }
}

const masks = new Map<string, Float32Array>();
const MAX_MASKS = 20_000;

/**
 * Coverage of pixels, 0 to 1, from 4 x 4 samples each: (side, side) with side = 2 * reach + 1, the centre in the middle
 * pixel. Other lengths are in quarter pixels.
 */
function maskOf(shape: Shape, r4: number, x4: number, y4: number, reach: number): Float32Array {
  const key = `${shape}/${r4}/${x4}/${y4}`;
  const known = masks.get(key);
  if (known !== undefined) return known;
  const side = 2 * reach + 1;
  const mask = new Float32Array(side * side);
  for (let i = 0; i < mask.length; i++) {
    for (let s = 0; s < 16; s++) {
      const px = (i % side) - reach + ((s % 4) + 0.5) / 4 - x4 / 4;
      const py = Math.floor(i / side) - reach + (Math.floor(s / 4) + 0.5) / 4 - y4 / 4;
      if (OUTLINES[shape]((px * 4) / r4, (py * 4) / r4)) mask[i]! += 1 / 16;
    }
  }
  if (masks.size >= MAX_MASKS) masks.clear();
  masks.set(key, mask);
  return mask;
}

/** Whether a point belongs to the shape of radius 1 around the origin; sizes are chosen for similar areas. */
const OUTLINES: Readonly<Record<Shape, (x: number, y: number) => boolean>> = {
  circle: (x, y) => x * x + y * y <= 1,
  square: (x, y) => Math.max(Math.abs(x), Math.abs(y)) <= 0.9,
  triangle: polygon([1.25, 1.25, 1.25]),
  star: polygon(Array.from({ length: 10 }, (_, i) => (i % 2 === 0 ? 1.3 : 0.52))),
  cross: (x, y) => Math.max(Math.abs(x), Math.abs(y)) <= 1.08 && Math.min(Math.abs(x), Math.abs(y)) <= 0.36,
};

/**
 * Even-odd test of a polygon with corners all around at these distances from the origin, the first one up. It is
 * shifted so that the middle of its height is at the origin.
 */
function polygon(radii: number[]): (x: number, y: number) => boolean {
  const angles = radii.map((_, i) => (2 * Math.PI * i) / radii.length);
  const xs = radii.map((radius, i) => radius * Math.sin(angles[i]!));
  const ys = radii.map((radius, i) => -radius * Math.cos(angles[i]!));
  const shift = (Math.max(...ys) + Math.min(...ys)) / 2;
  return (x, y) => {
    let inside = false;
    for (let i = 0, j = radii.length - 1; i < radii.length; j = i++) {
      const [xi, yi, xj, yj] = [xs[i]!, ys[i]!, xs[j]!, ys[j]!];
      const above = yi - shift > y;
      if (above !== yj - shift > y && x < ((xj - xi) * (y - yi + shift)) / (yj - yi) + xi) inside = !inside;
    }
    return inside;
  };
}
