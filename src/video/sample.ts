/** Picks the frames of a clip. */
import type { Rng } from '../base/random.js';

/** A clip in frames: [lo, hi) of a video of `frameCount` frames. */
interface FrameRange {
  frameCount: number;
  lo: number;
  hi: number;
}

/**
 * Picks the frames of a clip as SeViLA does (`lavis/datasets/data_utils.py`, load_video): the clip is cut into n =
 * min(count, frameCount) intervals at linspace(lo, hi, n + 1) truncated to integers, and each yields one frame: its
 * middle, floor((lo + hi) / 2), or with a generator a uniformly random one of [lo, hi).
 *
 * Two differences, both where the original breaks: an index equal to frameCount becomes the last frame, and a video
 * with fewer frames than asked repeats its last pick (the original replaces the sample by another video).
 *
 * @param count frames to pick, at least 1.
 * @param rng given for training; without it the middles are taken.
 * @returns `count` indices in ascending order, repeats included.
 */
export function sampleFrames(range: FrameRange, count: number, rng?: Rng): number[] {
  const { frameCount } = range;
  const n = Math.min(count, frameCount);
  const edges = truncatedLinspace(range.lo, range.hi, n + 1);
  const indices: number[] = [];
  for (let i = 0; i < n; i++) {
    const lo = edges[i] as number;
    const hi = edges[i + 1] as number;
    const pick = rng ? lo + (hi > lo ? rng.int(hi - lo) : 0) : Math.floor((lo + hi) / 2);
    indices.push(Math.min(pick, frameCount - 1));
  }
  while (indices.length < count) indices.push(indices[n - 1] as number);
  return indices;
}

/**
 * Picks the frames of a clip as lmms-eval and LLaVA-NeXT do: floor(linspace(lo, hi - 1, count)), from the clip's first frame
 * to its last. A clip with fewer frames than asked repeats some; one frame is the first.
 *
 * @returns `count` indices in ascending order
 */
export function framesWithEnds({ frameCount, lo, hi }: FrameRange, count: number): number[] {
  const first = Math.min(lo, frameCount - 1);
  const last = Math.max(first, Math.min(hi, frameCount) - 1);
  return count === 1 ? [first] : truncatedLinspace(first, last, count);
}

/** numpy.linspace(lo, hi, num).astype(int) for integers lo <= hi and num >= 2, rounding as numpy rounds. */
function truncatedLinspace(lo: number, hi: number, num: number): number[] {
  const step = (hi - lo) / (num - 1);
  const values = Array.from({ length: num }, (_, i) => Math.trunc(i * step + lo));
  values[num - 1] = hi;
  return values;
}

/** When each frame of a video is shown. */
export interface FrameTimes {
  /** Seconds since the first frame, ascending, one a frame. */
  times: Float64Array;
  /** Average frames a second; undefined for still images, which have no times. */
  fps: number | undefined;
}

/**
 * The frames of a clip given in seconds: [int(start * fps), int(end * fps)) clamped to the video, as SeViLA does. With
 * a variable frame rate the frames on screen at `start` and `end` take the place of the two products, which is the
 * same thing when the rate is constant.
 */
export function clipRange(video: FrameTimes, start: number | undefined, end: number | undefined): FrameRange {
  const frameCount = video.times.length;
  const lo = start === undefined ? 0 : frameAt(video, start);
  const hi = end === undefined ? frameCount : frameAt(video, end);
  return { frameCount, lo, hi: Math.max(lo, hi) };
}

function frameAt({ times, fps }: FrameTimes, seconds: number): number {
  if (fps === undefined) throw new RangeError('frameAt: a video without times has no frame at a time');
  if (isConstantRate(times, fps)) return clamp(Math.trunc(seconds * fps), 0, times.length);
  // Past the end of the last frame (which lasts an average frame) the clip ends with the video.
  if (seconds >= (times.at(-1) as number) + 1 / fps) return times.length;
  let lo = 0;
  let hi = times.length;
  while (hi - lo > 1) {
    const middle = (lo + hi) >> 1;
    if ((times[middle] as number) <= seconds + 1e-6) lo = middle;
    else hi = middle;
  }
  return lo;
}

/** Whether every frame is within half a frame of its place at a constant rate. */
export function isConstantRate(times: Float64Array, fps: number): boolean {
  return times.every((time, i) => Math.abs(time - i / fps) <= 0.5 / fps);
}

function clamp(value: number, low: number, high: number): number {
  return Math.max(low, Math.min(high, value));
}
