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

/** A clip to make. */
export interface MadeClip {
  path: string;
  rate: string;
  frames: number;
  filter?: string | undefined;
  /** Arguments that choose the encoder; VP8 and VP9 hide frames only when they encode in two passes. */
  codec: readonly string[];
}

/** Makes a clip of a moving picture with noise, each frame unlike the others, 96x64. */
export function makeClip(
  path: string,
  clip: { rate: string; frames: number; filter?: string | undefined },
  codec: readonly string[],
): void {
  makeClips([{ path, ...clip, codec }]);
}

/** Makes clips of one encoder by one process: starting it takes longer than encoding a small clip. */
export function makeClips(clips: readonly MadeClip[]): void {
  const inputs = clips.flatMap(({ rate, filter }) => {
    const source = `testsrc2=size=96x64:rate=${rate},noise=alls=20:allf=t`;
    return ['-f', 'lavfi', '-i', filter ? `${source},${filter}` : source];
  });
  const twice = clips.some(({ codec }) => codec.some((argument) => argument.startsWith('libvpx')));
  for (const pass of twice ? [1, 2] : [undefined]) {
    const outputs = clips.flatMap(({ path, frames, codec }, i) => {
      const log = pass ? ['-pass', String(pass), '-passlogfile', `${path}.pass`] : [];
      return ['-map', `${i}:v`, '-frames:v', String(frames), ...codec, ...log, path];
    });
    ffmpeg(...inputs, ...outputs);
  }
}
