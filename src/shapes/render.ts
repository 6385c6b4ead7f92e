/** Draws clips, frame by frame, and writes them as animated WebP. */
import { rename, rm } from 'node:fs/promises';
import sharp from 'sharp';
import { DataError, messageOf } from '../base/errors.js';
import type { Frames } from '../video/frames.js';
import { sampleFrames as sampleIndices } from '../video/sample.js';
import {
  type Background,
  BEATS,
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
const CLIP_FPS = 8;

/** Frame numbers of a uniform sample, as every dataset is sampled (video/sample.ts). */
export function uniformIndices(frames: number, n: number): number[] {
  return sampleIndices({ frameCount: frames, lo: 0, hi: frames }, n);
}

/**
 * The beat whose events are over at a frame. Events start a little before their beat and are complete at its
 * middle, which is where a uniform sample of four frames looks.
 */
export function beatOfFrame(frames: number, frame: number): number {
  return Math.min(BEATS - 1, Math.floor(((frame + 0.5) / frames) * BEATS));
}

/** n uniformly sampled frames, exactly the pixels that {@link writeClip} stores. */
export function sampleFrames(clip: Clip, n: number, size = SCENE_SIZE): Frames {
  return renderFrames(clip, uniformIndices(clip.frames, n), size);
}

/** Draws the frames at `indices`. */
export function renderFrames(clip: Clip, indices: readonly number[], size = SCENE_SIZE): Frames {
  const states = restStates(clip);
  const bytes = size * size * 3;
  const data = new Uint8Array(indices.length * bytes);
  indices.forEach((frame, i) => {
    drawFrame(data.subarray(i * bytes, (i + 1) * bytes), clip, states, frame, size);
  });
  const timestamps = indices.map((frame) => frame / CLIP_FPS);
  return { data, n: indices.length, height: size, width: size, indices: [...indices], timestamps };
}

/**
 * Writes the whole clip as a lossless animated WebP, which `sharp` reads back page by page with the same bytes.
 * The file appears complete or not at all.
 *
 * @throws DataError when it cannot be written.
 */
export async function writeClip(path: string, clip: Clip, size = SCENE_SIZE): Promise<void> {
  const all = Array.from({ length: clip.frames }, (_, i) => i);
  const { data } = renderFrames(clip, all, size);
  const temporary = `${path}.tmp-${process.pid}`;
  try {
    await sharp(data, {
      raw: { width: size, height: size * clip.frames, channels: 3, pageHeight: size },
    })
      .webp({ lossless: true, effort: 0, loop: 0, delay: all.map(() => 1000 / CLIP_FPS) })
      .toFile(temporary);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw new DataError(`${path}: clip ${clip.id} could not be written (${messageOf(error)})`, {
      cause: error,
    });
  }
}

function drawFrame(
  pixels: Uint8Array,
  clip: Clip,
  states: readonly ObjectState[][],
  frame: number,
  size: number,
): void {
  fill(pixels, BACKGROUND_RGB[clip.background]);
  const time = ((frame + 0.5) / clip.frames) * BEATS;
  clip.objects.forEach((object, i) => {
    const look = lookAt(clip, states, i, time);
    if (look.alpha <= 0) return;
    // A slight tremble keeps two frames of a clip from being equal: WebP encoders merge equal frames.
    const angle = object.phase + 2.4 * frame;
    const x = look.x + 0.4 * Math.cos(angle);
    const y = look.y + 0.4 * Math.sin(angle);
    drawShape(pixels, size, object.shape, { ...look, x, y });
  });
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
  rgb: Rgb;
}

/** Movers travel from 0.15 before their beat to 0.3 into it; a push keeps step; other effects follow until 0.5. */
function lookAt(clip: Clip, states: readonly ObjectState[][], object: number, time: number): Look {
  const beat = Math.min(BEATS - 1, Math.floor(time + 0.2));
  const after = states[beat]?.[object] as ObjectState;
  const before = (states[Math.max(0, beat - 1)] as ObjectState[])[object] as ObjectState;
  const moving = ease((time - beat + 0.15) / 0.45);
  const changing = ease((time - beat - 0.2) / 0.3);
  // A pushed object starts when the mover has reached it and then stays in contact.
  const pushed = clip.events.some((e) => e.kind === 'push' && e.beat === beat && e.object === object);
  const progress = pushed ? ease((time - beat + 0.05) / 0.35) : moving;
  return {
    x: mix(before.x, after.x, progress),
    y: mix(before.y, after.y, progress),
    radius: mix(before.radius, after.radius, changing),
    alpha: mix(before.alpha, after.alpha, changing),
    rgb: mixRgb(before.colour, after.colour, changing),
  };
}

function ease(t: number): number {
  const u = Math.min(1, Math.max(0, t));
  return u * u * (3 - 2 * u);
}

function mix(a: number, b: number, t: number): number {
  return a + (b - a) * t;
}

function mixRgb(from: number, to: number, t: number): Rgb {
  const a = OBJECT_RGB[COLOURS[from] as Colour];
  const b = OBJECT_RGB[COLOURS[to] as Colour];
  return [mix(a[0], b[0], t), mix(a[1], b[1], t), mix(a[2], b[2], t)];
}

/** Blends one shape over the frame; positions and sizes snap to quarter pixels so that masks can be shared. */
function drawShape(pixels: Uint8Array, size: number, shape: Shape, look: Look): void {
  const scale = size / SCENE_SIZE;
  const x4 = Math.round(look.x * scale * 4);
  const y4 = Math.round(look.y * scale * 4);
  const r4 = Math.max(1, Math.round(look.radius * scale * 4));
  const left = Math.floor(x4 / 4);
  const top = Math.floor(y4 / 4);
  const mask = coverage(shape, r4, x4 - left * 4, y4 - top * 4);
  for (let row = 0; row < mask.side; row++) {
    const y = top - mask.reach + row;
    if (y < 0 || y >= size) continue;
    for (let column = 0; column < mask.side; column++) {
      const x = left - mask.reach + column;
      const covered = (mask.values[row * mask.side + column] as number) * look.alpha;
      if (x < 0 || x >= size || covered === 0) continue;
      const at = (y * size + x) * 3;
      for (let c = 0; c < 3; c++) {
        pixels[at + c] = Math.round(mix(pixels[at + c] as number, look.rgb[c] as number, covered));
      }
    }
  }
}

interface Mask {
  /** Coverage 0 to 1 of side x side pixels; pixel (reach, reach) holds the centre. */
  values: Float32Array;
  side: number;
  reach: number;
}

const masks = new Map<string, Mask>();
const MAX_MASKS = 20_000;

/** Anti-aliased mask from 4 x 4 samples a pixel; all lengths in quarter pixels. */
function coverage(shape: Shape, r4: number, x4: number, y4: number): Mask {
  const key = `${shape}/${r4}/${x4}/${y4}`;
  const known = masks.get(key);
  if (known !== undefined) return known;
  const outline = OUTLINES[shape];
  const reach = Math.ceil((r4 * 1.3) / 4) + 1;
  const side = 2 * reach + 1;
  const values = new Float32Array(side * side);
  for (let i = 0; i < values.length; i++) {
    let inside = 0;
    for (let s = 0; s < 16; s++) {
      const px = (i % side) - reach + ((s % 4) + 0.5) / 4 - x4 / 4;
      const py = Math.floor(i / side) - reach + (Math.floor(s / 4) + 0.5) / 4 - y4 / 4;
      if (outline((px * 4) / r4, (py * 4) / r4)) inside++;
    }
    values[i] = inside / 16;
  }
  if (masks.size >= MAX_MASKS) masks.clear();
  const mask = { values, side, reach };
  masks.set(key, mask);
  return mask;
}

/** Whether a point belongs to the shape of radius 1 around the origin; sizes are chosen for similar areas. */
const OUTLINES: Readonly<Record<Shape, (x: number, y: number) => boolean>> = {
  circle: (x, y) => x * x + y * y <= 1,
  square: (x, y) => Math.max(Math.abs(x), Math.abs(y)) <= 0.9,
  triangle: polygon(regular(3, 1.25, 1.25)),
  star: polygon(regular(5, 1.3, 0.52)),
  cross: (x, y) => Math.max(Math.abs(x), Math.abs(y)) <= 1.08 && Math.min(Math.abs(x), Math.abs(y)) <= 0.36,
};

/** Corners of a star with n points (outer and inner radius alternate), the first one up. */
function regular(n: number, outer: number, inner: number): [number, number][] {
  const corners: [number, number][] = [];
  const steps = outer === inner ? n : 2 * n;
  for (let i = 0; i < steps; i++) {
    const radius = outer === inner || i % 2 === 0 ? outer : inner;
    const angle = (2 * Math.PI * i) / steps;
    corners.push([radius * Math.sin(angle), -radius * Math.cos(angle)]);
  }
  return corners;
}

/** Even-odd test; a triangle is shifted down so that its middle, not its centroid, is at the origin. */
function polygon(corners: [number, number][]): (x: number, y: number) => boolean {
  const ys = corners.map((corner) => corner[1]);
  const shift = (Math.max(...ys) + Math.min(...ys)) / 2;
  return (x, y) => {
    let inside = false;
    for (let i = 0, j = corners.length - 1; i < corners.length; j = i++) {
      const [xi, yi] = corners[i] as [number, number];
      const [xj, yj] = corners[j] as [number, number];
      const above = yi - shift > y;
      if (above !== yj - shift > y && x < ((xj - xi) * (y - yi + shift)) / (yj - yi) + xi) inside = !inside;
    }
    return inside;
  };
}
