/** The frames that a report shows: one small picture of every clip, as large as the page's size allows. */
import { availableParallelism } from 'node:os';
import pLimit from 'p-limit';
import sharp from 'sharp';
import { messageOf } from '../base/errors.js';
import { clipOf, readFrames } from '../video/frames.js';
import { resizeFrame } from '../video/resize.js';
import type { PageClip } from './page/data.js';

/** A clip to show. */
export interface Clip {
  /** Who asks for it, for messages. */
  id: string;
  /** File or folder of the video. */
  path: string;
  start?: number | undefined;
  end?: number | undefined;
  fps?: number | undefined;
}

/** Frames of a clip, the middles of four equal parts: what the teacher is shown (paper, section 4.1: N = 4). */
const FRAMES = 4;

/** The longer side in pixels, largest first: 200 is what the page shows on a desktop. */
const SIDES = [200, 160, 120, 96, 64];

/** Pictures at most this large may be drawings, which are kept smaller and sharp without loss. */
const SMALL = 96;

/** Clips whose pictures tell how large all will be. */
const TRIED = 16;

/**
 * Reads frames of clips and encodes them, each clip as one picture with its frames below each other; on all cores.
 *
 * @param budget bytes of base64 that all pictures together may take; their side shrinks until they fit, to 64 pixels
 * @returns one entry a clip; a clip that cannot be read has the reason
 */
export async function thumbnails(clips: readonly Clip[], budget: number): Promise<PageClip[]> {
  const limit = pLimit(availableParallelism());
  const read = await Promise.all(clips.map((clip) => limit(() => readClip(clip))));
  const strips = read.flatMap((one) => ('error' in one ? [] : [one]));
  const tried = strips.filter((_, i) => i % Math.ceil(strips.length / TRIED) === 0);
  const bytesOf = async (way: Way) => {
    const pictures = await Promise.all(tried.map((strip) => limit(() => encode(strip, way))));
    return (pictures.reduce((sum, { data }) => sum + data.length, 0) * strips.length) / tried.length;
  };
  const way = await chooseWay(bytesOf, budget);
  return Promise.all(
    read.map((one) => ('error' in one ? { error: one.error } : limit(() => encode(one, way)))),
  );
}

/** How pictures are made small. */
interface Way {
  side: number;
  lossless: boolean;
}

/** The largest side whose pictures fit, in the format that takes less. */
async function chooseWay(bytesOf: (way: Way) => Promise<number>, budget: number): Promise<Way> {
  for (const side of SIDES) {
    const ways = [false, true].map((lossless) => ({ side, lossless }));
    const bytes = await Promise.all(ways.map(bytesOf));
    const least = bytes.indexOf(Math.min(...bytes));
    if (bytes[least]! <= budget) return ways[least]!;
  }
  return { side: SIDES.at(-1)!, lossless: false };
}

interface Strip {
  width: number;
  height: number;
  frames: Uint8Array[];
  times: number[];
}

async function readClip({ path, id, start, end, fps }: Clip): Promise<Strip | { error: string }> {
  try {
    const request = {
      ...{ path, id, count: FRAMES, mode: 'uniform' as const },
      ...clipOf({ start, end }, fps),
    };
    const { data, n, width, height, timestamps: times } = await readFrames(request);
    const size = width * height * 3;
    const frames = Array.from({ length: n }, (_, i) => data.subarray(i * size, (i + 1) * size));
    // Made small at once: hundreds of clips at full size would not fit into memory.
    return await fitted({ width, height, frames, times }, SIDES[0]!);
  } catch (error) {
    return { error: messageOf(error) };
  }
}

async function fitted(strip: Strip, side: number): Promise<Strip> {
  const { width, height } = strip;
  const scale = Math.min(1, side / Math.max(width, height));
  const [w, h] = [width, height].map((length) => Math.max(1, Math.round(length * scale))) as [number, number];
  const frames = await Promise.all(
    strip.frames.map(
      async (data) => (await resizeFrame({ width, height, data }, { width: w, height: h })).data,
    ),
  );
  return { ...strip, width: w, height: h, frames };
}

type Picture = Exclude<PageClip, { error: string }>;

async function encode(strip: Strip, { side, lossless }: Way): Promise<Picture> {
  const { width, height, frames, times } = await fitted(strip, side);
  const image = sharp(Buffer.concat(frames), {
    raw: { width, height: height * frames.length, channels: 3 },
  });
  const small = lossless && Math.max(width, height) <= SMALL;
  const bytes = await (small
    ? image.webp({ lossless: true, effort: 0 })
    : image.jpeg({ quality: 70 })
  ).toBuffer();
  return { type: small ? 'webp' : 'jpeg', data: bytes.toString('base64'), width, height, times };
}
