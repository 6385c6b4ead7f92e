/** What reading a video by frame index is compared with: one plain decode of all of it. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { Rng } from '../../../src/base/random.js';
import { decodeFrames } from '../../../src/video/decode.js';
import { probeVideo } from '../../../src/video/probe.js';

/**
 * The independent truth: every frame of a file, by one plain decode of all of it, in order. No seeking, selecting or
 * time stamps are involved.
 *
 * @param size width and height of the decoded frames.
 */
export function decodeAll(path: string, size: { width: number; height: number }): Uint8Array[] {
  return decodeAllOf([path], size)[0]!;
}

/** {@link decodeAll} of several files by one process: starting it takes longer than decoding a small clip. */
export function decodeAllOf(
  paths: readonly string[],
  size: { width: number; height: number },
): Uint8Array[][] {
  const folder = mkdtempSync(join(tmpdir(), 'reasvqa-truth-'));
  const outputs = paths.map((_, i) => join(folder, `${i}.rgb`));
  execFileSync('ffmpeg', [
    ...['-v', 'error', '-nostdin', '-y', ...paths.flatMap((path) => ['-i', path]), '-vsync', 'passthrough'],
    ...outputs.flatMap((output, i) => ['-map', `${i}:v`, '-pix_fmt', 'rgb24', '-f', 'rawvideo', output]),
  ]);
  const bytes = size.width * size.height * 3;
  const decoded = outputs.map((output) => readFileSync(output));
  rmSync(folder, { recursive: true });
  return decoded.map((all, i) => {
    if (all.length % bytes !== 0)
      throw new Error(`${paths[i]}: decoded frames are not ${size.width}x${size.height}`);
    return Array.from({ length: all.length / bytes }, (_, at) => all.subarray(at * bytes, (at + 1) * bytes));
  });
}

/** A file with more is read in two goes instead of one a keyframe. */
const FEW_KEYFRAMES = 3;

/** A file with more is read in two goes instead of one a keyframe. */
const FEW_KEYFRAMES = 3;

/**
 * Checks that the table holds as many frames as the plain decode gives, and that all of them, each group reached by a
 * seek of its own where there are any, are its pictures.
 *
 * @returns the frames of the plain decode.
 */
export async function expectSameFrames(
  path: string,
  size: { width: number; height: number },
): Promise<Uint8Array[]> {
  const truth = decodeAll(path, size);
  const table = await probeVideo(path, 'clip');
  expect(table.stamps.length).toBe(truth.length);
  expect(table.times.every((time, i) => i === 0 || time > (table.times[i - 1] as number))).toBe(true);
  const all = truth.map((_, i) => i);
  const [one] = new Rng(path.slice(path.lastIndexOf('/'))).shuffle([...all]) as [number];
  const keyframes = table.keyframes.length;
  // At scale 2000 frames are as if so large that every group is reached by its own seek.
  const goes: [indices: number[], scale: number][] =
    keyframes === 0
      ? [[all, 1]]
      : keyframes <= FEW_KEYFRAMES
        ? [[all, 2000]]
        : [
            [all, 1],
            [[...new Set([one, truth.length - 1])], 2000],
          ];
  for (const [indices, scale] of goes) {
    const seen = { ...table, width: table.width * scale, height: table.height * scale };
    const frames = await decodeFrames(path, 'clip', seen, indices);
    expect(frames.length).toBe(indices.length);
    frames.forEach((frame, i) => {
      expect({ width: frame.width, height: frame.height }).toEqual(size);
      const same = Buffer.compare(frame.data, truth[indices[i] as number] as Uint8Array) === 0;
      expect(same, `frame ${indices[i]} of ${indices} (scale ${scale})`).toBe(true);
    });
  }
  return truth;
}
