/** The frames that a report shows: small pictures of every clip, as large as the page's size allows. */
import { availableParallelism } from 'node:os';
import pLimit from 'p-limit';
import sharp from 'sharp';
import { messageOf } from '../base/errors.js';
import { clipOf, readFrames } from '../video/frames.js';
import { resizeFrame } from '../video/resize.js';

/** A clip to show. */
export interface Clip {
  /** Who asks for it, for messages. */
  id: string;
  /** File or folder of the video; undefined where it is gone. */
  path: string | undefined;
  start?: number | undefined;
  end?: number | undefined;
  fps?: number | undefined;
}

/** Frames of a clip, ready for a page, or why there are none. */
export interface Thumbnails {
  path: string | undefined;
  /** Base64 of each picture, and what it is (`png`, `jpeg`). */
  frames: { type: string; data: string }[];
  /** Seconds since the video's first frame. */
  times: number[];
  error?: string;
}

/** Frames of a clip, the middles of four equal parts: what the teacher is shown (paper, section 4.1: N = 4). */
const FRAMES = 4;

/** The longer side in pixels, largest first: 200 is what the page shows on a desktop. */
const SIDES = [200, 160, 120, 96, 64];

/** Pictures at most this large may be drawings, which PNG keeps smaller and sharp. */
const SMALL = 96;

/** Clips whose pictures tell how large all will be. */
const TRIED = 24;

/**
 * Reads and encodes frames of clips, on all cores.
 *
 * @param budget bytes of base64 that all pictures together may take; their side shrinks until they fit, to 64 pixels
 * @returns one entry a clip; a clip that cannot be read has the reason
 */
export async function thumbnails(clips: readonly Clip[], budget: number): Promise<Thumbnails[]> {
  const limit = pLimit(availableParallelism());
  const read = await Promise.all(clips.map((clip) => limit(() => readClip(clip))));
  const shown = read.filter(({ error }) => error === undefined);
  const tried = shown.filter((_, i) => i % Math.ceil(shown.length / TRIED) === 0);
  let side = SIDES[0]!;
  for (side of SIDES) {
    const sample = await Promise.all(tried.map((clip) => limit(() => encodeClip(clip, side))));
    const bytes = sample.flatMap(({ frames }) => frames).reduce((sum, { data }) => sum + data.length, 0);
    if (bytes * shown.length <= budget * tried.length) break;
  }
  return Promise.all(read.map((clip) => limit(() => encodeClip(clip, side))));
}

interface RawClip {
  path: string | undefined;
  frames: { width: number; height: number; data: Uint8Array }[];
  times: number[];
  error?: string;
}

async function readClip({ id, path, start, end, fps }: Clip): Promise<RawClip> {
  if (path === undefined) return { path, frames: [], times: [], error: 'its video is not there' };
  try {
    const { data, n, width, height, timestamps } = await readFrames({
      ...{ path, id, count: FRAMES, mode: 'uniform' },
      ...clipOf({ start, end }, fps),
    });
    const size = width * height * 3;
    const whole = Array.from({ length: n }, (_, i) => ({
      ...{ width, height, data: data.slice(i * size, (i + 1) * size) },
    }));
    // Made small at once: hundreds of clips at full size would not fit into memory.
    const frames = await Promise.all(whole.map((frame) => fitted(frame, SIDES[0]!)));
    return { path, frames, times: timestamps };
  } catch (error) {
    return { path, frames: [], times: [], error: messageOf(error) };
  }
}

type RawFrame = RawClip['frames'][number];

function fitted(frame: RawFrame, side: number): Promise<RawFrame> {
  const scale = Math.min(1, side / Math.max(frame.width, frame.height));
  const size = (length: number) => Math.max(1, Math.round(length * scale));
  return resizeFrame(frame, { width: size(frame.width), height: size(frame.height) });
}

async function encodeClip({ path, frames, times, error }: RawClip, side: number): Promise<Thumbnails> {
  const encoded = await Promise.all(frames.map(async (frame) => encode(await fitted(frame, side))));
  return { path, frames: encoded, times, ...(error === undefined ? {} : { error }) };
}

async function encode({ width, height, data }: RawFrame): Promise<Thumbnails['frames'][number]> {
  const image = sharp(data, { raw: { width, height, channels: 3 } });
  const jpeg = await image.clone().jpeg({ quality: 70 }).toBuffer();
  const png = Math.max(width, height) <= SMALL ? await image.png().toBuffer() : undefined;
  const [type, bytes] = png && png.length <= jpeg.length ? ['png', png] : ['jpeg', jpeg];
  return { type: type as string, data: (bytes as Buffer).toString('base64') };
}
