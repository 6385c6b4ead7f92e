/** Frames that a student saw as pictures for people. */
import sharp from 'sharp';
import type { Frames } from '../video/frames.js';

/** @returns each frame once, in time order, as PNG at its own size */
export async function framePictures(frames: Frames): Promise<{ index: number; png: Buffer }[]> {
  const pictures: { index: number; png: Buffer }[] = [];
  for (const { index, at } of distinct(frames))
    pictures.push({ index, png: await pictureOf(frames, at).png().toBuffer() });
  return pictures;
}

/** Small pictures at most this large are enlarged by the viewer, and kept without loss. */
const SMALL = 96;

/**
 * A frame as a page shows it, its longer side at most `side` pixels: WebP, without loss where it is small.
 *
 * @param at place of the frame among the frames
 */
export function previewOf(frames: Frames, at: number, side = 320): Promise<Buffer> {
  const lossless = Math.max(frames.width, frames.height) <= SMALL;
  const picture = pictureOf(frames, at).resize({
    ...{ width: side, height: side, fit: 'inside', withoutEnlargement: true },
  });
  return picture.webp(lossless ? { lossless, effort: 0 } : { quality: 75 }).toBuffer();
}

function distinct({ indices }: Frames): { index: number; at: number }[] {
  return [...new Set(indices)].map((index) => ({ index, at: indices.indexOf(index) }));
}

function pictureOf({ data, width, height }: Frames, at: number) {
  const size = width * height * 3;
  return sharp(data.subarray(at * size, (at + 1) * size), { raw: { width, height, channels: 3 } });
}
