/** Reads the frames of a clip from a video of any kind. */
import { stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { DataError, UsageError } from '../base/errors.js';
import type { Rng } from '../base/random.js';
import { openVideoFile } from './decode.js';
import { openAnimation, openImageFolder } from './images.js';
import { type CropBox, resizeFrame } from './resize.js';
import { clipRange, framesWithEnds, sampleFrames } from './sample.js';
import { asItIs, type FitFrame, type RawFrame, type VideoSource, videoName } from './source.js';

/** Frames of one clip in time order. */
export interface Frames {
  /** 8-bit RGB, (n, height, width, 3). */
  data: Uint8Array;
  n: number;
  height: number;
  width: number;
  /** Index of each frame in the video; repeats when the video has fewer frames than asked for. */
  indices: number[];
  /** Seconds since the video's first frame. */
  timestamps: number[];
}

export interface FrameRequest {
  /** Video file, GIF, WebP, or a folder of images. */
  path: string;
  /** The sample or video id, for messages. */
  id: string;
  /** Frames to return, at least 1. */
  count: number;
  /** Middle of each interval, or a random frame of it (sampleFrames); or evenly from the first to the last (framesWithEnds). */
  mode: 'uniform' | 'random' | 'ends';
  /** Needed by mode 'random'. */
  rng?: Rng;
  /** Clip bounds in seconds; the whole video when absent. */
  start?: number;
  end?: number;
  /**
   * Size to return, not keeping the aspect; the video's own when absent. Frames are resampled as they are decoded, so
   * no more than one a process is in memory at its own size.
   */
  size?: { width: number; height: number };
  /** Part of every frame that is made `size`, the same of all. Asked for once, after the frames are drawn. */
  crop?: () => CropBox;
  /** A video with fewer frames than asked for gives those it has, instead of repeating the last (`pad`, the default). */
  pad?: boolean;
  /** Most frames a second of a clip with both bounds; where that is fewer than asked for, each is repeated (or not, without `pad`). */
  perSecond?: number | undefined;
  /** Rate of an image folder, which carries none; clips in seconds need it. */
  fps?: number;
  signal?: AbortSignal;
}

/** A clip's bounds, and the rate of videos that carry none. */
export function clipOf(
  { start, end }: { start?: number | undefined; end?: number | undefined },
  fps?: number,
): Pick<FrameRequest, 'start' | 'end' | 'fps'> {
  return {
    ...(start === undefined ? {} : { start }),
    ...(end === undefined ? {} : { end }),
    ...(fps === undefined ? {} : { fps }),
  };
}

/** Seconds after the video's end at which a clip may start without an error (annotations round). */
const START_TOLERANCE_SECONDS = 1;

/** Decoded frames lie in one piece of memory, and Node 20 gives no larger one. */
const MOST_BYTES = 2 ** 32;

/** The frames of a folder differ in size, so they have no size of their own. */
export class MixedSizes extends DataError {}

/**
 * Reads frames of a clip from a video file, an animation or a folder of images.
 *
 * @throws DataError naming id and path for a video that is missing, broken or truncated, a clip outside it, or ffmpeg
 *   not being installed, and for more frames than 4 GiB hold. What follows from a bad video (stop, or leave the sample out) is the caller's choice.
 */
export async function readFrames(request: FrameRequest): Promise<Frames> {
  const { path, id, count, mode, rng, signal } = request;
  if (!Number.isInteger(count) || count < 1)
    throw new UsageError(`frames: expected at least 1, got ${count}`);
  if (mode === 'random' && !rng) throw new RangeError('readFrames: mode "random" needs a generator');
  const name = videoName(id, path);
  const source = await openVideo(path, id, request.fps, signal);
  const indices = indicesOf(source, request, name);
  const distinct = [...new Set(indices)].sort((a, b) => a - b);
  const frames = await source.read(distinct, signal, withinMemory(fitOf(request), indices.length, name));
  requireOneSize(frames, name);
  return assemble(frames, distinct, indices, source);
}

/**
 * When the frames that {@link readFrames} reads are shown, in seconds since the video's first frame; decodes nothing.
 *
 * @throws DataError as readFrames
 */
export async function readFrameTimes(request: FrameRequest): Promise<number[]> {
  const { path, id, fps, signal } = request;
  const source = await openVideo(path, id, fps, signal);
  return indicesOf(source, request, videoName(id, path)).map((index) => source.times[index] as number);
}

/** Indices of the frames that are asked for, in time order. */
function indicesOf(source: VideoSource, request: FrameRequest, name: string): number[] {
  const { count, mode, rng, start, end, perSecond } = request;
  const range = requestedRange(source, request, name);
  const wanted = request.pad === false ? Math.min(count, range.frameCount) : count;
  const isLimited = perSecond !== undefined && start !== undefined && end !== undefined;
  const most = isLimited ? Math.floor((end - start) * perSecond) : wanted;
  const few = Math.min(wanted, Math.max(1, most));
  const indices =
    mode === 'ends'
      ? framesWithEnds(range, few)
      : sampleFrames(range, few, mode === 'random' ? rng : undefined);
  if (few === wanted || request.pad === false) return indices;
  return Array.from({ length: wanted }, (_, i) => indices[Math.floor((i * few) / wanted)]!);
}

function fitOf({ size, crop }: FrameRequest): FitFrame {
  if (!size) return asItIs;
  const box = crop?.();
  return (frame) => resizeFrame(frame, size, box);
}

/** Refuses frames that are too many as soon as the first one tells its size. @throws DataError */
function withinMemory(fitFrame: FitFrame, count: number, name: string): FitFrame {
  return async (frame) => {
    const fitted = await fitFrame(frame);
    const { width, height } = fitted;
    if (count * width * height * 3 > MOST_BYTES)
      throw new DataError(
        `${name}: ${count} frames of ${width}x${height} take ${((count * width * height * 3) / 2 ** 30).toFixed(1)} GiB decoded, more than the 4 GiB that a clip may take; ask for fewer frames`,
      );
    return fitted;
  };
}

/**
 * Length of a video in seconds: its last frame's time and the time that this one is shown.
 *
 * @throws DataError for a video that is missing or broken, or a folder of frames without `fps` (data.fps)
 */
export async function readDuration({
  path,
  id,
  fps,
  signal,
}: Pick<FrameRequest, 'path' | 'id' | 'fps' | 'signal'>): Promise<number> {
  const source = await openVideo(path, id, fps, signal);
  if (source.fps === undefined)
    throw new DataError(
      `${videoName(id, path)}: a folder of frames has no length in seconds; set data.fps, or state the duration in the annotations`,
    );
  return durationOf(source);
}

const durationOf = ({ times, fps }: VideoSource) => (times.at(-1) as number) + 1 / (fps ?? 1);

/** Opens a video of any kind by what lies at the path. */
async function openVideo(path: string, id: string, fps?: number, signal?: AbortSignal): Promise<VideoSource> {
  const info = await stat(path).catch((error) => {
    throw new DataError(`${videoName(id, path)}: no such video`, { cause: error });
  });
  if (info.isDirectory()) return openImageFolder(path, id, fps);
  // Opening a pipe without a writer would wait for ever.
  if (!info.isFile())
    throw new DataError(`${videoName(id, path)}: no video, it is neither a file nor a folder`);
  const extension = extname(path).toLowerCase();
  return extension === '.gif' || extension === '.webp'
    ? openAnimation(path, id)
    : openVideoFile(path, id, signal);
}

function requestedRange(source: VideoSource, { start, end }: FrameRequest, name: string) {
  if (source.fps === undefined && (start !== undefined || end !== undefined)) {
    throw new DataError(
      `${name}: a clip in seconds needs a frame rate, and a folder of frames has none; set data.fps`,
    );
  }
  const duration = durationOf(source);
  if (start !== undefined && start > duration + START_TOLERANCE_SECONDS) {
    throw new DataError(
      `${name}: the clip starts at ${start} s, but the video ends at ${duration.toFixed(2)} s; is it the right video?`,
    );
  }
  return clipRange(source, start, end);
}

function requireOneSize(frames: readonly RawFrame[], name: string): void {
  const first = frames[0] as RawFrame;
  const odd = frames.find((frame) => frame.width !== first.width || frame.height !== first.height);
  if (odd) {
    throw new MixedSizes(
      `${name}: frames differ in size (${first.width}x${first.height} and ${odd.width}x${odd.height}); ask for one size`,
    );
  }
}

function assemble(frames: RawFrame[], distinct: number[], indices: number[], source: VideoSource): Frames {
  const { width, height } = frames[0] as RawFrame;
  const size = width * height * 3;
  const data = new Uint8Array(Buffer.allocUnsafeSlow(indices.length * size).buffer);
  const position = new Map(distinct.map((index, i) => [index, i]));
  indices.forEach((index, i) => {
    data.set((frames[position.get(index) as number] as RawFrame).data, i * size);
  });
  const timestamps = indices.map((index) => source.times[index] as number);
  return { data, n: indices.length, height, width, indices, timestamps };
}
