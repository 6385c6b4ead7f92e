/** Reads one clip of a video as the vision model's input. */
import { Rng } from '../base/random.js';
import { clipOf, type FrameRequest, readFrames, readFrameTimes } from './frames.js';
import { randomResizedCrop, toPixelValues } from './preprocess.js';

/** What is taken of a video. */
export interface ClipSettings {
  /** Frames per clip. */
  frames: number;
  /** `random` is for what is drawn alone; `ends` holds always. */
  sampling: 'random' | 'uniform' | 'ends';
  crop: 'none' | 'random-resized';
  /** Rate of folders of frames. */
  fps?: number | undefined;
}

/** A clip to read: plain data, so that another thread can be asked for it. */
export interface ClipRequest extends ClipSettings {
  /** Video file, GIF, WebP, or a folder of images. */
  path: string;
  /** The sample's id, for messages. */
  id: string;
  /** Clip bounds in seconds; the whole video when absent. */
  start?: number | undefined;
  end?: number | undefined;
  /** Label of the stream that draws frames and crop (Rng); nothing is drawn when absent: `random` is then uniform, and the frame whole. */
  draw?: string | undefined;
  /** A clip with fewer frames than asked for gives those it has, instead of repeating the last (`pad`, the default). */
  pad?: boolean | undefined;
  /** Most frames a second ({@link FrameRequest.perSecond}); no limit when absent. */
  perSecond?: number | undefined;
  /** Side of the square that the model takes, in pixels. */
  imageSize: number;
  /** Normalisation of each channel. */
  mean: readonly number[];
  std: readonly number[];
}

/** Gives the pixels of a clip; see {@link readClip}. */
export type ClipReader = (request: ClipRequest, signal?: AbortSignal) => Promise<Float32Array>;

/**
 * Reads a clip in this thread.
 *
 * @param signal ends the decoders; the promise then rejects with its reason
 * @returns f32 (frames, 3, imageSize, imageSize), row major, in a buffer of its own
 * @throws DataError for a video that cannot be read, as readFrames
 */
export const readClip: ClipReader = async (request, signal) => {
  const { sampling, crop, draw, imageSize, mean, std } = request;
  const rng = draw === undefined ? undefined : new Rng(draw);
  const cropped = rng !== undefined && crop === 'random-resized';
  const frames = await readFrames({
    ...frameRequest(request),
    ...(rng && sampling === 'random' ? { mode: 'random', rng } : {}),
    ...(signal ? { signal } : {}),
    size: { width: imageSize, height: imageSize },
    ...(cropped ? { crop: () => randomResizedCrop(rng, imageSize) } : {}),
  });
  signal?.throwIfAborted();
  return toPixelValues(frames, { imageSize, mean, std });
};

/** When the frames of a clip are shown of which none are drawn, in seconds since the video's first frame. */
export function readClipTimes(request: ClipRequest): Promise<number[]> {
  return readFrameTimes(frameRequest(request));
}

function frameRequest(request: ClipRequest): FrameRequest {
  const { path, id, frames: count, sampling, fps, pad = true, perSecond } = request;
  return { path, id, count, pad, perSecond, mode: evaluationMode(sampling), ...clipOf(request, fps) };
}

/** How frames are taken where none are drawn. */
export function evaluationMode(sampling: ClipSettings['sampling']): 'uniform' | 'ends' {
  return sampling === 'ends' ? 'ends' : 'uniform';
}
