/** A video whose frames can be decoded by index, of whatever kind. */
import type { FrameTimes } from './sample.js';

/** One decoded frame, 8-bit RGB, row-major (height, width, 3). */
export interface RawFrame {
  width: number;
  height: number;
  data: Uint8Array;
}

/** Makes a frame the one that is kept of it. */
export type FitFrame = (frame: RawFrame) => RawFrame | Promise<RawFrame>;

/** A video that was probed and can give frames by index, whatever its kind. */
export interface VideoSource extends FrameTimes {
  /**
   * Decodes frames.
   *
   * @param indices ascending, without repeats, each below times.length.
   * @param fitFrame what becomes of each frame as soon as it is decoded: 32 frames of 8K at their own size are 3.2 GB.
   * @throws DataError when a frame cannot be decoded.
   */
  read(indices: readonly number[], signal?: AbortSignal, fitFrame?: FitFrame): Promise<RawFrame[]>;
}

/** The start of every message about a video: the id of the sample or video that asked for it, then the file. */
export function videoName(id: string, path: string): string {
  return id === path ? path : `${id}: ${path}`;
}

/** A frame at its own size. */
export const asItIs: FitFrame = (frame) => frame;
