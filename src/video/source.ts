/** A video whose frames can be decoded by index, of whatever kind. */
import type { FrameTimes } from './sample.js';

/** One decoded frame, 8-bit RGB, row-major (height, width, 3). */
export interface RawFrame {
  width: number;
  height: number;
  data: Uint8Array;
}

/** A video that was probed and can give frames by index, whatever its kind. */
export interface VideoSource extends FrameTimes {
  /**
   * Decodes frames at their own size.
   *
   * @param indices ascending, without repeats, each below times.length.
   * @throws DataError when a frame cannot be decoded.
   */
  read(indices: readonly number[], signal?: AbortSignal): Promise<RawFrame[]>;
}

/** The start of every message about a video: the id of the sample or video that asked for it, then the file. */
export function videoName(id: string, path: string): string {
  return id === path ? path : `${id}: ${path}`;
}
