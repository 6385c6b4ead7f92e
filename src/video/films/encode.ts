/** Writes a video with ffmpeg: whole and as long as it should be, or not at all. */
import { rename, rm } from 'node:fs/promises';
import { DataError } from '../../base/errors.js';
import { probeVideo } from '../probe.js';
import { firstComplaint, runTool, type ToolUse } from '../process.js';

/** H.264 that looks as its source, without sound, and the same bytes each time with one ffmpeg. */
const CODEC = [
  ...['-an', '-sn', '-map_metadata', '-1', '-c:v', 'libx264', '-preset', 'veryfast', '-crf', '18'],
  ...['-pix_fmt', 'yuv420p', '-threads', '1', '-fflags', '+bitexact', '-flags:v', '+bitexact'],
];

/** Suffix of files that are being written. */
export const PARTIAL = '.part';

export interface Encoding {
  /** Inputs, filters and maps of ffmpeg. */
  args: readonly string[];
  /** Frames that the video is to have, and how many may be missing at its end. */
  frames: number;
  missing?: number;
}

/**
 * Encodes a video.
 *
 * @param path Matroska file to write: that form keeps the time of every frame.
 * @throws DataError naming the source, when ffmpeg fails or leaves frames out.
 */
export async function encodeVideo(
  path: string,
  { args, frames, missing = 0 }: Encoding,
  use: ToolUse,
): Promise<void> {
  const partial = `${path}${PARTIAL}`;
  try {
    const quiet = ['-v', 'error', '-nostdin', '-y'];
    // Reports on stdout are the signs of life that runTool waits for.
    const report = ['-progress', 'pipe:1', '-nostats', '-stats_period', '5'];
    const all = [...quiet, ...report, ...args, ...CODEC, '-f', 'matroska', `file:${partial}`];
    const { status, stderr } = await runTool('ffmpeg', all, drain, use);
    if (status !== 0)
      throw new DataError(`${use.name}: ffmpeg could not make the video (${firstComplaint(stderr)})`);
    const written = (await probeVideo(partial, use.name, use.signal)).times.length;
    if (written > frames || written < frames - missing)
      throw new DataError(
        `${use.name}: ${written} of ${frames} frames could be written (${firstComplaint(stderr)}); is the video damaged?`,
      );
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

async function drain(stdout: AsyncIterable<Buffer>): Promise<void> {
  for await (const _ of stdout);
}
