/** Makes small videos with ffmpeg. */
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
 * Makes a clip of a moving picture with noise, each frame unlike the others, 96x64.
 *
 * @param codec arguments that choose the encoder; VP8 and VP9 hide frames only when they encode in two passes.
 */
export function makeClip(
  path: string,
  clip: { rate: string; frames: number; filter?: string | undefined },
  codec: readonly string[],
): void {
  const source = `testsrc2=size=96x64:rate=${clip.rate},noise=alls=20:allf=t`;
  const graph = clip.filter ? `${source},${clip.filter}` : source;
  const passes = codec.some((argument) => argument.startsWith('libvpx')) ? [1, 2] : [undefined];
  for (const pass of passes) {
    const log = pass ? ['-pass', String(pass), '-passlogfile', `${path}.pass`] : [];
    ffmpeg('-f', 'lavfi', '-i', graph, '-frames:v', String(clip.frames), ...codec, ...log, path);
  }
}
