/** What reading a video by frame index is compared with: one plain decode of all of it. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
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
  const args = ['-v', 'error', '-nostdin', '-i', path, '-vsync', 'passthrough'];
  const { stdout } = spawnSync('ffmpeg', [...args, '-pix_fmt', 'rgb24', '-f', 'rawvideo', '-'], {
    maxBuffer: 2 ** 31,
  });
  return framesOf(path, stdout, size);
}

/**
 * {@link decodeAll} of several files in one process, which takes longer to start than to decode a short one; the frames go through
 * files beside them.
 *
 * @returns the frames of a file, by its path.
 */
export function decodeEach(
  paths: readonly string[],
  size: { width: number; height: number },
): Map<string, Uint8Array[]> {
  const inputs = paths.flatMap((path) => ['-i', path]);
  const outputs = paths.flatMap((path, i) => [
    ...['-map', `${i}:v:0`, '-vsync', 'passthrough', '-pix_fmt', 'rgb24', '-f', 'rawvideo', `${path}.rgb`],
  ]);
  spawnSync('ffmpeg', ['-v', 'error', '-nostdin', '-y', ...inputs, ...outputs]);
  return new Map(paths.map((path) => [path, framesOf(path, readFileSync(`${path}.rgb`), size)]));
}

function framesOf(path: string, bytes: Buffer, { width, height }: { width: number; height: number }) {
  const each = width * height * 3;
  if (bytes.length % each !== 0) throw new Error(`${path}: decoded frames are not ${width}x${height}`);
  return Array.from({ length: bytes.length / each }, (_, i) => bytes.subarray(i * each, (i + 1) * each));
}

/** A file with more is read in two goes instead of one a keyframe. */
const FEW_KEYFRAMES = 3;

/**
 * Checks that the table holds as many frames as the plain decode gives, and that all of them, each group reached by a
 * seek of its own where there are any, are its pictures.
 *
 * @param truth the frames of the plain decode, where it was made already.
 * @returns the frames of the plain decode.
 */
export async function expectSameFrames(
  path: string,
  size: { width: number; height: number },
  truth: Uint8Array[] = decodeAll(path, size),
): Promise<Uint8Array[]> {
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
