import { execFileSync, spawnSync } from 'node:child_process';

/** Whether ffmpeg and ffprobe can be run here. */
export const hasFfmpeg = ['ffmpeg', 'ffprobe'].every(
  (tool) => spawnSync(tool, ['-version'], { stdio: 'ignore' }).status === 0,
);

const encoders = hasFfmpeg ? execFileSync('ffmpeg', ['-v', 'error', '-encoders'], { encoding: 'utf8' }) : '';

/** Whether this build of ffmpeg has an encoder. */
export function hasEncoder(name: string): boolean {
  return new RegExp(`^\\s*V\\S*\\s+${name}\\s`, 'm').test(encoders);
}

/** Runs ffmpeg to make a fixture. */
export function ffmpeg(...args: string[]): void {
  execFileSync('ffmpeg', ['-v', 'error', '-nostdin', '-y', ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
}

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
  const bytes = size.width * size.height * 3;
  if (stdout.length % bytes !== 0)
    throw new Error(`${path}: decoded frames are not ${size.width}x${size.height}`);
  return Array.from({ length: stdout.length / bytes }, (_, i) => stdout.subarray(i * bytes, (i + 1) * bytes));
}
