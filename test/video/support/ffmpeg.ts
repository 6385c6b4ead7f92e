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
